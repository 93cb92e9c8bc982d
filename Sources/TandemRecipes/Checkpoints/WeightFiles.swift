// Opens weights wherever they lie: one file or several, safetensors or torch.save, a folder of
// transformers, of Paddle, a run or a model of ours.

internal import Foundation
internal import TandemCore
public import TandemNN
internal import TandemPickle
internal import TandemTorch
internal import TandemTrain

public enum WeightFiles {
  /// The weights in a file or a folder; nothing but names and shapes is read yet.
  ///
  /// - Throws: what is wrong with the file, and which it is.
  public static func open(_ path: String) throws -> any WeightFile {
    let path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw DataError("\(path): no such file or folder")
    }
    return isFolder.boolValue ? try folder(path) : try file(path)
  }

  /// Whether something can be read from its beginning to its end: no folder, no pipe.
  static func isFile(_ path: String) -> Bool {
    let type = try? FileManager.default.attributesOfItem(
      atPath: URL(filePath: path).resolvingSymlinksInPath().path(percentEncoded: false))[.type]
    return type as? FileAttributeType == .typeRegular
  }

  private static func folder(_ path: String) throws -> any WeightFile {
    func exists(_ name: String) -> Bool {
      FileManager.default.fileExists(atPath: "\(path)/\(name)")
    }
    if exists("run.json") {
      return SafeTensorsSource(try RunDirectory.open(path).checkpoints.open(.best).weights())
    }
    for name in ["weights.safetensors", "model.safetensors", "pytorch_model.bin"] {
      if exists(name) { return try file("\(path)/\(name)") }
      if exists(name + ".index.json") {
        return try ShardedWeights(index: "\(path)/\(name).index.json")
      }
    }
    if let paddle = try PaddleFolder(path) { return paddle }
    throw DataError(
      "\(path): holds no weights that are known: expected model.safetensors, pytorch_model.bin, "
        + "their .index.json with its parts, a run, or a folder of Paddle")
  }

  private static func file(_ path: String) throws -> any WeightFile {
    guard isFile(path) else { throw DataError("\(path): is no file") }
    let start = FileHandle(forReadingAtPath: path)?.readData(ofLength: 42) ?? Data()
    guard !start.starts(with: Data("version https://git-lfs.github.com".utf8)) else {
      throw DataError("\(path): is Git LFS's pointer to the weights; `git lfs pull` fetches them")
    }
    return path.hasSuffix(".safetensors")
      ? SafeTensorsSource(try SafeTensorsFile(path: path)) : try PickleWeights(path: path)
  }
}

/// Weights in several files, with an index that says where each lies.
struct ShardedWeights: WeightFile {
  let title: String
  let tensors: [StoredTensor]
  private let files: [String: any WeightFile]
  private let fileOfName: [String: String]

  /// - Throws: `DataError` for a part that is missing, or that lacks what the index says it has.
  init(index: String) throws {
    title = index
    guard case .object(let map)? = try JSONValue(contentsOfFile: index)["weight_map"] else {
      throw DataError("\(index): weight_map: expected names and the files that they lie in")
    }
    var fileOfName: [String: String] = [:]
    for (name, file) in map {
      guard case .string(let file) = file else {
        throw DataError("\(index): weight_map: \(name): expected a file's name")
      }
      fileOfName[name] = file
    }
    let folder = URL(filePath: index).deletingLastPathComponent().path(percentEncoded: false)
    var files: [String: any WeightFile] = [:]
    for file in Set(fileOfName.values).sorted() {
      guard !file.contains("/"), file != ".." else {
        throw DataError("\(index): '\(file)' does not lie beside the index")
      }
      guard WeightFiles.isFile(folder + "/" + file) else {
        throw DataError(
          "\(index): names \(file), which is missing; the folder needs "
            + Set(fileOfName.values).sorted().joined(separator: ", "))
      }
      files[file] = try WeightFiles.open(folder + "/" + file)
    }
    self.files = files
    self.fileOfName = fileOfName
    tensors = files.flatMap { name, file in
      file.tensors.filter { fileOfName[$0.name] == name }
    }.sorted { $0.name < $1.name }
    let found = Set(tensors.map(\.name))
    if let missing = fileOfName.keys.sorted().first(where: { !found.contains($0) }) {
      throw DataError(
        "\(index): \(fileOfName[missing] ?? "") is to hold '\(missing)', which it does not")
    }
  }

  var foreignClasses: [String] { Set(files.values.flatMap(\.foreignClasses)).sorted() }

  func weight(_ name: String) throws -> Tensor? {
    try fileOfName[name].flatMap { try files[$0]?.weight(name) }
  }
}
