internal import TandemCore
internal import TandemNN
internal import TandemTorch

/// BERT's embedding of words, places and types (Devlin et al. 2019), with its names. Shapes: N text
/// rows, D width.
struct BERTTextEmbedding {
  let words: Embedding
  let places: Embedding
  let types: Embedding
  let norm: LayerNorm

  init(
    vocabulary: Int, places: Int, types: Int, width: Int, epsilon: Double = 1e-12,
    norm: String = "LayerNorm", at path: ParameterPath
  ) throws {
    words = try Embedding(vocabulary, width, at: path / "word_embeddings")
    self.places = try Embedding(places, width, at: path / "position_embeddings")
    self.types = try Embedding(types, width, at: path / "token_type_embeddings")
    self.norm = try LayerNorm(width, epsilon: epsilon, at: path / norm)
  }

  /// The normalised sum for each text row, [N, D].
  func callAsFunction(_ batch: PackedBatch, on device: Device) throws -> Tensor {
    try norm(sum(batch, on: device))
  }

  /// Word, place and type of each text row, [N, D].
  func sum(_ batch: PackedBatch, on device: Device) throws -> Tensor {
    let word_ND = try words(Tensor(batch.tokens, on: device))
    let place_ND = try places(Tensor(batch.textPlaces, on: device))
    return try word_ND + place_ND + typeRows(batch, on: device)
  }

  private func typeRows(_ batch: PackedBatch, on device: Device) throws -> Tensor {
    batch.tokenTypes.contains { $0 != 0 }
      ? try types(Tensor(batch.tokenTypes, on: device))
      : try types.weight.value.narrow(0, from: 0, 1)
  }
}
