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
    otherText: String = "left of star"
  ) throws -> PreparationContext {
    let text = try tokenizer().encode(otherText)
    return PreparationContext(
      specials: specials, input: input, positionInStep: position,
      pairStream: RandomStream(seed: pair), otherPicture: { _, _ in other },
      otherText: { _, _ in text })
  }

  /// Sequences of different texts and picture sizes, each with its own dropout key.
  package static func sequences(patch: Int, vocabulary: Int) throws -> [InputSequence] {
    let shapes: [(words: Int, grid: (Int, Int)?)] = [
      (5, (4, 4)), (0, (1, 1)), (3, (2, 4)), (7, (5, 3)), (2, nil), (5, (4, 4)),
    ]
    var stream = RandomStream(seed: 99)
    return try shapes.enumerated().map { place, shape in
      InputSequence(
        text: (0..<shape.words).map { _ in Int32(stream.below(vocabulary)) },
        picture: try shape.grid.map {
          try picture($0.0 * patch, $0.1 * patch, key: UInt64(100 + place))
        },
        key: mixed(UInt64(place)))
    }
  }
}
