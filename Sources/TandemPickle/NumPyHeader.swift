// The header of a `.npy` file: a Python dictionary in a line of text, read without Python.

struct NumPyHeader {
  private(set) var elementType = PickleElementType.float32
  private(set) var isBigEndian = false
  private(set) var isFortran = false
  private(set) var shape: [Int] = []
  /// Bytes of the header: the numbers follow.
  let count: Int

  private let file: String
  private var text: [UInt8]
  private var position = 0

  init(_ raw: UnsafeRawBufferPointer, file: String) throws(PickleError) {
    self.file = file
    guard raw.starts(with: NumPyArrayFile.magic), raw.count > 10 else {
      throw PickleError(
        file: file, reason: "expected a .npy file, found other first bytes or too few")
    }
    let start: Int
    let length: Int?
    switch raw[6] {
    case 1: (start, length) = (10, raw.number(at: 8, as: UInt16.self).map { Int($0) })
    case 2, 3: (start, length) = (12, raw.number(at: 8, as: UInt32.self).map { Int($0) })
    default:
      throw PickleError(
        file: file, offset: 6, reason: "expected format 1, 2 or 3 of .npy, found \(raw[6])")
    }
    guard let length, length <= raw.count - start else {
      throw PickleError(file: file, offset: 8, reason: "the header is cut short")
    }
    count = start + length
    text = Array(raw[start..<(start + length)])
    try parse()
  }

  private func failure(_ reason: String) -> PickleError {
    PickleError(
      file: file, place: "header",
      reason: reason + " in \"\(String(decoding: text.prefix(200), as: UTF8.self))\"")
  }

  private mutating func parse() throws(PickleError) {
    var missing: Set<String> = ["descr", "fortran_order", "shape"]
    try expect("{")
    while !take("}") {
      let key = try quoted()
      try expect(":")
      guard missing.remove(key) != nil else { throw failure("did not expect key '\(key)'") }
      switch key {
      case "descr": try parseElementType()
      case "fortran_order": isFortran = try flag()
      default: shape = try tuple()
      }
      if !take(",") {
        try expect("}")
        break
      }
    }
    guard missing.isEmpty else {
      throw failure("expected the keys \(missing.sorted().joined(separator: ", "))")
    }
  }

  private mutating func parseElementType() throws(PickleError) {
    guard next == "'" || next == "\"" else {
      throw failure("expected one element type, found a structure")
    }
    let code = try quoted()
    guard let order = code.first, "<>|=".contains(order),
      let type = PickleElementType(numPyCode: String(code.dropFirst()))
    else {
      throw failure("expected an element type of numbers, found '\(code)'")
    }
    elementType = type
    isBigEndian = order == ">"
  }

  private mutating func flag() throws(PickleError) -> Bool {
    if take("True") { return true }
    if take("False") { return false }
    throw failure("expected True or False")
  }

  /// Lengths, which Python 2 may have written with an L.
  private mutating func tuple() throws(PickleError) -> [Int] {
    var numbers: [Int] = []
    try expect("(")
    while !take(")") {
      skipSpaces()
      let start = position
      while position < text.count, (0x30...0x39).contains(text[position]) { position += 1 }
      let digits = String(decoding: text[start..<position], as: UTF8.self)
      guard let number = Int(digits), numbers.count < PickleArray.greatestRank else {
        throw failure("expected a tuple of lengths")
      }
      numbers.append(number)
      _ = take("L")
      if !take(",") {
        try expect(")")
        break
      }
    }
    return numbers
  }

  private mutating func quoted() throws(PickleError) -> String {
    skipSpaces()
    guard position < text.count, text[position] == 0x27 || text[position] == 0x22,
      let end = text[(position + 1)...].firstIndex(of: text[position])
    else { throw failure("expected a quoted text at place \(position)") }
    defer { position = end + 1 }
    return String(decoding: text[(position + 1)..<end], as: UTF8.self)
  }

  private mutating func skipSpaces() {
    while position < text.count, [0x20, 0x09, 0x0a, 0x0d].contains(text[position]) { position += 1 }
  }

  private var next: Character? {
    mutating get {
      skipSpaces()
      return position < text.count ? Character(UnicodeScalar(text[position])) : nil
    }
  }

  /// Steps over a word where it comes next.
  private mutating func take(_ word: String) -> Bool {
    skipSpaces()
    guard text[position...].starts(with: word.utf8) else { return false }
    position += word.utf8.count
    return true
  }

  private mutating func expect(_ word: String) throws(PickleError) {
    guard take(word) else { throw failure("expected \"\(word)\" at place \(position)") }
  }
}
