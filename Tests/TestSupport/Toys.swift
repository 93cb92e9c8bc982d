// Tiny pictures, a tiny vocabulary, and examples of both.

package import TandemCore
internal import TandemImage
package import TandemText
internal import TandemTorch

package enum Toy {
  /// 5 special tokens, 2 unused ones, then words and two endings.
  package static let tokens =
    ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused0]", "[unused1]"] + words
    + ["##ing", "##s"]
  package static let words = [
    "red", "green", "blue", "circle", "square", "star", "play", "jump", "left", "right", "of",
    "above",
  ]

  package static func tokenizer() throws -> WordPiece {
    WordPiece(vocabulary: try Vocabulary(tokens: tokens))
  }

  package static let specials = SpecialTokens(
    classification: 2, separator: 3, mask: 4, vocabularyCount: 21,
    reserved: [0, 1, 2, 3, 4, 5, 6])

  /// A picture of random bytes.
  package static func picture(_ width: Int, _ height: Int, key: UInt64) throws -> Picture {
    var stream = RandomStream(seed: key)
    let pixels = (0..<3 * width * height).map { _ in UInt8(truncatingIfNeeded: stream.next()) }
    return Picture(key: key, image: try Image(width: width, height: height, pixels: pixels))
  }

  package static func example(_ index: Int, _ text: String, _ picture: Picture) throws -> Example {
    Example(
      index: index,
      record: Record(
        id: "train/\(index)", pictures: ["\(picture.key).png"], texts: [text], answers: ["red"]),
      pictures: [picture], texts: [try tokenizer().encode(text)])
  }

  /// What preparation asks for, with strangers that are always the same.
  package static func context(
    _ input: InputSpecification, position: Int = 0, pair: UInt64 = 1, other: Picture,
    otherText: String = "left of star", secondText: String? = nil, step: [Example] = [],
    belong: @escaping @Sendable (_ picture: Example, _ text: Example) -> Bool = {
      $0.index == $1.index
    }
  ) throws -> PreparationContext {
    let text = try tokenizer().encode(otherText)
    let second = try secondText.map { try tokenizer().encode($0) }
    return PreparationContext(
      specials: specials, input: input, positionInStep: position,
      pairStream: RandomStream(seed: pair), otherPicture: { _, _ in other },
      otherText: { _, _ in text }, secondText: { _, _ in second },
      examplesOfStep: step, belong: belong)
  }

  /// What a model with square patches reads, one row ahead of them.
  package static func input(textLength: Int = 8, patch: Int = 8) -> InputSpecification {
    InputSpecification(
      textLength: textLength, classification: 2, separator: 3, mask: 4, leadingRows: 1,
      patches: PatchInput(size: patch))
  }

  /// Random regions with classes, attributes and probabilities of which some are exactly 0.
  package static func regions(
    _ count: Int, width: Int, classes: Int = 5, key: UInt64
  ) -> Regions {
    var stream = RandomStream(seed: key)
    var boxes: [Float] = []
    var probabilities: [Float] = []
    for _ in 0..<count {
      let x = Float(stream.uniform()) * 0.6
      let y = Float(stream.uniform()) * 0.6
      boxes += [
        x, y, x + 0.1 + 0.3 * Float(stream.uniform()), y + 0.1 + 0.3 * Float(stream.uniform()),
      ]
      var row = (0..<classes).map { _ in Float(stream.uniform()) }
      row[stream.below(classes - 1)] = 0
      let sum = row.reduce(0, +)
      probabilities += row.map { $0 / sum }
    }
    return Regions(
      width: 64, height: 48, boxes: boxes,
      features: (0..<count * width).map { _ in Float(stream.normal()) }, featureWidth: width,
      objects: (0..<count).map { _ in Int32(stream.below(classes - 1)) },
      objectConfidences: (0..<count).map { _ in Float(stream.uniform()) },
      attributes: (0..<count).map { _ in Int32(stream.below(3)) },
      attributeConfidences: (0..<count).map { _ in Float(stream.uniform()) },
      classProbabilities: probabilities, classCount: classes)
  }

  /// A picture as a model reads it: random pixels of about so many patches, or random regions.
  ///
  /// - Parameter side: pixels a side where the model takes one size only.
  package static func picture(
    _ input: InputSpecification, units: (Int, Int), key: UInt64, side: Int? = nil
  ) throws -> Picture {
    if let regions = input.regions {
      return Picture(
        key: key,
        regions: self.regions(units.0 * units.1, width: regions.featureWidth, key: key))
    }
    let patch = input.patches?.size ?? 1
    return try picture(side ?? units.0 * patch, side ?? units.1 * patch, key: key)
  }

  /// Sequences of different texts and pictures, each with its own dropout key.
  package static func sequences(
    _ input: InputSpecification, vocabulary: Int, side: Int? = nil
  ) throws -> [InputSequence] {
    let shapes: [(words: Int, units: (Int, Int)?)] = [
      (5, (4, 4)), (0, (1, 1)), (3, (2, 4)), (7, (5, 3)), (2, nil), (5, (4, 4)),
    ]
    var stream = RandomStream(seed: 99)
    return try shapes.enumerated().map { place, shape in
      InputSequence(
        text: (0..<shape.words).map { _ in Int32(stream.below(vocabulary)) },
        picture: try shape.units.map {
          try picture(input, units: $0, key: UInt64(100 + place), side: side)
        },
        key: mixed(UInt64(place)))
    }
  }
}
