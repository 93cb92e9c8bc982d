// Answers every record of a split and scores the answers.

internal import Foundation
public import TandemCore
internal import TandemData
internal import TandemFiles
internal import TandemReport
internal import TandemTasks
internal import TandemText
internal import TandemTorch
internal import TandemTrain

extension Predictor {
  /// Evaluates the run's task on a split, writes `results.json` and the predictions into the run.
  ///
  /// - Parameters:
  ///   - limit: the most records; 0 for all.
  ///   - progress: records done and in all.
  public func evaluate(
    _ split: Split, limit: Int = 0, progress: (Int, Int) -> Void
  ) throws -> EvaluationReport {
    guard let run else {
      throw RunError(
        "\(path) is a model, which names no data: tandem finetune RECIPE --from \(path) makes a run of it"
      )
    }
    let dataset = try assembly.dataset(split)
    let start = ContinuousClock.now
    var report: EvaluationReport
    if assembly.objective(VisualQuestionAnswering.self) != nil {
      report = try evaluateQuestions(dataset, split, limit, in: run, progress)
    } else if assembly.objective(Retrieval.self) != nil {
      report = try evaluateRetrieval(dataset, split, limit, progress)
    } else {
      report = try evaluateLosses(split, limit, progress)
    }
    report.seconds = (ContinuousClock.now - start) / .seconds(1)
    report.checkpoint = checkpointTitle
    try AtomicFile.write(
      utf8: JSONValue(encoding: report).pretty + "\n", to: run.resultsFile)
    return report
  }

  // MARK: questions

  private struct Chunk: Sendable {
    var examples: [Example] = []
    var skipped: [String] = []
  }

  private func evaluateQuestions(
    _ dataset: any Dataset, _ split: Split, _ limit: Int, in run: RunDirectory,
    _ progress: (Int, Int) -> Void
  ) throws -> EvaluationReport {
    let count = limit > 0 ? min(limit, dataset.count) : dataset.count
    let size = 128
    let builder = try assembly.builder(
      dataset, regions: assembly.regionSource(split), training: false)
    let chunks = OrderedPrefetch<Chunk>(
      0..<(count + size - 1) / size, workers: max(1, assembly.recipe.data.loaderThreads),
      capacity: 4
    ) { number in
      var chunk = Chunk()
      var stream = RandomStream(seed: 0)
      for index in number * size..<min(count, (number + 1) * size) {
        do {
          chunk.examples.append(try builder.example(at: index, using: &stream))
        } catch {
          chunk.skipped.append("record \(index): \(error)")
        }
      }
      return chunk
    }
    defer { chunks.cancel() }
    var scores: [Double] = []
    var skipped = 0
    var lines = ""
    while let chunk = try chunks.next() {
      skipped += chunk.skipped.count
      guard skipped <= assembly.recipe.data.badRecords else {
        throw DataError(
          "\(chunk.skipped[0]); data.badRecords allows \(assembly.recipe.data.badRecords)")
      }
      for (example, ranked) in zip(chunk.examples, try answers(chunk.examples)) {
        let record = example.record
        let score = AnswerAccuracy.score(ranked.first?.answer ?? "", record.answers)
        scores.append(score)
        let line = AnsweredRecord(
          id: record.id, image: record.pictures.first ?? "", question: record.texts.first ?? "",
          answers: record.answers, ranked: ranked, score: score)
        lines += try JSONValue(encoding: line).compact + "\n"
      }
      progress(scores.count, count)
    }
    try AtomicFile.write(utf8: lines, to: run.predictionsFile(split))
    let interval = try Interval.mean(of: scores)
    return EvaluationReport(
      split: split, checkpoint: "", records: scores.count, skipped: skipped, seconds: 0,
      results: [
        EvaluationResult(
          name: VisualQuestionAnswering.mainMetric, value: interval.value, low: interval.low,
          high: interval.high, count: scores.count)
      ])
  }

  // MARK: retrieval

