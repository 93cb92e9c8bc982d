import TandemCore
import TandemModels
import TandemNN
import TandemTorch
import Testing
import TestSupport

/// What make_region_models.py wrote of one model: its weights under their published names, its
/// examples, and what an independent implementation in float64 makes of them.
struct RegionFixture {
  struct Description: Decodable {
    /// A usual mistake: what it concerns, and by what share of the largest value it moves that.
    struct Mistake: Decodable {
      let affects: String
      let relative_change: Double
    }
    let losses: [String: Double]
    let total: Double
    let parameter_count: Int
    let no_gradient: [String]
    let gradient_is_0: [String]
    let gradients_left_out: [String]
    let wrong: [String: Mistake]
  }

  /// One example; without features it is a text alone.
  struct Example {
    var ids: [Int]
    var labels: [Int]
    var features: [[Float]] = []
    /// Over the picture's size.
    var boxes: [Float] = []
    var width = 0
    var height = 0
    var hidden: [Int] = []
    var probabilities: [[Float]] = []

    func sequence(_ key: UInt64) -> InputSequence {
      let regions = Regions(
        width: width, height: height, boxes: boxes, features: features.flatMap { $0 },
        featureWidth: features.first?.count ?? 0)
      return InputSequence(
        text: ids.dropFirst().dropLast().map(Int32.init),
        picture: features.isEmpty ? nil : Picture(key: key, regions: regions), hidden: hidden,
        key: mixed(key))
    }
  }

  static let specials = SpecialTokens(
    classification: 2, separator: 3, mask: 4, vocabularyCount: 40, reserved: [0, 1, 2, 3, 4])

  let description: Description
  let outputs: SafeTensorsFile
  let gradients: SafeTensorsFile
  var weights: GivenWeights
  var examples: [Example]
  let matches: [Int]

  init(_ folder: String) throws {
    description = try Fixtures.json(Description.self, "\(folder)/\(folder).json")
    outputs = try Fixtures.tensors("\(folder)/outputs.safetensors")
    gradients = try Fixtures.tensors("\(folder)/gradients.safetensors")
    weights = try GivenWeights(Fixtures.tensors("\(folder)/weights.safetensors"))
    let file = try Fixtures.tensors("\(folder)/batch.safetensors")
    matches = try file.integers("match")
    examples = try matches.indices.map { try Self.example("\($0)", file) }
    if file.entries["textonly.ids"] != nil {
      examples.append(
        Example(
          ids: try file.integers("textonly.ids"),
          labels: try file.integers("textonly.mlm_labels")))
    }
  }

  private static func example(_ name: String, _ file: SafeTensorsFile) throws -> Example {
    func rows(_ part: String) throws -> [[Float]] {
      let tensor = try file.tensor("\(name).\(part)")
      return try (0..<tensor.size(0)).map { try tensor.narrow(0, from: $0, 1).floats() }
    }
    let size = try file.integers("\(name).size")
    let flags = try file.integers("\(name).hidden")
    return Example(
      ids: try file.integers("\(name).ids"), labels: try file.integers("\(name).mlm_labels"),
      features: try rows("features"),
      boxes: try rows("boxes").flatMap { box in
        box.enumerated().map { $1 / Float(size[$0 % 2]) }
      },
      width: size[0], height: size[1], hidden: flags.indices.filter { flags[$0] == 1 },
      probabilities: try rows("class_probabilities"))
  }

  /// Some examples in one batch.
  func batch(_ places: [Int], _ input: InputSpecification) throws -> PackedBatch {
    try PackedBatch(places.map { examples[$0].sequence(UInt64($0)) }, input)
  }

  // MARK: changes

  /// Replaces a weight by what `change` makes of its rows.
  mutating func change(_ name: String, _ change: ([[Float]]) -> [[Float]]) throws {
    guard let tensor = weights.tensors[name] else { throw DataError("no weight \(name)") }
    let width = tensor.size(-1)
    let values = try tensor.floats()
    let rows = stride(from: 0, to: values.count, by: width).map {
      Array(values[$0..<$0 + width])
    }
    weights.tensors[name] = try Tensor(change(rows).flatMap { $0 }, tensor.shape)
  }

  mutating func scale(_ name: String, by factor: Float) throws {
    for part in ["weight", "bias"] {
      try change("\(name).\(part)") { $0.map { $0.map { $0 * factor } } }
    }
  }

  mutating func swap(_ one: String, _ other: String) {
    for part in ["weight", "bias"] {
      let kept = weights.tensors["\(one).\(part)"]
      weights.tensors["\(one).\(part)"] = weights.tensors["\(other).\(part)"]
      weights.tensors["\(other).\(part)"] = kept
    }
  }

  // MARK: losses of some rows

  /// −log p(label) summed over the labelled rows of one example, and how many there are.
  static func wordLoss(_ logits: Tensor, _ labels: [Int]) throws -> (sum: Tensor, count: Int) {
    (try logits.crossEntropySum(Tensor(labels)), labels.count { $0 != -100 })
  }

  /// −Σ p·log q over rows [N, C].
  static func softCrossEntropy(_ logits: Tensor, _ targets: [[Float]]) throws -> Tensor {
    let p = try Tensor(targets.flatMap { $0 }, logits.shape)
    return try -(logits.logSoftmax(1) * p).sum()
  }

  // MARK: comparing

  /// The largest change of what a mistake concerns, as a share of its largest right value.
  ///
  /// - Parameter found: outputs under the fixture's names.
  func change(_ affected: String, _ found: [String: Tensor]) throws -> Double {
    let names = found.keys.filter { name in
      guard name != affected else { return true }
      let parts = name.split(separator: ".")
      return parts.count == 2 && Int(parts[0]) != nil && parts[1] == affected
    }
    var (moved, greatest) = (0.0, 0.0)
    for name in names {
      guard let tensor = found[name] else { continue }
      moved = max(moved, try difference(tensor, outputs.tensor(name)))
      greatest = max(greatest, try largest(outputs.tensor(name)))
    }
    return greatest > 0 ? moved / greatest : .infinity
  }
}

extension ParameterStore {
  /// The gradients of the fixture's total, whichever it has.
  func expectGradients(of fixture: RegionFixture) throws {
    let description = fixture.description
    var compared = 0
    for parameter in parameters {
      let name = parameter.name
      guard !description.no_gradient.contains(name) else {
        #expect(try parameter.value.gradient() == nil, "\(name)")
        continue
      }
      let found = try #require(try parameter.value.gradient(), "\(name)")
      if description.gradient_is_0.contains(name) {
        #expect(try largest(found) < Tolerance.rounding, "\(name)")
      } else if description.gradients_left_out.contains(where: name.hasPrefix) {
        #expect(try found.isFinite().all().item() == 1 && largest(found) > 0, "\(name)")
      } else {
        let gap = try relativeDifference(found, fixture.gradients.tensor(name))
        #expect(gap < Tolerance.gradient, "\(name): \(gap)")
        compared += 1
      }
    }
    // A key's bias has a gradient of rounding, which the file holds too.
    let rounding = description.gradient_is_0.filter { fixture.gradients.entries[$0] != nil }
    #expect(compared == fixture.gradients.entries.count - rounding.count)
  }
}

extension Tensor {
  /// Some rows of a matrix.
  func part(_ range: Range<Int>) throws -> Tensor {
    try narrow(0, from: range.lowerBound, range.count)
  }
}
