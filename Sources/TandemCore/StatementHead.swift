// Is a statement true of two pictures (NLVR2: Suhr et al. 2019)? It is read twice, with the first
// picture and with the second, and a head looks at both. Shapes: P statements, L and R rows of
// their first and second sequences, D width.

public import TandemNN
public import TandemTorch

public struct StatementHead {
  public enum Specification: Codable, Sendable, Equatable {
    /// Both pooled vectors end to end, then two layers (ViLT, LXMERT).
    case joined(AnswerHead.Specification)
    /// The rows of each sequence ask those of the other (UNITER's "paired attention").
    case paired(PairedAttention.Specification)

    public var paths: [String] {
      switch self {
      case .joined(let head): [head.first, head.norm, head.last]
      case .paired(let head): [head.first, head.second, head.joint, head.pool, head.last]
      }
    }
  }

  private enum Form {
    case joined(Classifier)
    case paired(PairedAttention)
  }
  private let form: Form

  public init(
    _ specification: Specification, _ facts: ModelFacts, at root: ParameterPath
  ) throws {
    switch specification {
    case .joined(let head):
      form = .joined(
        try Classifier(head, inputs: 2 * facts.pooledWidth, classes: 2, at: root))
    case .paired(let head):
      form = .paired(try PairedAttention(head, width: facts.width, at: root))
    }
  }

  /// Logits of false and true, [P, 2], float32.
  ///
  /// - Parameter pairs: for each statement its sequence with the first picture and that with the
  ///   second.
  public func callAsFunction(
    _ encoding: Encoding, _ pairs: [(first: Int, second: Int)], _ mode: Mode
  ) throws -> Tensor {
    switch form {
    case .joined(let classifier):
      return try classifier(
        .concatenated(
          [encoding.pooled(pairs.map(\.first)), encoding.pooled(pairs.map(\.second))], 1))
    case .paired(let attention): return try attention(encoding, pairs, mode)
    }
  }
}

/// Each row of one sequence asks the rows of the other; a layer joins it with the answer; each
/// sequence is pooled by learned weights of its rows (ChenRocks/UNITER, model/nlvr2.py and
/// model/attention.py).
public struct PairedAttention {
  public struct Specification: Codable, Sendable, Equatable {
    /// Paths of the attention from the first sequence to the second and of that back, of the layer
    /// that joins a row with what it was told, of the weights of rows, and of the two logits.
    public var first: String
    public var second: String
    public var joint: String
    public var pool: String
    public var last: String
    public var heads: Int
    public var dropout: Double
    public var attentionDropout: Double

    public init(
      first: String, second: String, joint: String, pool: String, last: String, heads: Int,
      dropout: Double, attentionDropout: Double
    ) {
      self.first = first
      self.second = second
      self.joint = joint
      self.pool = pool
      self.last = last
      self.heads = heads
      self.dropout = dropout
      self.attentionDropout = attentionDropout
    }
  }

  private let toSecond: FusedCrossAttention
  private let toFirst: FusedCrossAttention
  private let joint: Linear
  private let jointDropout: Dropout
  private let pool: Linear
  private let poolDropout: Dropout
  private let last: Linear

  init(_ specification: Specification, width: Int, at root: ParameterPath) throws {
    let root = root.reusing
    func attention(_ path: String) throws -> FusedCrossAttention {
      try FusedCrossAttention(
        width, heads: specification.heads, weightDropout: specification.attentionDropout,
        at: root / path)
    }
    toSecond = try attention(specification.first)
    toFirst = try attention(specification.second)
    joint = try Linear(2 * width, width, at: root / specification.joint)
    jointDropout = Dropout(specification.dropout, at: root / specification.joint)
    pool = try Linear(width, 1, at: root / specification.pool)
    poolDropout = Dropout(specification.attentionDropout, at: root / specification.pool)
    last = try Linear(2 * width, 2, at: root / specification.last)
  }

  func callAsFunction(
    _ encoding: Encoding, _ pairs: [(first: Int, second: Int)], _ mode: Mode
  ) throws -> Tensor {
    let first = try Side(encoding, pairs.map(\.first))
    let second = try Side(encoding, pairs.map(\.second))
    let first_PD = try pooled(first, asking: second, toSecond, mode)
    let second_PD = try pooled(second, asking: first, toFirst, mode)
    return try last(.concatenated([first_PD, second_PD], 1)).to(.float32)
  }

  /// The sequences of one side, end to end.
  private struct Side {
    /// [L, D]
    let states: Tensor
    let layout: PackedLayout
    let rows: PackedRows

    init(_ encoding: Encoding, _ sequences: [Int]) throws {
      let places = sequences.map(encoding.joinedRows)
      layout = PackedLayout(
        lengths: places.map(\.count),
        sequenceKeys: sequences.map { encoding.batch.layout.sequenceKeys[$0] })
      states = try encoding.text(places.flatMap { $0 })
      rows = try PackedRows(layout, on: states.device)
    }
  }

  /// One vector for each sequence of a side, [P, D].
  private func pooled(
    _ side: Side, asking other: Side, _ attention: FusedCrossAttention, _ mode: Mode
  ) throws -> Tensor {
    let plan = try AttentionPlan(
      .cross(from: side.layout, to: other.layout), queryRows: side.rows.count,
      keyRows: other.rows.count, on: side.states.device)
    let told_LD = try attention(side.states, keys: other.states, side.rows, plan, mode)
    let joined_LD = try jointDropout(
      joint(.concatenated([told_LD.to(.float32), side.states.to(.float32)], 1))
        .to(.float32).relu(),
      side.rows, mode)
    let scores_L1 = try pool(joined_LD).to(.float32).relu()
    let weights_L1 = try poolDropout(softmax(scores_L1, side.layout), side.rows, mode)
    return try sums(joined_LD * weights_L1, side.layout)
  }

  /// The softmax of scores [L, 1] over the rows of each sequence.
  private func softmax(_ scores_L1: Tensor, _ layout: PackedLayout) throws -> Tensor {
    let highest = try withoutGradients {
      let values = try scores_L1.detached().floats()
      return (0..<layout.sequenceCount).flatMap { sequence -> [Float] in
        let rows = layout.rows(of: sequence)
        return Array(repeating: values[rows].max() ?? 0, count: rows.count)
      }
    }
    let powers_L1 = try (scores_L1 - Tensor(highest, scores_L1.shape, on: scores_L1.device)).exp()
    return try powers_L1
      / sums(powers_L1, layout).rows(
        Tensor(Self.sequenceOfRow(layout), on: scores_L1.device))
  }

  /// The sum over the rows of each sequence: [L, N] → [P, N].
  private func sums(_ rows_LN: Tensor, _ layout: PackedLayout) throws -> Tensor {
    try Tensor.zeros([layout.sequenceCount, rows_LN.size(1)], on: rows_LN.device)
      .addingRows(rows_LN, at: Tensor(Self.sequenceOfRow(layout), on: rows_LN.device))
  }

  private static func sequenceOfRow(_ layout: PackedLayout) -> [Int] {
    (0..<layout.sequenceCount).flatMap { sequence in
      repeatElement(sequence, count: layout.rows(of: sequence).count)
    }
  }
}

extension Encoding {
  /// Where a sequence's text rows and then its picture's units lie among the rows of a model with
  /// one stream.
  fileprivate func joinedRows(_ sequence: Int) -> [Int] {
    Array(text.rows(of: sequence)) + Array(visual.rows(of: sequence))
  }
}
