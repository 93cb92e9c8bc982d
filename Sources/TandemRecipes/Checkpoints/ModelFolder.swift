// A model as this library keeps it when no run belongs to it: model.json, weights.safetensors and
// perhaps vocabulary.txt.

internal import Foundation
internal import TandemCore
internal import TandemFiles
internal import TandemNN
internal import TandemTorch
internal import TandemTrain

public enum ModelFolder {
  static let cardName = "model.json"
  static let currentFormat = 1

  struct Card: Codable {
    var formatVersion = ModelFolder.currentFormat
    var model: String
    var config: JSONValue
    var heads: HeadSpecifications
    var answers: [String]
    var lowercased: Bool
    /// The class of transformers that its outputs are named after; empty for none.
    var architecture: String
    /// What it was imported from.
    var origin: String
  }

  static func open(_ path: String) throws -> ModelFiles {
    let file = "\(path)/\(cardName)"
    let card: Card
    do {
      let json = try JSONValue(contentsOfFile: file)
      if case .integer(let version)? = json["formatVersion"], version > currentFormat {
        throw DataError(
          "\(file): format \(version) is newer than this tandem's \(currentFormat)")
      }
      card = try json.decoded(Card.self)
    } catch let error as DecodingError {
      throw DataError("\(file): \(JSONValue.explained(error))")
    }
    let vocabulary = "\(path)/vocabulary.txt"
    return ModelFiles(
      path: path, form: .tandem, model: card.model, architecture: card.architecture,
      config: card.config, heads: card.heads, answers: card.answers,
      vocabulary: FileManager.default.fileExists(atPath: vocabulary)
        ? try VocabularyText(contentsOfFile: vocabulary) : nil,
      isLowercased: card.lowercased,
      weights: SafeTensorsSource(try SafeTensorsFile(path: path + "/weights.safetensors")),
      ignored: [], tied: [])
  }

  /// Writes a model aside and moves it into place; an existing folder with anything in it is refused.
  public static func write(_ model: LoadedModel, to path: String) throws {
    try OutputFolder.prepare(path)
    let files = model.files
    try AtomicDirectory.write(to: path) { folder in
      try SafeTensors.write(model.store.tensors(), to: folder + "/weights.safetensors")
      if let vocabulary = files.vocabulary {
        try AtomicFile.write(utf8: vocabulary.content, to: folder + "/vocabulary.txt")
      }
      let card = Card(
        model: files.model, config: files.config, heads: model.heads.specifications,
        answers: files.answers, lowercased: files.isLowercased,
        architecture: files.architecture, origin: files.path)
      try AtomicFile.write(
        utf8: JSONValue(encoding: card).pretty + "\n", to: "\(folder)/\(cardName)")
    }
  }
}
