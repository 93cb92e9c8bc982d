import Foundation
import TandemReport

/// A report as a run might leave it. All numbers here are made up.
enum ExampleRun {
  static func report() throws -> RunReport {
    RunReport(
      title: "ViLT fine-tuned for visual question answering",
      subtitle:
        "Questions about drawn shapes, answered by a transformer that sees pixels and words "
        + "in one stream. Every number on this page is made up, to show what a report looks like.",
      facts: [
        .init("Model", "ViLT-tiny, 6 layers"), .init("Parameters", "14.2 M"),
        .init("Data", "41,200 questions, 10,300 pictures"),
        .init("Steps", "12,000 of 64 questions"),
        .init("Time", "3 h 52 min"), .init("Machine", "2 cores, AVX-512, bf16"),
        .init("Precision", "bf16, fp32 masters"), .init("Seed", "17"),
      ],
      results: try results(), curves: curves(), samples: try samples(),
      alignments: try alignments(), recipe: recipe,
      notes: [
        "The splits share no picture. The test split was read once, after the recipe was settled.",
        "“From random weights” is the same fine-tuning without pre-training: same data, steps and "
          + "learning rates, three seeds, the best of them.",
        "Between steps 6,100 and 6,180 the loss was not finite on a single micro-batch; the step was "
          + "skipped and the curve shows a gap.",
      ])
  }

  private static func results() throws -> [RunReport.Result] {
    func share(_ right: Double, of count: Double) throws -> ClosedRange<Double> {
      try ConfidenceInterval.wilson(successes: right, count: count)
    }
    return [
      .init(
        name: "Accuracy, all questions", value: 3208 / 5000,
        interval: try share(3208, of: 5000), count: 5000,
        baselines: [.init("most frequent answer", 0.372), .init("from random weights", 0.587)]),
      .init(
        name: "Yes or no", value: 1502 / 1900, interval: try share(1502, of: 1900), count: 1900,
        baselines: [.init("most frequent answer", 0.531), .init("from random weights", 0.742)]),
      .init(
        name: "How many", value: 402 / 840, interval: try share(402, of: 840), count: 840,
        baselines: [.init("most frequent answer", 0.301), .init("from random weights", 0.489)]),
      .init(
        name: "Other", value: 1304 / 2260, interval: try share(1304, of: 2260), count: 2260,
        baselines: [.init("most frequent answer", 0.118), .init("from random weights", 0.494)]),
      .init(
        name: "Relative position, held-out pairs", value: 71 / 120,
        interval: try share(71, of: 120), count: 120, baselines: [.init("coin", 0.5)]),
      .init(
        name: "Negative log likelihood of the answer", value: 1.237, style: .plain,
        interval: 1.208...1.266, count: 5000, baselines: [.init("from random weights", 1.402)]),
    ]
  }

  private static func curves() -> [Chart] {
    var noise = Noise(state: 7)
    let loss = (0..<3000).map { index -> (x: Double, y: Double) in
      let step = Double(index * 4)
      guard !(1525..<1545).contains(index) else { return (step, .nan) }
      let level = 1.15 + 5.9 * exp(-step / 420) + 0.9 * exp(-step / 3800)
      return (step, level * (1 + 0.11 * noise.next()))
    }
    let validation = (0...24).map { index -> (x: Double, y: Double) in
      let step = Double(index * 500)
      return (step, 1.32 + 5.7 * exp(-step / 420) + 0.75 * exp(-step / 3400))
    }
    let questions = [("yes or no", 0.79, 0.52), ("other", 0.577, 0.02), ("how many", 0.479, 0.12)]
    let accuracy = questions.map { name, end, start in
      Chart.Series(
        name,
        points: (0...24).map { index in
          let share = 1 - exp(-Double(index) / 5.2)
          return (
            x: Double(index * 500), y: start + (end - start) * share + 0.006 * noise.next()
          )
        })
    }
    let rate = [("encoder", 1e-4), ("head", 1e-3)].map { name, peak in
      Chart.Series(
        name,
        points: (0...120).map { index in
          let share = Double(index) / 120
          return (x: Double(index * 100), y: peak * min(share / 0.1, (1 - share) / 0.9 + 1e-3))
        })
    }
    let norm = (0..<1200).map { index -> (x: Double, y: Double) in
      let spike = index == 402 ? 60.0 : 1
      return (
        Double(index * 10),
        spike * (0.6 + 7 * exp(-Double(index) / 60)) * exp(0.5 * noise.next())
      )
    }
    let pretraining = [("masked words", 2.9, 8.1), ("matching", 0.41, 0.29), ("regions", 1.8, 2.0)]
      .map { name, end, fall in
        Chart.Series(
          name,
          points: (0..<600).map { index in
            (
              x: Double(index * 50),
              y: end + fall * exp(-Double(index) / 70) + 0.06 * end * noise.next()
            )
          })
      }
    return [
      Chart(
        title: "Loss of the answers", xLabel: "step", yLabel: "cross-entropy in nats",
        series: [
          .init("training", points: loss), .init("validation", points: validation, isDashed: true),
        ],
        referenceLines: [.init("frequency of answers alone", y: 3.41)]),
      Chart(
        title: "Accuracy on the validation split", xLabel: "step", yLabel: "accuracy",
        series: accuracy, referenceLines: [.init("most frequent answer", y: 0.372)],
        yStyle: .share),
      Chart(
        title: "Learning rate", xLabel: "step", yLabel: "per step", series: rate,
        isLogarithmicY: true),
      Chart(
        title: "Gradient norm before clipping", xLabel: "step", yLabel: "norm",
        series: [.init("", points: norm)], referenceLines: [.init("clipped above", y: 1)],
        isLogarithmicY: true),
      Chart(
        title: "Pre-training objectives", xLabel: "step", yLabel: "loss", series: pretraining),
    ]
  }

