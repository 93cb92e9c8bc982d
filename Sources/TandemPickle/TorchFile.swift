// Files of `torch.save`, both containers: the zip archive (since PyTorch 1.6) and the run of pickles
// and storages before it. Source: torch/serialization.py of PyTorch 0.4 to 2.13.

import TandemFiles

/// A file of `torch.save`. Opening it reads the pickle that describes the tensors; their storages
/// stay in the mapped file until they are used. Where a tensor was ("cuda:0") is ignored.
public struct TorchFile: Sendable {
  /// How the file is built.
  public enum Container: Sendable, Hashable {
    /// A zip archive: one pickle, one entry a storage. PyTorch 1.6 and later.
    case zip
    /// Pickles and storages one after another. PyTorch 0.2 to 1.5.
    case sequence
    /// A program of TorchScript: a zip archive whose modules hold the weights. Its code is not read.
    case script
  }

  public let path: String
  public let container: Container
  /// What was saved: a dictionary as a rule.
  public let value: PickleValue
  /// Classes and functions that the file names and the reader does not know: objects of theirs are
  /// left alone.
  public let foreignClasses: [PickleClass]

  /// Maps and reads the file at `path`.
  ///
  /// - Throws: `FileError` when it cannot be mapped; `PickleError` when it is damaged or no file of
  ///   `torch.save`, which says what it is instead.
  public static func open(
    _ path: String, limits: PickleLimits = PickleLimits()
  ) throws -> TorchFile {
    let file = try MappedFile(path: path)
    return try file.withoutReadAhead {
      try open(ByteSlice(file), name: path, limits: limits)
    }
  }

  /// Reads a file that lies in memory or inside another. Throws `PickleError`.
  public static func open(
    _ bytes: ByteSlice, name: String, limits: PickleLimits = PickleLimits()
  ) throws -> TorchFile {
    switch kind(of: bytes) {
    case .zip: return try openZip(bytes, name: name, limits: limits)
    case .sequence: return try openSequence(bytes, name: name, limits: limits)
    case .tar:
      throw PickleError(
        file: name,
        reason: "expected a file of torch.save, found a tar archive of PyTorch 0.1; load it with "
          + "PyTorch and save it again")
    case nil:
      let isPickle = bytes.withBytes { $0.first == 0x80 }
      throw PickleError(
        file: name,
        reason: "expected a file of torch.save, found "
          + (isPickle ? "a plain pickle; open it with PickleFile" : "something else"))
    }
  }

  /// The weights in the file: see ``PickleValue/stateDict()``.
  public func stateDict() throws(PickleError) -> StateDictionary {
    do {
      return try value.stateDict()
    } catch {
      throw PickleError(file: path, place: error.place, reason: error.reason)
    }
  }

  // MARK: which container

  enum Kind: CustomStringConvertible {
    case zip, sequence, tar

    var description: String {
      switch self {
      case .zip: "a zip archive"
      case .sequence: "a file of torch.save"
      case .tar: "a tar archive"
      }
    }
  }

  /// What the first bytes say; nil for anything else.
  static func kind(of bytes: ByteSlice) -> Kind? {
    bytes.withBytes { raw in
      if raw.starts(with: [0x50, 0x4b, 0x03, 0x04]) { return .zip }
      if startsWithMagicNumber(raw) { return .sequence }
      if raw.count > 262, raw[257..<262].elementsEqual("ustar".utf8) { return .tar }
      return nil
    }
  }

  /// A pickle of the integer 0x1950a86a20f9469cfc6c opens the older container.
  private static func startsWithMagicNumber(_ raw: UnsafeRawBufferPointer) -> Bool {
    let binary: [UInt8] = [
      0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e,
    ]
    if raw.starts(with: "L119547037146038801333356L\n.".utf8) { return true }
    guard raw.count > 2, raw[0] == 0x80 else { return false }
    let framed = raw[2] == 0x95 ? 11 : 2
    return raw.dropFirst(framed).starts(with: binary)
  }

  // MARK: the zip container

  /// A description that unpacks to less is harmless, in bytes.
  private static let greatestUnpacked = 1 << 20
  private static let greatestRatio = 100

