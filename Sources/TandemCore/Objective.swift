public import TandemNN
public import TandemText
public import TandemTorch

/// A sequence with what its objective wants to hear about it.
public struct PreparedSequence<Target: Sendable>: Sendable {
  public var sequence: InputSequence
  public var target: Target
  /// Sequences of one group are never cut apart; 0 for those that need no company.
  public var group: Int
  /// Of sequences with one number, which are candidates of equal weight, a step learns the one that
  /// the objective chooses; 0 for those that are learned in any case. Every example of a step has
  /// numbers of its own.
  public var choice: Int

  public init(_ sequence: InputSequence, _ target: Target, group: Int = 0, choice: Int = 0) {
    self.sequence = sequence
    self.target = target
    self.group = group
    self.choice = choice
  }
}

/// A target and where its sequence lies in the batch.
public struct Placed<Target> {
  public let sequence: Int
  public let target: Target

  public init(sequence: Int, target: Target) {
    self.sequence = sequence
    self.target = target
  }
}

/// A sum and how many it was taken over; sums add up across batches and runs.
public struct Metric: Sendable, Equatable, Codable {
  public var name: String
  public var sum: Double
  public var count: Double

  public init(_ name: String, sum: Double, count: Double) {
    self.name = name
    self.sum = sum
    self.count = count
  }

  public var value: Double { count > 0 ? sum / count : 0 }
}

/// A metric whose sum still lies where it was computed: reading it at once would make the host wait
/// for the device.
public struct PendingMetric {
  public let name: String
  /// float32, one element.
  public let sum: Tensor
  public let count: Double

  public init(_ name: String, sum: Tensor, count: Double) throws {
    self.name = name
    self.sum = try sum.detached()
    self.count = count
  }
}

/// A loss as a sum over the step's denominator, and what else is worth reporting.
public struct LossReport {
  public var total: Tensor
  public var metrics: [PendingMetric]

  public init(total: Tensor, metrics: [PendingMetric]) {
    self.total = total
    self.metrics = metrics
  }
}

/// What preparation may ask for beside its example.
public struct PreparationContext: Sendable {
  public let specials: SpecialTokens
  public let input: InputSpecification
  /// Where the example stands among those of its step.
  public let positionInStep: Int
  /// A stream for the pair of positions 2k and 2k+1, the same for both.
  public let pairStream: RandomStream
  /// A picture that is not the example's and that no record shows with the example's text.
  public let otherPicture: @Sendable (Example, inout RandomStream) throws -> Picture
  /// A text that no record has with the example's picture.
  public let otherText: @Sendable (Example, inout RandomStream) throws -> TokenizedText
  /// Another text of the example's picture; nil where the data have none.
  public let secondText: @Sendable (Example, inout RandomStream) throws -> TokenizedText?
  /// The examples of the step, this one among them, in their order.
  public let examplesOfStep: [Example]
  /// Whether some record shows the picture of the first example with the text of the second one.
  public let belong: @Sendable (_ picture: Example, _ text: Example) -> Bool

  public init(
    specials: SpecialTokens, input: InputSpecification, positionInStep: Int,
    pairStream: RandomStream,
    otherPicture: @escaping @Sendable (Example, inout RandomStream) throws -> Picture,
    otherText: @escaping @Sendable (Example, inout RandomStream) throws -> TokenizedText,
    secondText: @escaping @Sendable (Example, inout RandomStream) throws -> TokenizedText?,
    examplesOfStep: [Example],
    belong: @escaping @Sendable (_ picture: Example, _ text: Example) -> Bool
  ) {
    self.specials = specials
    self.input = input
    self.positionInStep = positionInStep
    self.pairStream = pairStream
    self.otherPicture = otherPicture
    self.otherText = otherText
    self.secondText = secondText
    self.examplesOfStep = examplesOfStep
    self.belong = belong
  }
}

/// Something to learn from examples: its corruption, its head, its loss and its metrics.
public protocol Objective: SendableMetatype {
  associatedtype Options: Codable & Sendable & Equatable
  associatedtype Target: Sendable
  /// Its name in recipes.
  static var name: String { get }
  /// What it asks of the model, in a line, with the paper.
  static var summary: String { get }
  static var defaults: Options { get }
  /// The pass it takes part in unless a recipe says otherwise: objectives of one pass share one
  /// sequence an example, and so one forward.
  static var pass: String { get }
  /// Whether it can take part in a pass with others, and what it does there.
  static var part: PassPart { get }