  private static let red = (0.80, 0.27, 0.22)
  private static let blue = (0.24, 0.44, 0.72)
  private static let yellow = (0.91, 0.74, 0.30)
  private static let green = (0.33, 0.58, 0.40)

  private static let pair = Scene(
    ground: (0.86, 0.87, 0.84),
    shapes: [
      .init(form: .disc, x: 0.42, y: 0.5, radius: 0.22, color: red),
      .init(form: .square, x: 0.95, y: 0.55, radius: 0.18, color: blue),
    ])
  private static let row = Scene(
    ground: (0.80, 0.84, 0.90),
    shapes: [
      .init(form: .triangle, x: 0.28, y: 0.6, radius: 0.2, color: green),
      .init(form: .triangle, x: 0.68, y: 0.6, radius: 0.2, color: green),
      .init(form: .disc, x: 1.06, y: 0.62, radius: 0.15, color: yellow),
    ])
  private static let stack = Scene(
    ground: (0.93, 0.89, 0.82),
    shapes: [
      .init(form: .square, x: 0.66, y: 0.7, radius: 0.22, color: blue),
      .init(form: .disc, x: 0.66, y: 0.31, radius: 0.19, color: yellow),
    ])

  private static func samples() throws -> [RunReport.Sample] {
    [
      .init(
        pictures: [try row.picture()], text: "How many triangles are there?", expected: "two",
        answers: [.init("two", 0.83), .init("three", 0.12), .init("one", 0.03)], isRight: true),
      .init(
        pictures: [try stack.picture()], text: "What stands below the yellow disc?",
        expected: "square",
        answers: [.init("triangle", 0.46), .init("square", 0.41), .init("nothing", 0.06)],
        isRight: false),
      .init(
        pictures: [try pair.picture()], text: "Is the blue square to the right of the red disc?",
        expected: "yes", answers: [.init("yes", 0.97), .init("no", 0.03)], isRight: true),
      .init(
        pictures: [try pair.picture(), try row.picture()],
        text: "Both pictures show a disc, and only one of them shows a triangle.", expected: "true",
        answers: [.init("false", 0.58), .init("true", 0.42)], isRight: false),
      .init(
        pictures: [try stack.picture()], text: "What colour is the disc?", expected: "yellow",
        answers: [.init("yellow", 0.91), .init("orange", 0.05), .init("white", 0.02)],
        isRight: true),
      .init(
        pictures: [try row.picture()], text: "Is anything red?", expected: "no",
        answers: [.init("no", 0.74), .init("yes", 0.26)], isRight: true),
      .init(
        pictures: [try pair.picture()], text: "What is left of the square?", expected: "disc",
        answers: [.init("disc", 0.66), .init("circle", 0.21), .init("square", 0.08)],
        isRight: true),
    ]
  }

  private static func alignments() throws -> [RunReport.Alignment] {
    func alignment(_ scene: Scene, _ words: [(String, [Int])]) throws -> RunReport.Alignment {
      RunReport.Alignment(
        picture: try scene.picture(), text: words.map(\.0).joined(separator: " "),
        words: try words.map { word, heat in .init(word, heat: try scene.picture(heat: heat)) })
    }
    return [
      try alignment(
        pair,
        [
          ("a", [0]), ("red", [0]), ("disc", [0]), ("beside", [0, 1]), ("a", [1]), ("blue", [1]),
          ("square", [1]),
        ]),
      try alignment(
        stack, [("yellow", [1]), ("disc", [1]), ("above", [0, 1]), ("blue", [0]), ("square", [0])]),
    ]
  }

  private static let recipe: [RunReport.RecipeSection] = [
    .init(
      "Model",
      rows: [
        .init("model.preset", "vilt-tiny", origin: "recipe vqa-shapes"),
        .init("model.layers", "6", origin: "preset vilt-tiny"),
        .init("model.width", "384", origin: "preset vilt-tiny"),
        .init("model.patch", "16", origin: "default"),
      ]),
    .init(
      "Data",
      rows: [
        .init("data.train", "shapes-qa/train", origin: "recipe vqa-shapes"),
        .init("data.image.longestSide", "192", origin: "--set on the command line"),
      ]),
    .init(
      "Optimizer",
      rows: [
        .init("optimizer.rate", "1e-4", origin: "--set on the command line"),
        .init("optimizer.headMultiplier", "10", origin: "recipe vqa-shapes"),
        .init("optimizer.betas", "0.9, 0.98", origin: "default"),
        .init("optimizer.weightDecay", "0.01", origin: "default"),
        .init("optimizer.clip", "1", origin: "recipe vqa-shapes"),
      ]),
    .init(
      "Schedule",
      rows: [
        .init("schedule.steps", "12000", origin: "recipe vqa-shapes"),
        .init("schedule.warmup", "0.1", origin: "default"),
      ]),
  ]
}

/// Repeatable noise around 0 for the curves: the mean of a few uniform numbers.
struct Noise {
  var state: UInt64

  mutating func next() -> Double {
    var sum = 0.0
    for _ in 0..<4 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      sum += Double(state >> 11) / Double(1 << 53) - 0.5
    }
    return sum
  }
}