  private func evaluateRetrieval(
    _ dataset: any Dataset, _ split: Split, _ limit: Int, _ progress: (Int, Int) -> Void
  ) throws -> EvaluationReport {
    guard let task = assembly.objective(Retrieval.self) else {
      throw RunError("the run has no ranking head")
    }
    let count = limit > 0 ? min(limit, dataset.count) : dataset.count
    let builder = try assembly.builder(
      dataset, regions: assembly.regionSource(split), training: false)
    var stream = RandomStream(seed: 0)
    var pictures: [TandemCore.Picture] = []
    var placeOfPicture: [String: Int] = [:]
    var texts: [[Int32]] = []
    var placeOfText: [[Int32]: Int] = [:]
    var picturesOfText: [[Int]] = []
    for index in 0..<count {
      let example = try builder.example(at: index, using: &stream)
      let name = example.record.pictures.first ?? ""
      if placeOfPicture[name] == nil, let picture = example.pictures.first {
        placeOfPicture[name] = pictures.count
        pictures.append(picture)
      }
      for text in example.texts {
        let ids = Array(text.ids)
        if placeOfText[ids] == nil {
          placeOfText[ids] = texts.count
          texts.append(ids)
          picturesOfText.append([])
        }
        picturesOfText[placeOfText[ids] ?? 0].append(placeOfPicture[name] ?? 0)
      }
    }
    // Texts of one length lie together, so that attention serves many pairs in one call.
    let order = texts.indices.sorted { (texts[$0].count, $0) < (texts[$1].count, $1) }
    var scores = [Float](repeating: 0, count: pictures.count * texts.count)
    let size = 64
    for (place, picture) in pictures.enumerated() {
      for start in stride(from: 0, to: order.count, by: size) {
        let members = order[start..<min(order.count, start + size)]
        let encoding = try encoding(
          members.map { InputSequence(text: texts[$0], picture: picture) })
        let found = try withoutGradients { try task.predict(encoding) }
        for (member, prediction) in zip(members, found) {
          scores[place * texts.count + member] = Float(prediction.score)
        }
      }
      progress(place + 1, pictures.count)
    }
    let recall = RecallAtK(
      scores: scores, pictures: pictures.count, picturesOfText: picturesOfText)
    var results: [EvaluationResult] = []
    for (name, values, number) in [
      ("text", recall.textRetrieval, pictures.count), ("image", recall.imageRetrieval, texts.count),
    ] {
      for (cutoff, value) in zip(recall.cutoffs, values) {
        let interval = try ConfidenceInterval.wilson(
          successes: value * Double(number), count: Double(number))
        results.append(
          EvaluationResult(
            name: "\(name) R@\(cutoff)", value: value, low: interval.lowerBound,
            high: interval.upperBound, count: number))
      }
    }
    return EvaluationReport(
      split: split, checkpoint: "", records: count, skipped: 0, seconds: 0, results: results)
  }

  // MARK: pre-training

  private func evaluateLosses(
    _ split: Split, _ limit: Int, _ progress: (Int, Int) -> Void
  ) throws -> EvaluationReport {
    let loader = try assembly.loader(split, training: false, limit: limit)
    let (metrics, skipped) = try Evaluation.losses(assembly, loader, limit: limit)
    progress(loader.order.count, loader.order.count)
    return EvaluationReport(
      split: split, checkpoint: "",
      records: limit > 0 ? min(limit, loader.order.count) : loader.order.count,
      skipped: skipped, seconds: 0,
      results: try metrics.map { metric in
        let isShare = metric.name.hasSuffix(".accuracy")
        let interval =
          try isShare
          ? ConfidenceInterval.wilson(successes: metric.sum, count: metric.count)
          : metric.value...metric.value
        return EvaluationResult(
          name: metric.name, value: metric.value, low: interval.lowerBound,
          high: interval.upperBound, count: Int(metric.count))
      })
  }
}

/// Intervals of 95 %.
enum Interval {
  /// The mean of scores in 0...1: Wilson's interval where all are 0 or 1, else the normal one.
  static func mean(
    of scores: [Double]
  ) throws -> (value: Double, low: Double, high: Double) {
    guard !scores.isEmpty else { return (0, 0, 1) }
    let count = Double(scores.count)
    let mean = scores.reduce(0, +) / count
    if scores.allSatisfy({ $0 == 0 || $0 == 1 }) {
      let interval = try ConfidenceInterval.wilson(successes: mean * count, count: count)
      return (mean, interval.lowerBound, interval.upperBound)
    }
    let variance = scores.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / max(1, count - 1)
    let half = 1.959963984540054 * (variance / count).squareRoot()
    return (mean, max(0, mean - half), min(1, mean + half))
  }
}