  /// Corrupts a copy of the example; one example may give several sequences, or none.
  static func prepare(
    _ example: Example, _ options: Options, _ context: PreparationContext,
    using stream: inout RandomStream
  ) throws -> [PreparedSequence<Target>]
  /// Asks something of a sequence that others share, and corrupts it further for that; nil where
  /// there is nothing to ask.
  static func join(
    _ sequence: inout InputSequence, _ example: Example, _ options: Options,
    _ context: PreparationContext, using stream: inout RandomStream
  ) throws -> Target?
  /// What the target adds to the number the loss is divided by.
  static func weight(of target: Target) -> Double

  /// Claims the head's weights.
  init(_ options: Options, _ facts: ModelFacts, at root: ParameterPath) throws
  /// The sum of losses over these targets, divided by `denominator`, which counts the whole step.
  func loss(
    _ encoding: Encoding, _ targets: [Placed<Target>], denominator: Double
  ) throws -> LossReport
  /// Whether `loss` is to be given `Encoding.follower` where something is learned.
  static func readsFollower(_ options: Options) -> Bool
  /// Whether preparation asks for second texts of pictures.
  static func readsSecondText(_ options: Options) -> Bool
  /// Why it cannot take part in a pass with these others; nil where it can.
  static func objection(_ options: Options, to others: [ObjectiveDefinition]) -> String?
  /// Which of each group of candidates is kept, as places in the groups. Called without gradients,
  /// before `loss` is given what is kept.
  ///
  /// - Parameter stream: the step's own.
  func choose(
    _ groups: [[InputSequence]], _ scout: Scout, using stream: inout RandomStream
  ) throws -> [Int]
  /// Keeps what later steps need of these targets, such as their vectors in a queue. To be called
  /// after the backward pass over `loss`, without gradients, and never where nothing is learned.
  func remember(_ encoding: Encoding, _ targets: [Placed<Target>]) throws
}

/// What an objective does in a pass.
public enum PassPart: Int, Sendable {
  /// It makes sequences of its own kind and shares none.
  case alone
  /// It decides whether text and picture belong together, before others look.
  case pairs
  /// It hides words or regions.
  case masks
  /// It reads what is there.
  case reads
}

extension Objective {
  public static var pass: String { name }
  public static var part: PassPart { .alone }
  public static func readsFollower(_ options: Options) -> Bool { false }
  public static func readsSecondText(_ options: Options) -> Bool { false }
  public static func objection(
    _ options: Options, to others: [ObjectiveDefinition]
  ) -> String? { nil }
  public func choose(
    _ groups: [[InputSequence]], _ scout: Scout, using stream: inout RandomStream
  ) throws -> [Int] { groups.map { _ in 0 } }
  public func remember(_ encoding: Encoding, _ targets: [Placed<Target>]) throws {}

  /// The example's text and picture, and what `join` makes of them.
  public static func prepare(
    _ example: Example, _ options: Options, _ context: PreparationContext,
    using stream: inout RandomStream
  ) throws -> [PreparedSequence<Target>] {
    var sequence = InputSequence(example)
    let target = try join(&sequence, example, options, context, using: &stream)
    return target.map { [PreparedSequence(sequence, $0)] } ?? []
  }

  public static func join(
    _ sequence: inout InputSequence, _ example: Example, _ options: Options,
    _ context: PreparationContext, using stream: inout RandomStream
  ) throws -> Target? { nil }
}

extension InputSequence {
  /// An example's first text and picture as they are.
  public init(_ example: Example) {
    let text = example.texts.first ?? TokenizedText()
    self.init(text: text.ids, words: text.words, picture: example.pictures.first)
  }

  /// Puts another text in place of the first one.
  public mutating func replaceText(by other: TokenizedText) {
    text = other.ids
    words = other.words
  }

  /// Puts a second text behind the first one. Where they have more than so many pieces together,
  /// the longer one loses its end until they fit (Devlin et al. 2019).
  public mutating func append(second other: TokenizedText, within pieces: Int) {
    var (first, last) = (text.count, other.count)
    while first + last > max(0, pieces) {
      if first > last { first -= 1 } else { last -= 1 }
    }
    text = Array(text.prefix(first))
    words = Array(words.prefix(first))
    second = Array(other.ids.prefix(last))
    secondWords = Array(other.words.prefix(last))
  }
}

/// For objectives without settings.
public struct NoOptions: Codable, Sendable, Equatable {
  public init() {}
}

/// An objective that also answers.
public protocol DownstreamTask: Objective {
  associatedtype Prediction: Codable & Sendable
  /// The uncorrupted sequence of an example.
  static func query(_ example: Example, _ options: Options) throws -> InputSequence
  /// One prediction for each sequence of the batch.
  func predict(_ encoding: Encoding) throws -> [Prediction]
  /// How good a prediction is for a record, each metric with count 1.
  func score(_ prediction: Prediction, _ record: Record) -> [Metric]
  /// The metric that decides which checkpoint is best, larger being better.
  static var mainMetric: String { get }
}
