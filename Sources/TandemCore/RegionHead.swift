// What hides behind a masked region: its feature, or its class. Shapes: N regions, D width, F width
// of features, C classes.

public import TandemNN
public import TandemTorch

/// Linear, GELU, perhaps a norm, then features or classes.
public struct RegionHead {
  public struct Specification: Codable, Sendable, Equatable {
    public var transform: String
    /// Empty where there is none (VL-BERT).
    public var norm: String
    public var decoder: String
    /// The weight [D, F] of the projection that features come in by, read the other way round;
    /// empty when the decoder has its own (UNITER).
    public var tied: String
    /// Of a tied decoder.
    public var bias: String
    public var epsilon: Double
    /// Class 0 is the background.
    public var hasBackground: Bool

    public init(
      transform: String, norm: String = "", decoder: String = "", tied: String = "",
      bias: String = "", epsilon: Double = 1e-12, hasBackground: Bool = true
    ) {
      self.transform = transform
      self.norm = norm
      self.decoder = decoder
      self.tied = tied
      self.bias = bias
      self.epsilon = epsilon
      self.hasBackground = hasBackground
    }
  }

  private enum Decoder {
    case own(Linear)
    case tied(Parameter, bias: Parameter)
  }

  public let specification: Specification
  let transform: Linear
  let norm: LayerNorm?
  private let decoder: Decoder

  /// - Parameter outputs: F, or C.
  public init(
    _ specification: Specification, outputs: Int, _ facts: ModelFacts, at root: ParameterPath
  ) throws {
    let width = facts.visualWidth
    let root = root.reusing
    self.specification = specification
    transform = try Linear(width, width, at: root / specification.transform)
    norm =
      specification.norm.isEmpty
      ? nil
      : try LayerNorm(width, epsilon: specification.epsilon, at: root / specification.norm)
    decoder =
      try specification.tied.isEmpty
      ? .own(Linear(width, outputs, at: root / specification.decoder))
      : .tied(
        root.shared(specification.tied),
        bias: root(specification.bias, [outputs], .zeros, decay: false))
  }

  /// [N, D] → [N, F] or [N, C], float32.
  public func callAsFunction(_ rows_ND: Tensor) throws -> Tensor {
    let inner = try transform(rows_ND).gelu()
    let normed = try norm.map { try $0(inner) } ?? inner
    switch decoder {
    case .own(let linear): return try linear(normed).to(.float32)
    case .tied(let weight, let bias):
      return try normed.to(.float32).matmul(weight.value) + bias.value
    }
  }
}
