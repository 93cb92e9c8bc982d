// Visual question answering as classification over an answer vocabulary (Antol et al. 2015).

internal import Foundation
public import TandemCore
public import TandemNN
public import TandemTorch

public struct VisualQuestionAnswering: DownstreamTask {
  public static let name = "vqa"
  public static let summary = "answer questions about pictures (Antol et al. 2015)"
  public static let mainMetric = "vqa.accuracy"

  public enum Targets: String, Codable, Sendable {
    /// One answer a question, learned with cross-entropy.
    case classes
    /// Several human answers, each with the score min(1, 0.3·n): binary cross-entropy for each
    /// answer, summed over answers (VQAv2).
    case soft
  }

  public struct Options: Codable, Sendable, Equatable {
    /// The answer vocabulary, in the order of the classes; empty: taken from the training split.
    public var answers: [String] = []
    /// How often an answer must occur there to be taken.
    public var minimumCount = 1
    public var targets = Targets.classes
    /// Label smoothing of the cross-entropy.
    public var smoothing = 0.0
    /// Leave out training questions none of whose answers is in the vocabulary, instead of
    /// counting them as bad records.
    public var dropsUnknown = false
    /// The head's last bias starts where its answers are as probable as in training (Lin et al.
    /// 2017, "Focal loss", §4.1); at 0, as published, hundreds of soft targets of which almost all
    /// are 0 first push everything below the head one way, and what pre-training made is lost in it
    /// (docs/results).
    public var startsAtPriors = false
    /// The mean score of each answer; empty: taken from the training split.
    public var priors: [Double] = []
    public init() {}
  }

  /// Answers of a question by class, with their scores.
  public struct Target: Sendable, Equatable {
    public var scores: [Int: Double]
  }

  public struct Prediction: Codable, Sendable, Equatable {
    public struct Answer: Codable, Sendable, Equatable {
      public var answer: String
      public var probability: Double

      public init(answer: String, probability: Double) {
        self.answer = answer
        self.probability = probability
      }
    }
    /// Most probable first.
    public var ranked: [Answer]

    public init(ranked: [Answer]) { self.ranked = ranked }
    public var answer: String { ranked.first?.answer ?? "" }
  }

  public static let defaults = Options()
  let options: Options
  let head: AnswerHead

  public init(_ options: Options, _ facts: ModelFacts, at root: ParameterPath) throws {
    guard !options.answers.isEmpty else {
      throw ParameterError("objectives.vqa.options.answers: the answer vocabulary is empty")
    }
    guard Set(options.answers).count == options.answers.count else {
      throw ParameterError("objectives.vqa.options.answers: an answer stands there twice")
    }
    let specification = try facts.need(
      facts.heads.answers, for: Self.name, "has no vector to answer from")
    self.options = options
    head = try AnswerHead(
      specification, classes: options.answers.count, priors: try Self.startingLogits(options),
      facts, at: root)
  }

  /// What makes each answer as probable as its prior, [C]; nil to start at 0.
  private static func startingLogits(_ options: Options) throws -> [Float]? {
    guard options.startsAtPriors else { return nil }
    guard options.priors.count == options.answers.count,
      options.priors.allSatisfy({ $0 > 0 && $0 < 1 })
    else {
      throw ParameterError(
        "objectives.vqa.options.priors: expected a share between 0 and 1 for each of the "
          + "\(options.answers.count) answers, found \(options.priors.count) numbers")
    }
    return options.priors.map { prior in
      Float(options.targets == .soft ? log(prior / (1 - prior)) : log(prior))
    }
  }

  /// The score of an answer that `count` of `humans` people give.
  public static func score(_ count: Int, of humans: Int) -> Double {
    humans == 1 ? 1 : min(1, 0.3 * Double(count))
  }

  public static func query(_ example: Example, _ options: Options) throws -> InputSequence {
    var sequence = InputSequence(example)
    sequence.asksAnswer = true
    return sequence
  }

