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
  /// - Parameter badRecords: how many may be unreadable.
  public init(
    name: String = "", builder: ExampleBuilder, order: SampleOrder, examplesPerStep: Int,
    badRecords: Int = 0
  ) throws {
    self.name = name
    self.builder = builder
    self.order = order
    self.examplesPerStep = examplesPerStep
    index = try PairIndex(builder.dataset, badRecords: badRecords) { builder.text(of: $0) }
  }

  /// What preparation of one example of a step may ask for.
  func context(
    position: Int, pairStream: RandomStream, _ input: InputSpecification, _ specials: SpecialTokens
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
      })
  }
}
