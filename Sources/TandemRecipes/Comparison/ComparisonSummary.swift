// A comparison in numbers: means and spreads over seeds, and which differences are more than noise.

internal import Foundation
internal import TandemFiles
public import TandemReport

/// One figure of all systems.
public struct ComparisonFigure: Sendable {
  /// "questions: vqa.accuracy".
  public let name: String
  public let bySystem: [String: Spread]
}

public struct ComparisonSummary: Sendable {
  public let plan: ComparisonPlan
  public let results: [ArmResult]
  public let figures: [ComparisonFigure]
  private var names: [String] { plan.entrants.map(\.name) }

  public init(_ plan: ComparisonPlan, _ results: [ArmResult]) {
    self.plan = plan
    self.results = results
    var order: [String] = []
    var values: [String: [String: [Double]]] = [:]
    for result in results {
      guard case .task(let task, let isPretrained) = result.arm.stage else { continue }
      for (figure, value) in result.figures.sorted(by: { $0.key < $1.key })
      where figure.hasSuffix("accuracy") || figure.hasSuffix("R@1") || figure.hasSuffix("R@10") {
        let name = "\(task)\(isPretrained ? "" : " without pre-training"): \(figure)"
        if values[name] == nil { order.append(name) }
        values[name, default: [:]][result.arm.entrant, default: []].append(value)
      }
    }
    figures = order.map {
      ComparisonFigure(name: $0, bySystem: (values[$0] ?? [:]).mapValues(Spread.init))
    }
  }

  /// Rows of the main table, a system each: its name, weights, time, memory, figures.
  public var table: RunReport.Table {
    let header =
      ["system", "weights", "ms a step", "MB"] + figures.map(\.name)
    let rows = plan.entrants.map(\.name).map { system -> [String] in
      let own = results.filter { $0.arm.entrant == system }
      let training = own.filter { $0.arm.stage == .pretraining }
      let weights = training.first?.parameters ?? own.first?.parameters ?? 0
      return [
        system, weights == 0 ? "" : "\(Self.fixed(Double(weights) / 1e6, 2)) M",
        Self.fixed(1000 * Spread(training.map(\.secondsPerStep)).mean, 0),
        Self.fixed(own.map(\.megabytes).max() ?? 0, 0),
      ] + figures.map { figure in figure.bySystem[system].map(Self.percent) ?? "" }
    }
    return RunReport.Table(
      title: "Systems", header: header, rows: rows,
      note: "Percent, mean ± standard deviation over \(plan.seeds.count) "
        + "seed\(plan.seeds.count == 1 ? "" : "s"). Weights without the word table; time is the "
        + "median step of pre-training; memory is the most that a run held."
        + (plan.isQuick ? " Fewer than three seeds: differences cannot be told from noise." : ""))
  }

  /// For each figure every pair of systems: how much more the row's is than the column's, "none"
  /// where it is below twice the pooled spread. Nothing where too few seeds can tell.
  public var differences: [RunReport.Table] {
    guard !plan.isQuick else { return [] }
    return figures.map { figure in
      RunReport.Table(
        title: figure.name, header: ["more than →"] + names,
        rows: names.map { row in
          [row] + names.map { difference(figure, row, $0) }
        },
        note: "Points; none: below twice the pooled spread of the seeds.")
    }
  }

  private func difference(_ figure: ComparisonFigure, _ one: String, _ other: String) -> String {
    guard one != other, let left = figure.bySystem[one], let right = figure.bySystem[other] else {
      return ""
    }
    return Spread.difference(left, right).map { Self.signed(100 * $0) } ?? "none"
  }

  /// What pre-training gave, a line a system and task that was also learned from random weights.
  public var gains: RunReport.Table? {
    guard !plan.tasksWithoutPretraining.isEmpty else { return nil }
    let pairs = figures.compactMap { figure -> (String, ComparisonFigure, ComparisonFigure)? in
      guard
        let bare = figures.first(where: {
          $0.name == figure.name.replacing(":", with: " without pre-training:", maxReplacements: 1)
        })
      else { return nil }
      return (figure.name, figure, bare)
    }
    return RunReport.Table(
      title: "What pre-training gives", header: ["system"] + pairs.map(\.0),
      rows: names.map { system in
        [system]
          + pairs.map { _, with, without in
            guard let left = with.bySystem[system], let right = without.bySystem[system] else {
              return ""
            }
            let gap = Self.signed(100 * (left.mean - right.mean))
            if plan.isQuick { return gap + " (one seed)" }
            return Spread.difference(left, right) == nil ? "none (\(gap))" : gap
          }
      }, note: "Points against the same fine-tuning from random weights.")
  }

