// Two streams of different widths that meet in co-attention (Lu et al. 2019). Shapes: T text rows, V
// visual rows, D text width, E visual width, C width of co-attention.

internal import TandemCore
internal import TandemNN
internal import TandemTorch

/// Where the rows of both streams lie, and who sees whom.
struct CoAttentionRows {
  let text: PackedRows
  let visual: PackedRows
  let textPlan: AttentionPlan
  let visualPlan: AttentionPlan
  /// Text rows that ask visual ones, and the other way round.
  let textAsks: AttentionPlan
  let visualAsks: AttentionPlan
  /// Bool [T, 1], true where a text has a picture; nil where all have.
  let hasPicture: Tensor?

  init(_ batch: PackedBatch, on device: Device) throws {
    let (texts, pictures) = (batch.textLayout, batch.visualLayout)
    func plan(_ spans: AttentionSpans, _ queries: PackedLayout, _ keys: PackedLayout) throws
      -> AttentionPlan
    {
      try AttentionPlan(
        spans, queryRows: queries.rowCount, keyRows: keys.rowCount, on: device)
    }
    text = try PackedRows(texts, on: device)
    visual = try PackedRows(pictures, on: device)
    textPlan = try plan(.full(texts), texts, texts)
    visualPlan = try plan(.full(pictures), pictures, pictures)
    textAsks = try plan(.cross(from: texts, to: pictures), texts, pictures)
    visualAsks = try plan(.cross(from: pictures, to: texts), pictures, texts)
    guard batch.pictureOfSequence.contains(-1) else {
      hasPicture = nil
      return
    }
    let flags: [Float] = (0..<batch.sequenceCount).flatMap {
      let flag: Float = batch.pictureOfSequence[$0] < 0 ? 0 : 1
      return Array(repeating: flag, count: texts.rows(of: $0).count)
    }
    hasPicture = try Tensor(flags, [flags.count, 1], on: device).isGreater(than: 0.5)
  }
}

/// The states of both streams.
struct StreamPair {
  var text_TD: Tensor
  var visual_VE: Tensor

  /// A layer of both streams, keeping or recomputing its intermediate values.
  func run(
    recomputing: Bool, _ layer: @escaping (StreamPair) throws -> StreamPair
  ) throws -> StreamPair {
    guard recomputing && isRecordingGradients else { return try layer(self) }
    // What is recomputed has one input and one output: both streams end to end.
    let shapes = (text_TD.shape, visual_VE.shape)
    func split(_ flat: Tensor) throws -> StreamPair {
      let count = shapes.0.reduce(1, *)
      return StreamPair(
        text_TD: try flat.narrow(0, from: 0, count).reshaped(shapes.0),
        visual_VE: try flat.narrow(0, from: count, shapes.1.reduce(1, *)).reshaped(shapes.1))
    }
    return try split(recomputed(flat()) { try layer(split($0)).flat() })
  }

  private func flat() throws -> Tensor {
    try Tensor.concatenated([text_TD.reshaped([-1]), visual_VE.reshaped([-1])])
  }
}

/// Each stream's rows ask those of the other one, then a feed-forward layer in each: a connection
/// layer of ViLBERT, with its names, in which 1 is the visual stream and 2 the text.
struct CoAttentionLayer {
  private let visualAttention: Attention
  private let textAttention: Attention
  private let visualOutput: Output
  private let textOutput: Output
  private let visualFeedForward: PostNormFeedForward
  private let textFeedForward: PostNormFeedForward

  /// norm(x + dropout(product of what was attended to)).
  private struct Output {
    let dense: Linear
    let dropout: Dropout
    let norm: LayerNorm

    init(_ shape: TransformerShape, inner: Int, number: Int, at path: ParameterPath) throws {
      dense = try Linear(inner, shape.width, at: path / "dense\(number)")
      dropout = Dropout(shape.dropout, at: path / "dense\(number)")
      norm = try LayerNorm(shape.width, epsilon: shape.epsilon, at: path / "LayerNorm\(number)")
    }

    func callAsFunction(
      _ x: Tensor, _ attended: Tensor, _ rows: PackedRows, _ mode: Mode
    ) throws -> Tensor {
      try norm.afterResidual(x, dense(attended), dropout, rows, mode)
    }
  }

  /// - Parameters:
  ///   - width: of co-attention, all heads together.
  ///   - heads: of co-attention.
  ///   - attentionDropout: of its weights.
  init(
    text: TransformerShape, visual: TransformerShape, width: Int, heads: Int,
    attentionDropout: Double, at path: ParameterPath
  ) throws {
    let attention = path / "biattention"
    func projected(_ part: String, _ shape: TransformerShape, _ number: Int) throws -> Linear {
      try Linear(shape.width, width, at: attention / "\(part)\(number)")
    }
    let query1 = try projected("query", visual, 1)
    let key1 = try projected("key", visual, 1)
    let value1 = try projected("value", visual, 1)
    let query2 = try projected("query", text, 2)
    let key2 = try projected("key", text, 2)
    let value2 = try projected("value", text, 2)
    visualAttention = Attention(
      query: query1, key: key2, value: value2, heads: heads,
      weightDropout: Dropout(attentionDropout, at: attention / "weights1"))
    textAttention = Attention(
      query: query2, key: key1, value: value1, heads: heads,
      weightDropout: Dropout(attentionDropout, at: attention / "weights2"))
    visualOutput = try Output(visual, inner: width, number: 1, at: path / "biOutput")
    textOutput = try Output(text, inner: width, number: 2, at: path / "biOutput")
    visualFeedForward = try PostNormFeedForward(
      visual, at: path / "v_intermediate", output: path / "v_output")
    textFeedForward = try PostNormFeedForward(
      text, at: path / "t_intermediate", output: path / "t_output")
  }

  /// Both streams ask the other as it was before the layer. A text without a picture has nothing to
  /// ask: it goes unchanged to its feed-forward layer.
  func callAsFunction(
    _ streams: StreamPair, _ rows: CoAttentionRows, _ mode: Mode
  ) throws -> StreamPair {
    let (t_TD, v_VE) = (streams.text_TD, streams.visual_VE)
    guard rows.visual.count > 0 else {
      return StreamPair(text_TD: try textFeedForward(t_TD, rows.text, mode), visual_VE: v_VE)
    }
    let toVisual_VC = try visualAttention(v_VE, keys: t_TD, rows.visual, rows.visualAsks, mode)
    let toText_TC = try textAttention(t_TD, keys: v_VE, rows.text, rows.textAsks, mode)
    let newVisual_VE = try visualOutput(v_VE, toVisual_VC, rows.visual, mode)
    var newText_TD = try textOutput(t_TD, toText_TC, rows.text, mode)
    if let hasPicture = rows.hasPicture {
      newText_TD = try hasPicture.select(newText_TD, else: t_TD)
    }
    return StreamPair(
      text_TD: try textFeedForward(newText_TD, rows.text, mode),
      visual_VE: try visualFeedForward(newVisual_VE, rows.visual, mode))
  }
}
