// Weights that training starts from: of a run, of an imported or published model, of BERT below a model
// that reads pictures too, of ViT below ViLT.

internal import Foundation
package import TandemCore
internal import TandemData
internal import TandemModels
internal import TandemNN
internal import TandemText
package import TandemTorch
internal import TandemTrain

/// A file's weights as a model that starts from them wants them: found under other names, resized, or
/// made of others.
package final class StartingPoint: WeightSource {
  let files: ModelFiles
  private let model: String
  private let mapping: StartingNames
  /// For each token of the new vocabulary its row in the old table; nil for the same rows.
  private let rows: [Int]?
  /// Weights that were brought to another shape, or made of others, and how.
  package private(set) var changes: [String] = []

  /// - Throws: `SettingsError` for a family that the recipe's model cannot start from; `DataError` for
  ///   a token that the old vocabulary lacks.
  package init(_ path: String, for recipe: Recipe) throws {
    let model = recipe.model.name
    let texts = try TextReader(
      contentsOfFile: recipe.data.vocabulary, lowercased: recipe.data.lowercased)
    let files = try ModelFiles.open(path)
    self.files = files
    guard let mapping = StartingNames.of(model, from: files.model) else {
      let origins = StartingNames.origins(of: model).joined(separator: ", ")
      throw SettingsError(
        "--from \(path): is a \(files.model); \(model) can start from \(origins)")
    }
    self.model = model
    self.mapping = mapping
    rows = try files.vocabulary.flatMap {
      try Self.rows(
        of: texts,
        in: TextReader(
          content: $0.content, path: $0.path, lowercased: files.isLowercased))
    }
    if rows != nil { changes.append("rows of words: those of \(texts.path)") }
  }

  /// The run that the weights are of; nil for others.
  var run: RunDirectory? { try? RunDirectory.open(files.path) }

  package var title: String { files.weights.title }

  /// Of a file of its own family everything must be of use; BERT and ViT have more than is needed.
  package var names: [String] { files.model == model ? files.weights.names : [] }

  /// Whether such files have no weight of that name: then it is drawn.
  package func isNew(_ name: String) -> Bool { mapping.theirs(name) == nil }

  package func weight(_ name: String) throws -> Tensor? {
    try mapping.theirs(name).flatMap { try files.weights.weight($0) }
  }

  package func weight(_ name: String, shape: [Int]) throws -> Tensor? {
    guard let tensor = try chosen(name) else { return try stand(for: name, shape) }
    guard tensor.shape != shape else { return tensor }
    guard let fitted = try fitted(tensor.to(.float32), name, shape) else { return tensor }
    changes.append("\(name): \(tensor.shape) → \(shape)")
    return fitted
  }

  // MARK: vocabularies

  private static func rows(of new: TextReader, in old: TextReader) throws -> [Int]? {
    func tokens(_ reader: TextReader) -> [String] {
      (0..<Int32(reader.count)).map { reader.tokenizer.token(of: $0) ?? "" }
    }
    let (wanted, known) = (tokens(new), tokens(old))
    guard wanted != known else { return nil }
    let places = Dictionary(known.enumerated().map { ($1, $0) }) { first, _ in first }
    let rows = wanted.map { places[$0] ?? -1 }
    guard let lost = rows.firstIndex(of: -1) else {
      return rows == Array(0..<wanted.count) ? nil : rows
    }
    throw DataError(
      "\(new.path): line \(lost + 1) is '\(wanted[lost])', which \(old.path) lacks: the weights know "
        + "words by that file's lines; --set data.vocabulary=\(old.path)")
  }

  /// The weight with the rows of the new vocabulary.
  private func chosen(_ name: String) throws -> Tensor? {
    guard let tensor = try weight(name) else { return nil }
    let isOfWords =
      name.hasSuffix("word_embeddings.weight") || name.hasSuffix("token_embedding.weight")
      || name.hasSuffix("decoder.weight") || name.hasSuffix("predictions.bias")
      || name == "mlm_score.bias"
    guard let rows, isOfWords, tensor.size(0) > (rows.max() ?? 0) else { return tensor }
    return try tensor.rows(Tensor(rows))
  }

  // MARK: shapes

  /// nil for what cannot be brought to the shape.
  private func fitted(_ tensor: Tensor, _ name: String, _ shape: [Int]) throws -> Tensor? {
    let isOfPlaces =
      name.hasSuffix("pos_embed") || name == "visual.positional_embedding"
    if isOfPlaces { return try resizedPlaces(tensor, shape) }
    guard tensor.rank == shape.count, tensor.shape.dropFirst() == shape.dropFirst() else {
      return nil
    }
    let (have, want) = (tensor.size(0), shape[0])
    if name.hasSuffix("position_embeddings.weight") || name == "positional_embedding" {
      // A shorter text needs the first places alone.
      return want < have ? try tensor.narrow(0, from: 0, want).clone() : nil
    }
    if name.hasSuffix("token_type_embeddings.weight"), have == 2, want > 2 {
      let last = try tensor.narrow(0, from: 1, 1)
      return try Tensor.concatenated([tensor] + Array(repeating: last, count: want - 2))
    }
    return nil
  }

  /// A square grid of places brought to another one: corners stay corners, the class token's keeps
  /// its row.
  private func resizedPlaces(_ tensor: Tensor, _ shape: [Int]) throws -> Tensor? {
    let width = tensor.size(-1)
    func side(_ rows: Int) -> Int? {
      let side = Int(Double(max(0, rows - 1)).squareRoot())
      return side * side == rows - 1 ? side : nil
    }
    guard shape.last == width, let rows = shape.dropLast().last,
      let have = side(tensor.count / width), let want = side(rows)
    else { return nil }
    let table = try tensor.reshaped([-1, width])
    let grid = try table.narrow(0, from: 1, have * have).transposed(0, 1)
      .reshaped([1, width, have, have]).upsampledBilinear(height: want, width: want)
      .reshaped([width, want * want]).transposed(0, 1)
    return try Tensor.concatenated([table.narrow(0, from: 0, 1), grid]).reshaped(shape)
  }

  // MARK: heads

  private func stand(for name: String, _ shape: [Int]) throws -> Tensor? {
    guard let stand = StartingNames.stand(for: name, of: model),
      let tensor = try weight(stand.name)
    else { return nil }
    let taken = try stand.row.map { try tensor.narrow(0, from: $0, 1).clone() } ?? tensor
    guard taken.shape == shape else { return nil }
    changes.append("\(name): from \(stand.name)")
    return taken
  }
}