  private var tables: [RunReport.Table] {
    [table] + (gains.map { [$0] } ?? []) + (gradients.map { [$0] } ?? []) + differences
  }

  /// For each pair of objectives the mean cosine of their gradients over pre-training, by entrant.
  public var gradients: RunReport.Table? {
    var pairs: [String] = []
    var values: [String: [String: [Double]]] = [:]
    for result in results {
      // One number a run: its mean over the steps that were looked at, so that seeds are compared.
      for (pair, angles) in Dictionary(
        grouping: result.gradients, by: { "\($0.first)–\($0.second)" })
      {
        if !pairs.contains(pair) { pairs.append(pair) }
        values[result.arm.entrant, default: [:]][pair, default: []].append(
          Spread(angles.map(\.cosine)).mean)
      }
    }
    guard !pairs.isEmpty else { return nil }
    pairs.sort()
    return RunReport.Table(
      title: "Gradients", header: ["cosine between"] + pairs,
      rows: names.filter { values[$0] != nil }.map { name in
        [name]
          + pairs.map { pair in
            guard let found = values[name]?[pair] else { return "" }
            let spread = Spread(found)
            let mean = Self.signed(spread.mean, 3)
            return spread.count > 1 ? "\(mean) ± \(Self.fixed(spread.deviation, 3))" : mean
          }
      },
      note:
        "Between the gradients of two objectives on the trunk's weights, from forwards of their "
        + "own over the same validation records; mean over pre-training, ± over seeds. Below 0 they "
        + "pull against one another.")
  }

  /// All tables as text for a terminal or a Markdown file.
  public var markdown: String {
    tables.map(\.markdown).joined(separator: "\n")
  }

  /// Writes `comparison.md` and `comparison.html`.
  public func write(to folder: String, title: String) throws {
    try AtomicFile.write(utf8: markdown, to: folder + "/comparison.md")
    try AtomicFile.write(utf8: report(title: title).html(), to: folder + "/comparison.html")
  }

  /// One page with the tables and the curves of all runs.
  public func report(title: String) -> RunReport {
    var curves: [Chart] = []
    var stages: [String] = []
    for result in results where !stages.contains(Self.stage(result)) {
      stages.append(Self.stage(result))
    }
    for stage in stages {
      let own = results.filter { Self.stage($0) == stage && $0.curve.count > 1 }
      let isLoss = stage == "pre-training"
      curves.append(
        Chart(
          title: stage, xLabel: "step", yLabel: isLoss ? "validation loss" : "validation",
          series: names.compactMap { system in
            let lines = own.filter { $0.arm.entrant == system }.map(\.curve)
            guard let first = lines.first else { return nil }
            // The mean over seeds at each evaluation that all of them have.
            let shared = lines.map(\.count).min() ?? 0
            return Chart.Series(
              system,
              points: (0..<shared).map { place in
                let mean = lines.reduce(0) { $0 + $1[place][1] } / Double(lines.count)
                return Chart.Point(x: first[place][0], y: mean)
              })
          },
          yStyle: isLoss ? .plain : .share))
    }
    return RunReport(
      title: title,
      subtitle: plan.isQuick
        ? "One seed: differences cannot be told from noise." : "Same data, budget and seeds.",
      facts: [
        .init("systems", names.joined(separator: ", ")),
        .init("seeds", plan.seeds.map(String.init).joined(separator: ", ")),
        .init("pre-training", "\(plan.pretrainingPasses) forwards of a batch"),
        .init(
          "fine-tuning",
          plan.taskSteps.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value) steps" }
            .joined(separator: ", ")),
      ],
      curves: curves, tables: tables)
  }

  private static func stage(_ result: ArmResult) -> String {
    switch result.arm.stage {
    case .pretraining: "pre-training"
    case .task(let task, true): task
    case .task(let task, false): task + " without pre-training"
    }
  }

  // MARK: numbers

  static func percent(_ spread: Spread) -> String {
    let mean = fixed(100 * spread.mean, 1)
    return spread.count > 1 ? "\(mean) ± \(fixed(100 * spread.deviation, 1))" : mean
  }

  static func signed(_ value: Double, _ places: Int = 1) -> String {
    (value < 0 ? "−" : "+") + fixed(abs(value), places)
  }

  static func fixed(_ value: Double, _ places: Int) -> String {
    String(format: "%.\(places)f", value)
  }
}
