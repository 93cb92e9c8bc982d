import TandemNN
import TandemTorch
import TestSupport

/// Two packed sequences through one layer, and what comes back.
struct LayerRun {
  let output: Tensor
  let input: Tensor
  let store: ParameterStore

  static let shape = TransformerShape(
    width: 32, heads: 4, feedForward: 64, epsilon: 1e-12, dropout: 0, attentionDropout: 0)

  enum Kind { case post, pre }

  /// The fixture's weights under the names of the layer: the pre-norm layer has timm's names and
  /// one projection for queries, keys and values.
  static func weights(_ kind: Kind) throws -> GivenWeights {
    let file = try Fixtures.tensors("training/layers.safetensors")
    var tensors: [String: Tensor] = [:]
    for name in file.entries.keys where name.hasPrefix("weight.") {
      tensors[String(name.dropFirst(7))] = try file.tensor(name)
    }
    guard kind == .pre else { return GivenWeights(tensors) }
    var renamed: [String: Tensor] = [:]
    for part in ["weight", "bias"] {
      let all = ["query", "key", "value"].compactMap { tensors["attention.self.\($0).\(part)"] }
      renamed["attn.qkv.\(part)"] = try Tensor.concatenated(all)
    }
    for (old, new) in preNames {
      renamed[new + ".weight"] = tensors[old + ".weight"]
      renamed[new + ".bias"] = tensors[old + ".bias"]
    }
    return GivenWeights(renamed)
  }

  static let preNames = [
    ("attention.output.LayerNorm", "norm1"), ("attention.output.dense", "attn.proj"),
    ("output.LayerNorm", "norm2"), ("intermediate.dense", "mlp.fc1"), ("output.dense", "mlp.fc2"),
  ]

  /// The output alone, for inference.
  static func inferred(
    _ kind: Kind, kernels: KernelTable, precision: Precision
  ) throws -> Tensor {
    let file = try Fixtures.tensors("training/layers.safetensors")
    let store = ParameterStore(
      seed: 1, precision: precision, kernels: kernels, source: try weights(kind))
    let layer = try layer(kind, Self.shape, store, file, .inference)
    return try layer(file.tensor("input")).to(.float32)
  }

  /// The layer over the fixture's two sequences.
  private static func layer(
    _ kind: Kind, _ shape: TransformerShape, _ store: ParameterStore, _ file: SafeTensorsFile,
    _ mode: Mode
  ) throws -> (Tensor) throws -> Tensor {
    let layout = PackedLayout(lengths: try file.integers("lengths"), sequenceKeys: [11, 22])
    let rows = try PackedRows(layout)
    let plan = try AttentionPlan(
      .full(layout), queryRows: rows.count, keyRows: rows.count, on: .cpu)
    switch kind {
    case .post:
      let made = try PostNormLayer(shape, at: store.root)
      return { try made($0, rows, plan, mode) }
    case .pre:
      var shape = shape
      shape.epsilon = 1e-6
      let made = try PreNormLayer(shape, at: store.root)
      return { try made($0, rows, plan, mode) }
    }
  }

  init(
    _ kind: Kind, shape: TransformerShape = LayerRun.shape, kernels: KernelTable = .plain,
    precision: Precision = .float32, mode: Mode = .inference
  ) throws {
    let file = try Fixtures.tensors("training/layers.safetensors")
    store = ParameterStore(
      seed: 1, precision: precision, kernels: kernels, source: try Self.weights(kind))
    let layer = try Self.layer(kind, shape, store, file, mode)
    try store.loadReport().check()
    input = try leaf(file.tensor("input"))
    output = try run([layer], input, mode)
    try (output.to(.float32) * file.tensor("cotangent")).sum().backward()
  }

  /// The output, then the gradients of the input and of every weight, by name.
  func results() throws -> [String: Tensor] {
    var all = ["output": try output.detached(), "input": try input.gradient() ?? .zeros([0])]
    for parameter in store.parameters {
      all[parameter.name] = try parameter.value.gradient() ?? .zeros([0])
    }
    return all
  }
}
