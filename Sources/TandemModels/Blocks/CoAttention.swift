// Two streams of different widths that meet in co-attention (Lu et al. 2019). Shapes: N text rows, R
// visual rows, D text width, E visual width, C width of co-attention.

internal import TandemNN
internal import TandemTorch

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
    _ given: TwoStreams.States, _ streams: TwoStreams, _ mode: Mode
  ) throws -> TwoStreams.States {
    let (text, visual) = (streams.text.rows, streams.visual.rows)
    guard let given_RE = given.visual_RE else {
      return TwoStreams.States(text_ND: try textFeedForward(given.text_ND, text, mode))
    }
    let given_ND = given.text_ND
    let asked_RC = try visualAttention(given_RE, keys: given_ND, visual, streams.visualToText, mode)
    let asked_NC = try textAttention(given_ND, keys: given_RE, text, streams.textToVisual, mode)
    let visual_RE = try visualOutput(given_RE, asked_RC, visual, mode)
    var text_ND = try textOutput(given_ND, asked_NC, text, mode)
    if let hasPicture = streams.hasPicture {
      text_ND = try hasPicture.select(text_ND, else: given_ND)
    }
    return TwoStreams.States(
      text_ND: try textFeedForward(text_ND, text, mode),
      visual_RE: try visualFeedForward(visual_RE, visual, mode))
  }
}