  private static func openZip(
    _ bytes: ByteSlice, name: String, limits: PickleLimits
  ) throws -> TorchFile {
    let archive = try ZipFile(bytes, name: name)
    let suffix = "/data.pkl"
    let main = archive.entries.first {
      $0.name.hasSuffix(suffix) && !$0.name.dropLast(suffix.count).contains("/")
    }
    guard let main else {
      throw PickleError(
        file: name,
        reason: "expected a file of torch.save, found a zip archive without data.pkl")
    }
    let folder = main.name.dropLast(suffix.count)
    let isScript = archive.entry(named: "\(folder)/constants.pkl") != nil
    let order = try archive.entry(named: "\(folder)/byteorder").map { entry in
      try archive.bytes(of: entry).withBytes { String(decoding: $0, as: UTF8.self) }
    }
    guard order == nil || order == "little" || order == "big" else {
      throw PickleError(
        file: name, place: "entry \"\(folder)/byteorder\"",
        reason: "expected \"little\" or \"big\", found \"\(order ?? "")\"")
    }
    // PyTorch packs nothing; what others have packed does not shrink like this.
    guard main.count <= greatestUnpacked || main.count / greatestRatio <= main.compressedCount
    else {
      throw PickleError(
        file: name, place: "entry \"\(main.name)\"",
        reason: "unpacks from \(main.compressedCount) bytes to \(main.count): refused, it would "
          + "fill the memory with nothing")
    }
    let pickle = try archive.bytes(of: main)
    pickle.readAhead()
    var (heap, root, _) = try PickleReader.run(
      pickle, name: "\(name), entry \"\(main.name)\"", limits: limits,
      hasStorages: true)
    var found: [String: ByteSlice] = [:]
    try heap.resolveStorages(isBigEndian: order == "big") { record throws(PickleError) in
      if let bytes = found[record.key] { return bytes }
      guard let entry = archive.entry(named: "\(folder)/data/\(record.key)") else {
        throw PickleError(
          file: name, place: "storage \(record.key)",
          reason: "there is no entry \"\(folder)/data/\(record.key)\": the file is damaged")
      }
      let bytes = try archive.bytes(of: entry)
      found[record.key] = bytes
      return bytes
    }
    heap.indexDictionaries()
    return TorchFile(
      path: name, container: isScript ? .script : .zip, value: PickleArena(heap).value(root),
      foreignClasses: heap.foreignClasses.filter { !isScript || !$0.isOfScript })
  }

  // MARK: the older container

  /// Magic number, protocol, system, the object, keys of storages, then for each key its count of
  /// elements in 64 bits and its numbers, least significant byte first on every machine.
  private static func openSequence(
    _ bytes: ByteSlice, name: String, limits: PickleLimits
  ) throws -> TorchFile {
    let magic = try PickleReader.run(bytes, name: name, limits: limits)
    let version = try PickleReader.run(bytes, from: magic.end, name: name, limits: limits)
    guard case .integer(1001) = version.root else {
      throw PickleError(
        file: name, offset: magic.end,
        reason: "expected version 1001 of the container, found something else: damaged")
    }
    let system = try PickleReader.run(bytes, from: version.end, name: name, limits: limits)
    var (heap, root, end) = try PickleReader.run(
      bytes, from: system.end, name: name, limits: limits, hasStorages: true)
    let keys = try PickleReader.run(bytes, from: end, name: name, limits: limits)
    let storages = try findStorages(
      heap.storages, keys: keys.heap.items(keys.root)?.map { keys.heap.text($0) }, in: bytes,
      from: keys.end, name: name)
    try heap.resolveStorages(isBigEndian: false) { record throws(PickleError) in
      guard let bytes = storages[record.key] else {
        throw PickleError(
          file: name, place: "storage \(record.key)",
          reason: "is not in the file's list of storages: damaged")
      }
      return bytes
    }
    heap.indexDictionaries()
    return TorchFile(
      path: name, container: .sequence, value: PickleArena(heap).value(root),
      foreignClasses: heap.foreignClasses)
  }

  private static func findStorages(
    _ records: [StorageRecord], keys: [String?]?, in bytes: ByteSlice, from start: Int, name: String
  ) throws(PickleError) -> [String: ByteSlice] {
    guard let keys else {
      throw PickleError(file: name, offset: start, reason: "expected the list of storages: damaged")
    }
    var elementCounts: [String: Int] = [:]
    for record in records { elementCounts[record.key] = record.kind.elementCount }
    var found: [String: ByteSlice] = [:]
    var position = start
    for key in keys {
      guard let key, let size = elementCounts[key] else {
        throw PickleError(
          file: name, offset: position, place: "storage \(key ?? "without a name")",
          reason: "is in the list of storages but no tensor has it: damaged")
      }
      let count = bytes.withBytes { $0.number(at: position, as: Int64.self) }.map { Int($0) }
      guard let count, count >= 0, count <= (bytes.count - position - 8) / size,
        let slice = bytes.slice(from: position + 8, count: count * size)
      else {
        throw PickleError(
          file: name, offset: position, place: "storage \(key)",
          reason: "claims \(count ?? 0) elements of \(size) bytes, "
            + "\(max(0, bytes.count - position - 8)) bytes are left: the file is cut short")
      }
      found[key] = slice
      position += 8 + slice.count
    }
    return found
  }
}
