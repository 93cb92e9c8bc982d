// Gathers what a run's report shows.

internal import Foundation
internal import TandemCore
internal import TandemFiles
internal import TandemImage
internal import TandemNN
internal import TandemReport
internal import TandemTorch
internal import TandemTrain

public enum ReportBuilder {
  /// Writes the report of a run beside it and returns its path.
  ///
  /// - Parameters:
  ///   - baseline: a metrics file whose evaluations are drawn beside the run's own.
  ///   - words: words whose alignment with the patches is shown; empty for those of the samples.
  public static func write(
    _ path: String, baseline: String? = nil, words: [String] = []
  ) throws -> String {
    let run = try RunDirectory.open(path)
    let card = try run.card()
    let metrics = try run.metrics()
    var report = RunReport(
      title: card.recipe.name, subtitle: card.recipe.summary, facts: facts(card, metrics))
    let earlier = try baseline.map(evaluations(ofFile:)) ?? []
    report.curves = curves(metrics, earlier)
    report.recipe = try sections(card)
    if let evaluation = try evaluation(run) {
      report.results = evaluation.results.map { result($0, card, earlier) }
      let answered = try predictions(run, evaluation.split)
      let chosen = choose(answered)
      report.samples = try chosen.map(sample)
      if let majority = majority(answered), !report.results.isEmpty {
        report.results[0].baselines.insert(majority, at: 0)
      }
      report.alignments = try alignments(path, card, chosen, words)
    } else {
      report.notes.append("No results yet: `tandem evaluate \(path)` measures the run.")
    }
    try AtomicFile.write(utf8: report.html(), to: run.reportFile)
    return run.reportFile
  }

  // MARK: parts

  private static func facts(_ card: RunCard, _ metrics: [MetricsLine]) -> [RunReport.Fact] {
    let steps = metrics.filter { $0.kind == .train }
    let seconds = steps.last?.elapsed ?? 0
    return [
      RunReport.Fact("model", "\(card.recipe.model.name)/\(card.recipe.model.preset)"),
      RunReport.Fact("data", card.recipe.data.dataset),
      RunReport.Fact(
        "starts from", card.initializedFrom.isEmpty ? "random weights" : card.initializedFrom),
      RunReport.Fact("steps", "\(grouped(steps.last?.step ?? 0)) of \(grouped(card.recipe.steps))"),
      RunReport.Fact("examples", grouped(steps.reduce(0) { $0 + $1.examples })),
      RunReport.Fact("time", clock(seconds)),
      RunReport.Fact(
        "machine",
        "\(card.environment.threads) threads, \(card.environment.cpu), "
          + card.recipe.compute.precision.rawValue),
      RunReport.Fact(
        "software", "tandem \(card.environment.tandem), libtorch \(card.environment.libtorch)"),
      RunReport.Fact("started", card.environment.started),
    ]
  }

  private static func clock(_ seconds: Double) -> String {
    let whole = Int(seconds.rounded())
    return whole >= 60 ? "\(whole / 60) min \(whole % 60) s" : "\(whole) s"
  }

  /// A chart a metric: training and evaluation in one, the baseline dashed.
  private static func curves(_ metrics: [MetricsLine], _ baseline: [MetricsLine]) -> [Chart] {
    func points(_ lines: [MetricsLine], _ value: (MetricsLine) -> Double?) -> [(
      x: Double, y: Double
    )] {
      lines.compactMap { line in value(line).map { (Double(line.step), $0) } }
    }
    let train = metrics.filter { $0.kind == .train }
    let held = metrics.filter { $0.kind == .evaluation }
    let names = Set(metrics.flatMap { $0.metrics.keys }).subtracting(["loss"]).sorted()
    var charts = [
      chart(
        "loss",
        [
          ("training", points(train) { $0.loss }, false),
          ("validation", points(held) { $0.loss }, false),
          ("from random weights", points(baseline) { $0.loss }, true),
        ])
    ]
    for name in names where name != "vqa.loss" || names.count > 2 {
      charts.append(
        chart(
          name,
          [
            ("training", points(train) { $0.metrics[name] }, false),
            ("validation", points(held) { $0.metrics[name] }, false),
            ("from random weights", points(baseline) { $0.metrics[name] }, true),
          ]))
    }
    charts.append(chart("learning rate", [("rate", points(train) { $0.rate }, false)]))
    return charts
  }

  private static func chart(
    _ title: String, _ series: [(String, [(x: Double, y: Double)], Bool)]
  ) -> Chart {
    Chart(
      title: title, xLabel: "step", yLabel: title,
      series: series.filter { !$0.1.isEmpty }.map {
        Chart.Series($0.0, points: $0.1, isDashed: $0.2)
      },
      yStyle: title.hasSuffix(".accuracy") ? .share : .plain)
  }

