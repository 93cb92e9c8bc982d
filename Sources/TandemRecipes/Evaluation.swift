// Measures a model on a split.

internal import Foundation
public import TandemCore
public import TandemData
internal import TandemFiles
internal import TandemNN
internal import TandemTasks
internal import TandemTorch
internal import TandemTrain

public enum Evaluation {
  /// Losses and metrics of all objectives over the loader's records, each once; `loss` first.
  ///
  /// - Parameter limit: the most records; 0 for all.
  public static func losses(
    _ assembly: Assembly, _ loader: StepLoader, limit: Int
  ) throws -> (metrics: [Metric], skipped: Int) {
    var bad = BadRecords(allowed: assembly.recipe.data.badRecords)
    let count = limit > 0 ? min(limit, loader.order.count) : loader.order.count
    // The last step may reach past the end into a second round: whole steps only, at least one.
    let steps = max(1, count / loader.main.examplesPerStep)
    let prefetch = loader.prefetching(
      0..<steps, workers: max(1, assembly.recipe.data.loaderThreads))
    defer { prefetch.cancel() }
    var sums: [String: Metric] = [:]
    var order: [String] = []
    while let step = try prefetch.next() {
      for reason in step.skipped { try bad.note(reason) }
      for metric in try assembly.metrics(step) {
        if let known = sums[metric.name] {
          sums[metric.name] = Metric(
            metric.name, sum: known.sum + metric.sum, count: known.count + metric.count)
        } else {
          sums[metric.name] = metric
          order.append(metric.name)
        }
      }
    }
    let total = assembly.objectives.reduce(0.0) { total, objective in
      total + objective.definition.weight
        * (sums["\(objective.definition.title).loss"]?.value ?? 0)
    }
    return (
      [Metric("loss", sum: total, count: 1)] + order.compactMap { sums[$0] }, skipped: bad.count
    )
  }
}

/// One figure of an evaluation with its 95 % interval.
public struct EvaluationResult: Codable, Sendable, Equatable {
  public var name: String
  public var value: Double
  public var low: Double
  public var high: Double
  public var count: Int

  public init(name: String, value: Double, low: Double, high: Double, count: Int) {
    self.name = name
    self.value = value
    self.low = low
    self.high = high
    self.count = count
  }
}

/// What `tandem evaluate` leaves in a run, `results.json`.
public struct EvaluationReport: Codable, Sendable, Equatable {
  public var formatVersion = RunCard.currentFormat
  public var split: Split
  public var checkpoint: String
  public var records: Int
  public var skipped: Int
  public var seconds: Double
  public var results: [EvaluationResult]
}

/// One answered question, a line of `predictions-….jsonl`.
public struct AnsweredRecord: Codable, Sendable, Equatable {
  public var id: String
  public var image: String
  public var question: String
  public var answers: [String]
  public var ranked: [RankedAnswer]
  public var score: Double
}

public struct RankedAnswer: Codable, Sendable, Equatable {
  public var answer: String
  public var probability: Double

  public init(answer: String, probability: Double) {
    self.answer = answer
    self.probability = probability
  }
}
