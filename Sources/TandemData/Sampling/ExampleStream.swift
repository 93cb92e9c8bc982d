internal import TandemCore
internal import TandemText
internal import TandemTorch

/// Where the examples of a step come from: a split in an order, so many a step.
public struct ExampleStream: Sendable {
  /// Empty for the main data.
  public let name: String
  public let builder: ExampleBuilder
  public let order: SampleOrder
  public let examplesPerStep: Int
  public let index: PairIndex

  /// Reads every record of the split once, undecoded.
  ///
  /// - Parameters:
  ///   - badRecords: how many may be unreadable.
  ///   - readsSecondText: whether objectives ask for second texts of pictures.
  /// - Throws: `DataError` where they do and no picture has two texts.
  public init(
    name: String = "", builder: ExampleBuilder, order: SampleOrder, examplesPerStep: Int,
    badRecords: Int = 0, readsSecondText: Bool = false
  ) throws {
    self.name = name
    self.builder = builder
    self.order = order
    self.examplesPerStep = examplesPerStep
    index = try PairIndex(
      builder.dataset, badRecords: badRecords, groupsPictures: readsSecondText
    ) { builder.text(of: $0) }
    guard !readsSecondText || index.hasSecondTexts else {
      throw DataError(
        "an objective asks for two texts of a picture (itm with negatives=second), but no picture of "
          + "these \(index.count) records has two different ones: give each picture a record for "
          + "each of its texts, or --set objectives.N.options.negatives=text")
    }
  }

  /// What preparation of one example of a step may ask for.
  func context(
    position: Int, pairStream: RandomStream, step: [Example], _ input: InputSpecification,
    _ specials: SpecialTokens
  ) -> PreparationContext {
    PreparationContext(
      specials: specials, input: input, positionInStep: position, pairStream: pairStream,
      otherPicture: { [builder, index] example, stream in
        // A picture that cannot be read counts at its own record's turn: here another one serves.
        var attempts = 0
        while true {
          let other = try index.stranger(
            to: example.index, replacingPicture: true, using: &stream)
          attempts += 1
          do {
            return try builder.picture(at: other, using: &stream)
          } catch  where attempts < 16 {
            continue
          }
        }
      },
      otherText: { [builder, index] example, stream in
        let other = try index.stranger(
          to: example.index, replacingPicture: false, using: &stream)
        return try builder.tokenized(at: other).first ?? .init()
      },
      secondText: { [builder, index] example, stream in
        // Of the record itself where it has several.
        let own = example.texts.dropFirst().filter { $0.ids != example.texts[0].ids }
        if !own.isEmpty { return own[stream.below(own.count)] }
        let other = try index.sibling(of: example.index, using: &stream)
        return try other.flatMap { try builder.tokenized(at: $0).first }
      },
      examplesOfStep: step,
      belong: { [index] picture, text in index.belongs(picture: picture.index, text: text.index) })
  }
}
