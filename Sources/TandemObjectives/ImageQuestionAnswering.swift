// Questions among the texts of pre-training are answered, as classes of an answer vocabulary
// (Tan & Bansal 2019).

public import TandemCore
public import TandemNN
public import TandemTorch

public struct ImageQuestionAnswering: Objective {
  public static let name = "iqa"
  public static let summary = "answer the questions among the texts (Tan & Bansal 2019)"
  public static let part = PassPart.reads

  public struct Options: Codable, Sendable, Equatable {
    /// The answer vocabulary, in the order of the classes; empty: taken from the training split.
    public var answers: [String] = []
    /// How often an answer must occur there to be taken.
    public var minimumCount = 1
    public init() {}
  }

  /// The class of an answer.
  public struct Target: Sendable, Equatable {
    public var answer: Int
    public init(answer: Int) { self.answer = answer }
  }

  public static let defaults = Options()
  let head: AnswerHead

  public init(_ options: Options, _ facts: ModelFacts, at root: ParameterPath) throws {
    let specification = try facts.need(
      facts.heads.answers, for: Self.name, "has no vector to answer from")
    guard !options.answers.isEmpty else {
      throw ParameterError("objectives.iqa.options.answers: the answer vocabulary is empty")
    }
    guard Set(options.answers).count == options.answers.count else {
      throw ParameterError("objectives.iqa.options.answers: an answer stands there twice")
    }
    head = try AnswerHead(specification, classes: options.answers.count, facts, at: root)
  }

  /// One of the annotators' answers that the vocabulary has, each as likely as it is frequent; a
  /// text that is no question, or one about another picture, is not asked.
  public static func join(
    _ sequence: inout InputSequence, _ example: Example, _ options: Options,
    _ context: PreparationContext, using stream: inout RandomStream
  ) throws -> Target? {
    guard !example.record.answers.isEmpty, sequence.isTruePair != false else { return nil }
    var places: [String: Int] = [:]
    for answer in Set(example.record.answers) {
      places[answer] = options.answers.firstIndex(of: answer)
    }
    let known = example.record.answers.compactMap { places[$0] }
    guard !known.isEmpty else { return nil }
    sequence.asksAnswer = true
    return Target(answer: known[stream.below(known.count)])
  }

  public static func weight(of target: Target) -> Double { 1 }

  public func loss(
    _ encoding: Encoding, _ targets: [Placed<Target>], denominator: Double
  ) throws -> LossReport {
    let logits_NC = try head(encoding, targets.map(\.sequence))
    let labels_N = try Tensor(targets.map(\.target.answer), on: logits_NC.device)
    let sum = try logits_NC.crossEntropySum(labels_N)
    let count = Double(targets.count)
    return LossReport(
      total: try sum / denominator,
      metrics: try [
        PendingMetric("iqa.loss", sum: sum, count: count),
        PendingMetric("iqa.accuracy", sum: logits_NC.hits(labels_N), count: count),
      ])
  }
}
