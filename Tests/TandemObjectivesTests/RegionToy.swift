import Foundation
import TandemCore
import TandemNN
import TandemObjectives
import TandemText
import TandemTorch
import TestSupport

/// Pictures of random regions, and what a model that never was might have made of them.
enum RegionToy {
  static let featureWidth = 6
  static let classes = 5
  static let width = 8
  static let input = InputSpecification(
    textLength: 16, classification: 2, separator: 3, mask: 4,
    regions: RegionInput(featureWidth: featureWidth, most: 40))

  /// Random regions; each distribution over classes has an exact 0.
  static func regions(_ count: Int, seed: UInt64) -> Regions {
    var stream = RandomStream(seed: seed)
    func share() -> Float { Float(stream.uniform()) }
    var boxes: [Float] = []
    var probabilities: [Float] = []
    for _ in 0..<count {
      let (left, top) = (share() * 0.7, share() * 0.7)
      boxes += [left, top, left + 0.1 + 0.2 * share(), top + 0.1 + 0.2 * share()]
      var row = (0..<classes).map { _ in share() + 0.05 }
      row[stream.below(classes)] = 0
      let sum = row.reduce(0, +)
      probabilities += row.map { $0 / sum }
    }
    return Regions(
      width: 640, height: 480, boxes: boxes,
      features: (0..<count * featureWidth).map { _ in Float(stream.normal()) },
      featureWidth: featureWidth,
      objects: (0..<count).map { _ in Int32(stream.below(classes) - 1) },
      objectConfidences: (0..<count).map { _ in share() },
      attributes: (0..<count).map { _ in Int32(stream.below(4) - 1) },
      attributeConfidences: (0..<count).map { _ in share() },
      classProbabilities: probabilities, classCount: classes)
  }

  static func picture(_ count: Int, key: UInt64) -> Picture {
    Picture(key: key, regions: regions(count, seed: key))
  }

  static func example(
    _ index: Int, _ picture: Picture, text: String = "red star above blue circle",
    answers: [String] = []
  ) throws -> Example {
    Example(
      index: index,
      record: Record(
        id: "train/\(index)", pictures: ["\(picture.key).png"], texts: [text], answers: answers),
      pictures: [picture], texts: [try Toy.tokenizer().encode(text)])
  }

  static func context(
    position: Int = 0, other: Picture = picture(4, key: 999)
  ) throws -> PreparationContext {
    try Toy.context(input, position: position, pair: UInt64(position / 2), other: other)
  }

  static func facts(
    background: Bool = true, fuses: Bool = true, heads: Bool = true, pairWidth: Int = 0
  ) -> ModelFacts {
    func region(_ name: String) -> RegionHead.Specification {
      RegionHead.Specification(
        transform: "\(name).transform", norm: "\(name).norm", decoder: "\(name).decoder",
        hasBackground: background)
    }
    var facts = ModelFacts(
      name: "toy", width: width, layers: 1, vocabulary: 21, featureWidth: featureWidth,
      fusesRows: fuses,
      heads: heads
        ? HeadSpecifications(
          matching: MatchingHead.Specification(path: "matching"),
          answers: AnswerHead.Specification(
            first: "answers.0", norm: "answers.1", last: "answers.2", order: .geluThenNorm,
            epsilon: 1e-12),
          regionFeatures: region("features"), regionClasses: region("classes"),
          regionAttributes: region("attributes")) : HeadSpecifications())
    facts.pairWidth = pairWidth
    return facts
  }

  /// The states of each sequence hang on its key alone, however a step is cut.
  static func encoding(_ sequences: [InputSequence]) throws -> (Encoding, leaf: Tensor) {
    let batch = try PackedBatch(sequences, input)
    let states = try sequences.indices.map { place in
      try randomTensor([batch.layout.rows(of: place).count, width], seed: sequences[place].key)
    }
    let pooled = try sequences.map { try randomTensor([1, width], seed: $0.key ^ 77) }
    let rows = try leaf(Tensor.concatenated(states))
    return (
      Encoding(batch: batch, joint: rows, pooled_SD: try Tensor.concatenated(pooled)), rows
    )
  }

  static func prepared<O: Objective>(
    _ type: O.Type, _ options: O.Options, examples: [Example]
  ) throws -> [PreparedSequence<O.Target>] {
    try examples.enumerated().flatMap { place, example in
      var stream = RandomStream(seed: 31).child(UInt64(place))
      let items = try O.prepare(
        example, options, context(position: place), using: &stream)
      return items.enumerated().map { ordinal, item in
        var item = item
        item.sequence.key = UInt64(1000 + 20 * place + ordinal)
        return item
      }
    }
  }

  /// Six pictures of 1 to 9 regions.
  static func examples(answers: [String] = []) throws -> [Example] {
    try [7, 1, 5, 9, 2, 6].enumerated().map { place, count in
      try example(place, picture(count, key: UInt64(50 + place)), answers: answers)
    }
  }

  /// The loss over a step that is cut into batches of these sizes.
  static func loss<O: Objective>(
    _ objective: O, _ prepared: [PreparedSequence<O.Target>], cut: [Int]
  ) throws -> (total: Double, gradients: [Double]) {
    let denominator = prepared.reduce(0) { $0 + O.weight(of: $1.target) }
    var start = 0
    var total = 0.0
    var gradients: [Double] = []
    for size in cut {
      let part = Array(prepared[start..<min(prepared.count, start + size)])
      start += size
      guard !part.isEmpty else { continue }
      let (encoding, leaf) = try encoding(part.map(\.sequence))
      let report = try objective.loss(
        encoding, part.enumerated().map { Placed(sequence: $0, target: $1.target) },
        denominator: denominator)
      total += try report.total.item()
      try report.total.backward()
      gradients += try leaf.gradient()?.floats().map(Double.init) ?? []
    }
    return (total, gradients)
  }
}

/// Rows of a tensor as numbers.
func table(_ tensor: Tensor) throws -> [[Double]] {
  let values = try tensor.detached().floats().map(Double.init)
  let width = tensor.size(1)
  return stride(from: 0, to: values.count, by: max(1, width)).map {
    Array(values[$0..<$0 + width])
  }
}

/// log softmax of one row, by the book.
func logSoftmax(_ row: [Double]) -> [Double] {
  let top = row.max() ?? 0
  let sum = row.reduce(0) { $0 + exp($1 - top) }
  return row.map { $0 - top - log(sum) }
}