  public static func prepare(
    _ example: Example, _ options: Options, _ context: PreparationContext,
    using stream: inout RandomStream
  ) throws -> [PreparedSequence<Target>] {
    let answers = example.record.answers
    guard !answers.isEmpty else { throw DataError("record \(example.record.id): has no answer") }
    var scores: [Int: Double] = [:]
    for (answer, count) in Dictionary(grouping: answers, by: { $0 }).mapValues(\.count) {
      guard let place = options.answers.firstIndex(of: answer) else { continue }
      scores[place] = score(count, of: answers.count)
    }
    guard !scores.isEmpty else {
      if options.dropsUnknown { return [] }
      throw DataError(
        "record \(example.record.id): the answer '\(answers[0])' is outside the vocabulary of "
          + "\(options.answers.count) answers")
    }
    return [PreparedSequence(try query(example, options), Target(scores: scores))]
  }

  public static func weight(of target: Target) -> Double { 1 }

  public func loss(
    _ encoding: Encoding, _ targets: [Placed<Target>], denominator: Double
  ) throws -> LossReport {
    let logits_NC = try head(encoding, targets.map(\.sequence))
    let best = targets.map { placed in
      placed.target.scores.min { (-$0.value, $0.key) < (-$1.value, $1.key) }?.key ?? 0
    }
    let scores_NC = try scores(targets, on: logits_NC.device)
    let sum =
      switch options.targets {
      case .classes:
        try logits_NC.crossEntropySum(
          Tensor(best, on: logits_NC.device), smoothing: options.smoothing)
      case .soft: try logits_NC.binaryCrossEntropySum(scores_NC)
      }
    let right = try withoutGradients {
      try scores_NC.gathered(1, logits_NC.argmax(-1).unsqueezed(1)).sum()
    }
    let count = Double(targets.count)
    return LossReport(
      total: try sum / denominator,
      metrics: try [
        PendingMetric("vqa.loss", sum: sum, count: count),
        PendingMetric("vqa.accuracy", sum: right, count: count),
      ])
  }

  private func scores(_ targets: [Placed<Target>], on device: Device) throws -> Tensor {
    let classes = options.answers.count
    var values = [Float](repeating: 0, count: targets.count * classes)
    for (row, placed) in targets.enumerated() {
      for (place, score) in placed.target.scores { values[row * classes + place] = Float(score) }
    }
    return try Tensor(values, [targets.count, classes], on: device)
  }

  public func predict(_ encoding: Encoding) throws -> [Prediction] {
    let logits_SC = try head(encoding, Array(0..<encoding.batch.sequenceCount))
    let probabilities =
      switch options.targets {
      case .classes: try logits_SC.softmax(-1)
      case .soft: try logits_SC.sigmoid()
      }
    let most = min(5, options.answers.count)
    let (values, indices) = try probabilities.top(most)
    let chances = try values.floats()
    let places = try indices.array(of: Int64.self)
    return (0..<encoding.batch.sequenceCount).map { row in
      Prediction(
        ranked: (0..<most).map { rank in
          Prediction.Answer(
            answer: options.answers[Int(places[row * most + rank])],
            probability: Double(chances[row * most + rank]))
        })
    }
  }

  public func score(_ prediction: Prediction, _ record: Record) -> [Metric] {
    [
      Metric(
        "vqa.accuracy", sum: AnswerAccuracy.score(prediction.answer, record.answers), count: 1)
    ]
  }
}

/// The accuracy of an answer among human answers.
public enum AnswerAccuracy {
  /// For one human answer, 1 where it is the same. For several, the official VQA accuracy: the
  /// mean over all ways to leave one annotator out of min(1, equal answers / 3).
  public static func score(_ answer: String, _ humans: [String]) -> Double {
    guard humans.count > 1 else { return humans.first == answer ? 1 : 0 }
    let cleaned = AnswerText.cleaned(answer)
    let equal = humans.map { AnswerText.cleaned($0) == cleaned }
    let matches = equal.filter { $0 }.count
    let total = equal.reduce(0.0) { $0 + min(1, Double(matches - ($1 ? 1 : 0)) / 3) }
    return total / Double(humans.count)
  }
}
