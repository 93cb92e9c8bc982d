// Answers and rationales that point at objects, read back.

import TandemScenes

enum TaggedReader {
  /// What an answer or a rationale claims.
  static func option(_ text: TaggedText, in question: TaggedText) throws -> Meaning {
    let words = words(text)
    guard words.last == "." else { throw ReadError(description: "no full stop: \(text.text)") }
    let parts = Array(words.dropLast())
    let asked = Array(self.words(question).dropLast())
    if asked.starts(with: ["Which", "object", "is", "the"]), parts.last == "is", parts.count == 2 {
      return try extreme(asked.dropFirst(4).joined(separator: " "), try object(parts[0]))
    }
    if asked.starts(with: ["Which", "objects", "are"]), ["is", "are"].contains(parts.last) {
      var reader = try EnglishReader(phrase: asked.dropFirst(3).joined(separator: " "))
      let phrase = try reader.bare(plural: true)
      try reader.end()
      let objects = try parts.dropLast().filter { $0 != "Only" }.flatMap(objects)
      guard objects.isEmpty == false, (parts.last == "is") == (objects.count == 1),
        (parts.first == "Only") == (objects.count == 1)
      else { throw ReadError(description: "agreement: \(text.text)") }
      return { $0.fitting(phrase).map { Set($0) == Set(objects) } }
    }
    return try statement(parts)
  }

  /// Words, and pointers as "#0" or "#0#2".
  private static func words(_ text: TaggedText) -> [String] {
    text.tokens.map {
      switch $0 {
      case .word(let word): word
      case .objects(let objects): objects.map { "#\($0)" }.joined()
      }
    }
  }

  private static func objects(_ word: String) throws -> [Int] {
    let found = word.split(separator: "#").compactMap { Int($0) }
    guard word.first == "#", !found.isEmpty else {
      throw ReadError(description: "expected a pointer, found \(word)")
    }
    return found
  }

  private static func object(_ word: String) throws -> Int {
    let found = try objects(word)
    guard found.count == 1 else { throw ReadError(description: "several objects: \(word)") }
    return found[0]
  }

  private static func extreme(_ word: String, _ place: Int) throws -> Meaning {
    guard EnglishReader.extremes.contains(word) else {
      throw ReadError(description: "not a superlative: \(word)")
    }
    let all = ReadPhrase(classes: EnglishReader.nouns.singular["object"] ?? [], extreme: word)
    return { $0.fitting(all) == [place] }
  }

  /// Clauses "#0 is …" with commas and "and" between.
  private static func statement(_ words: [String]) throws -> Meaning {
    var clauses: [[String]] = []
    var subject = ""
    for (place, word) in words.enumerated() where word != "," && word != "and" {
      if word == "it", place + 1 < words.count {
        clauses.append([subject, "is"])
      } else if word == "it" {
        // "#0 is left of #1 and above it"
        guard let object = words.last(where: { $0.first == "#" }) else {
          throw ReadError(description: "no object: \(words)")
        }
        clauses[clauses.count - 1].append(object)
      } else if place > 1, words[place - 1] == "and", word != "#", word.first != "#" {
        clauses.append([subject, "is", word])
      } else if word == "is", clauses.last?.last == "is" {
        continue
      } else if word.first == "#", clauses.last.map({ !endsOpen($0) }) ?? true {
        subject = word
        clauses.append([word])
      } else {
        clauses[clauses.count - 1].append(word)
      }
    }
    let meanings = try clauses.map(clause)
    return { world in meanings.allSatisfy { $0(world) == true } }
  }

  /// Whether a pointer belongs to the clause as its object: "#0 is above".
  private static func endsOpen(_ words: [String]) -> Bool {
    EnglishReader.bearings.contains(words.dropFirst(2).joined(separator: " "))
  }

  private static func clause(_ words: [String]) throws -> Meaning {
    let subject = try object(words[0])
    guard words.count > 2, words[1] == "is" else {
      throw ReadError(description: "not a clause: \(words)")
    }
    let tail = words.dropFirst(2).joined(separator: " ")
    if let last = words.last, last.first == "#" {
      let other = try object(last)
      let bearing = words.dropFirst(2).dropLast().joined(separator: " ")
      guard EnglishReader.bearings.contains(bearing) else {
        throw ReadError(description: "not a relation: \(bearing)")
      }
      return { $0.bears(bearing, subject, other) }
    }
    if let place = ninth(tail) {
      return { world in
        let box = world.scene.objects[subject].box
        let across = Double(box.x1 + box.x2) / 2 / Double(world.scene.width)
        let down = Double(box.y1 + box.y2) / 2 / Double(world.scene.height)
        return place.columns.contains(across) && place.rows.contains(down)
      }
    }
    var reader = try EnglishReader(phrase: tail)
    let phrase = try reader.single()
    try reader.end()
    return { $0.fitting(phrase)?.contains(subject) }
  }

  private static func ninth(
    _ text: String
  ) -> (columns: ClosedRange<Double>, rows: ClosedRange<Double>)? {
    guard text.hasSuffix(" of the picture") else { return nil }
    let words = Set(text.split(separator: " ").map(String.init))
    let third = { (low: String, high: String) -> ClosedRange<Double> in
      words.contains(low) ? 0...0.3334 : words.contains(high) ? 0.6666...1 : 0.3334...0.6666
    }
    return (third("left", "right"), third("top", "bottom"))
  }
}