  private static func evaluations(ofFile path: String) throws -> [MetricsLine] {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw DataError(file: path, "no such file")
    }
    return try data.split(separator: 10).enumerated().compactMap { number, piece in
      do {
        let line = try JSONDecoder().decode(MetricsLine.self, from: piece)
        return line.kind == .evaluation ? line : nil
      } catch {
        throw DataError(file: path, line: number + 1, JSONValue.explained(error))
      }
    }
  }

  private static func sections(_ card: RunCard) throws -> [RunReport.RecipeSection] {
    let leaves = try JSONValue(encoding: card.recipe).leaves()
    var order: [String] = []
    var rows: [String: [RunReport.Setting]] = [:]
    for (path, value) in leaves {
      let isTop = !path.contains(".")
      let section = isTop ? "run" : String(path.prefix { $0 != "." })
      if rows[section] == nil { order.append(section) }
      let key = isTop ? path : String(path.dropFirst(section.count + 1))
      rows[section, default: []].append(
        RunReport.Setting(key, value.compact, origin: card.origins[path] ?? "data"))
    }
    return order.map { RunReport.RecipeSection($0, rows: rows[$0] ?? []) }
  }

  private static func evaluation(_ run: RunDirectory) throws -> EvaluationReport? {
    guard let data = FileManager.default.contents(atPath: run.resultsFile) else { return nil }
    do {
      return try JSONDecoder().decode(EvaluationReport.self, from: data)
    } catch {
      throw RunError("\(run.resultsFile): \(JSONValue.explained(error))")
    }
  }

  private static func result(
    _ result: EvaluationResult, _ card: RunCard, _ earlier: [MetricsLine]
  ) -> RunReport.Result {
    let isShare = result.low != result.high
    var row = RunReport.Result(
      name: result.name, value: result.value, style: isShare ? .share : .plain,
      interval: isShare ? result.low...result.high : nil, count: result.count)
    if let best = earlier.compactMap({ $0.metrics[result.name] }).max() {
      row.baselines.append(RunReport.Baseline("from random weights (validation)", best))
    }
    return row
  }

  // MARK: samples

  private static func predictions(_ run: RunDirectory, _ split: Split) throws -> [AnsweredRecord] {
    guard let data = FileManager.default.contents(atPath: run.predictionsFile(split)) else {
      return []
    }
    return data.split(separator: 10).compactMap {
      try? JSONDecoder().decode(AnsweredRecord.self, from: $0)
    }
  }

  /// The share of the most frequent answer.
  private static func majority(_ answered: [AnsweredRecord]) -> RunReport.Baseline? {
    let counts = Dictionary(grouping: answered.compactMap(\.answers.first)) { $0 }.mapValues(
      \.count)
    guard let best = counts.max(by: { ($0.value, $1.key) < ($1.value, $0.key) }) else { return nil }
    return RunReport.Baseline(
      "always “\(best.key)”", Double(best.value) / Double(answered.count))
  }

  /// Up to eight wrong and eight right ones, spread over the split.
  private static func choose(_ answered: [AnsweredRecord]) -> [AnsweredRecord] {
    func spread(_ records: [AnsweredRecord]) -> [AnsweredRecord] {
      let step = max(1, records.count / 8)
      return stride(from: 0, to: records.count, by: step).prefix(8).map { records[$0] }
    }
    return spread(answered.filter { $0.score < 0.5 }) + spread(answered.filter { $0.score >= 0.5 })
  }

  private static func sample(_ record: AnsweredRecord) throws -> RunReport.Sample {
    RunReport.Sample(
      pictures: [try picture(Image(contentsOfFile: record.image), record.id)],
      text: record.question, expected: record.answers.first ?? "",
      answers: record.ranked.prefix(3).map { RunReport.Answer($0.answer, $0.probability) },
      isRight: record.score >= 0.5)
  }

  /// At most 256 pixels a side, so that the file stays small.
  private static func picture(_ image: Image, _ text: String) throws -> TandemReport.Picture {
    let longest = max(image.width, image.height)
    guard longest > 256 else {
      return try TandemReport.Picture(bytes: image.pngData(), alternativeText: text)
    }
    let small = try image.resized(
      width: max(1, image.width * 256 / longest), height: max(1, image.height * 256 / longest),
      filter: .bicubic)
    return try TandemReport.Picture(bytes: small.pngData(), alternativeText: text)
  }

  // MARK: alignments

  /// Where the words of some samples come to lie, by optimal transport.
  private static func alignments(
    _ path: String, _ card: RunCard, _ records: [AnsweredRecord], _ words: [String]
  ) throws -> [RunReport.Alignment] {
    let predictor = try Predictor(path)
    return try records.suffix(4).map { record in
      let text = record.question
      let map = try predictor.alignment(image: record.image, text: text)
      let image = try Image(contentsOfFile: record.image)
      let shown = map.words.filter { word in
        words.isEmpty ? word.text.contains(where: \.isLetter) : words.contains(word.text)
      }
      return RunReport.Alignment(
        picture: try picture(image, text), text: text,
        words: try shown.map { word in
          let heat = try image.overlaid(
            heat: standardized(word.weights), gridWidth: map.gridWidth, gridHeight: map.gridHeight,
            range: 1...3)
          return RunReport.Alignment.Word(word.text, heat: try picture(heat, word.text))
        })
    }
  }

  /// As ViLT draws them: standard deviations above the word's mean, from 1 to 3.
  private static func standardized(_ weights: [Float]) -> [Float] {
    let count = Float(max(1, weights.count))
    let mean = weights.reduce(0, +) / count
    let variance = weights.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
    let scale = variance > 0 ? 1 / variance.squareRoot() : 0
    return weights.map { min(3, max(1, ($0 - mean) * scale)) }
  }
}
