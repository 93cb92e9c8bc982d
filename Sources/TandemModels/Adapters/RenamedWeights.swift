public import TandemNN
public import TandemTorch

/// A file's weights under our names.
public struct RenamedWeights: WeightFile {
  private struct Origin {
    var names: [String]
    var isTransposed: Bool
  }

  public let title: String
  public let tensors: [StoredTensor]
  /// Their names of what is no weight.
  public let ignored: [String]
  /// Our names of copies that the file holds of weights that this library has once.
  public let tied: [String]
  private let file: any WeightFile
  private let origins: [String: Origin]

  /// - Throws: `ParameterError` where two of their weights are the same one of ours, parts of one are
  ///   missing, or what is one weight here is two different ones there.
  public init(_ file: any WeightFile, _ table: NameTable) throws {
    var pieces: [String: Pieces] = [:]
    var ignored: [String] = []
    for tensor in file.tensors {
      guard tensor.isFloatingPoint, let (name, place, count) = table.ours(tensor.name) else {
        ignored.append(tensor.name)
        continue
      }
      if let other = pieces[name]?.parts[place] {
        throw ParameterError(
          "\(file.title): '\(tensor.name)' and '\(other.name)' both are '\(name)'")
      }
      pieces[name, default: Pieces(count: count)].parts[place] = tensor
    }
    var tied: [String] = []
    for (copy, original) in table.tied.sorted(by: { $0.key < $1.key }) {
      guard let held = pieces[copy]?.parts[0] else { continue }
      pieces[copy] = nil
      guard let known = pieces[original]?.parts[0] else {
        pieces[original] = Pieces(count: 1, parts: [0: held])
        continue
      }
      guard try Self.isSame(held.name, known.name, in: file) else {
        throw ParameterError(
          "\(file.title): '\(held.name)' and '\(known.name)' differ; they are one weight here, as "
            + "published")
      }
      tied.append(copy)
    }
    for (missing, other, condition) in table.standIns
    where pieces[missing] == nil && pieces[condition] != nil {
      pieces[missing] = pieces[other]
    }
    var origins: [String: Origin] = [:]
    var tensors: [StoredTensor] = []
    for (name, piece) in pieces {
      let list = piece.parts.sorted { $0.key < $1.key }.map(\.value)
      guard list.count == piece.count, let first = list.first else {
        throw ParameterError(
          "\(file.title): of '\(name)' only \(list.map(\.name).joined(separator: ", ")) is there")
      }
      var shape = first.shape
      if list.count > 1, !shape.isEmpty { shape[0] = list.reduce(0) { $0 + ($1.shape.first ?? 0) } }
      let isTransposed = table.transposed.contains(name) && shape.count == 2
      if isTransposed { shape.reverse() }
      origins[name] = Origin(names: list.map(\.name), isTransposed: isTransposed)
      tensors.append(StoredTensor(name: name, elementType: first.elementType, shape: shape))
    }
    self.file = file
    self.origins = origins
    self.ignored = ignored
    self.tied = tied
    self.tensors = tensors.sorted { $0.name < $1.name }
    title = file.title
  }

  private struct Pieces {
    var count: Int
    var parts: [Int: StoredTensor] = [:]
  }

  private static func isSame(_ one: String, _ other: String, in file: any WeightFile) throws -> Bool
  {
    guard let first = try file.weight(one), let second = try file.weight(other) else {
      return false
    }
    guard first.shape == second.shape else { return false }
    return try first.withBytes { bytes in
      try second.withBytes { bytes.elementsEqual($0) }
    }
  }

  public var foreignClasses: [String] { file.foreignClasses }

  public func weight(_ name: String) throws -> Tensor? {
    guard let origin = origins[name] else { return nil }
    let parts = try origin.names.compactMap { try file.weight($0) }
    guard parts.count == origin.names.count, let first = parts.first else { return nil }
    let whole = parts.count == 1 ? first : try Tensor.concatenated(parts)
    return origin.isTransposed ? try whole.transposed(0, 1).contiguous() : whole
  }
}
