// NumPy's own files: `.npy`, one array, and `.npz`, a zip archive of them. Format: NEP 1 and
// numpy/lib/format.py, versions 1.0 to 3.0.

import TandemFiles

/// Reads and writes `.npy` and `.npz`.
public enum NumPyArrayFile {
  static let magic: [UInt8] = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]

  /// The array in a `.npy` file, which stays mapped.
  ///
  /// - Throws: `FileError`, or `PickleError` when it is damaged or holds something else than numbers.
  public static func readArray(_ path: String) throws -> PickleArray {
    try readArray(ByteSlice(MappedFile(path: path)), name: path)
  }

  /// The array in the bytes of a `.npy` file, which it shares. Throws `PickleError`.
  public static func readArray(
    _ bytes: ByteSlice, name: String = "array file"
  ) throws(PickleError) -> PickleArray {
    let header = try bytes.withBytes { raw throws(PickleError) in
      try NumPyHeader(raw, file: name)
    }
    guard let strides = PickleArray.strides(of: header.shape, isFortran: header.isFortran),
      let data = bytes.slice(from: header.count, count: bytes.count - header.count)
    else {
      throw PickleError(file: name, reason: "an array of shape \(header.shape) cannot be")
    }
    do {
      return try PickleArray(
        header.elementType, shape: header.shape, strides: strides, isBigEndian: header.isBigEndian,
        storage: data)
    } catch {
      throw PickleError(file: name, reason: error.reason + ": the file is cut short or damaged")
    }
  }

  /// Opens a `.npz` file, which stays mapped. Throws `FileError` or `PickleError`.
  public static func readArchive(_ path: String) throws -> NumPyArchive {
    try NumPyArchive(ZipFile(path: path))
  }

  /// Opens the bytes of a `.npz` file. Throws `PickleError`.
  public static func readArchive(
    _ bytes: ByteSlice, name: String = "array archive"
  ) throws -> NumPyArchive {
    try NumPyArchive(ZipFile(bytes, name: name))
  }

  /// The bytes of a `.npy` file, version 1.0, C order, little-endian. Throws `PickleError` for
  /// bfloat16, which NumPy does not have.
  public static func encode(_ array: PickleArray) throws(PickleError) -> [UInt8] {
    guard let code = array.elementType.numPyCode else {
      throw PickleError(
        file: "array file", reason: "NumPy has no \(array.elementType.rawValue); write float32")
    }
    let order = array.elementType.byteCount == 1 ? "|" : "<"
    let lengths = array.shape.map { "\($0)" }.joined(separator: ", ")
    let shape = array.shape.count == 1 ? "(\(lengths),)" : "(\(lengths))"
    var header = "{'descr': '\(order)\(code)', 'fortran_order': False, 'shape': \(shape), }"
    // The numbers begin at a multiple of 64 bytes.
    let spaces = 63 - (magic.count + 4 + header.utf8.count) % 64
    header += String(repeating: " ", count: spaces) + "\n"
    var bytes = magic + [1, 0]
    bytes.append(littleEndian: UInt16(header.utf8.count))
    bytes.append(contentsOf: header.utf8)
    bytes.append(contentsOf: try array.littleEndianBytes())
    return bytes
  }

  /// Writes a `.npy` file, all at once. Throws `FileError` or `PickleError`.
  public static func write(_ array: PickleArray, to path: String) throws {
    try AtomicFile.write(encode(array), to: path)
  }

  /// The bytes of a `.npz` file. Throws `PickleError` for bfloat16 and for a name given twice.
  public static func encodeArchive(
    _ arrays: [(name: String, array: PickleArray)], isCompressed: Bool = false
  ) throws -> [UInt8] {
    let archive = ZipWriter()
    try add(arrays, to: archive, isCompressed)
    return try archive.finish()
  }

  /// Writes a `.npz` file, all at once. Throws `FileError` or `PickleError`.
  public static func writeArchive(
    _ arrays: [(name: String, array: PickleArray)], to path: String, isCompressed: Bool = false
  ) throws {
    try AtomicFile.write(to: path) { file in
      let archive = ZipWriter(to: file)
      try add(arrays, to: archive, isCompressed)
      try archive.finish()
    }
  }

  private static func add(
    _ arrays: [(name: String, array: PickleArray)], to archive: ZipWriter, _ isCompressed: Bool
  ) throws {
    for (name, array) in arrays {
      try archive.add(name + ".npy", encode(array), method: isCompressed ? .deflated : .stored)
    }
  }
}

/// An open `.npz` file: arrays by name.
public struct NumPyArchive: Sendable {
  private let archive: ZipFile
  /// In the order of the file, without ".npy".
  public let names: [String]

  fileprivate init(_ archive: ZipFile) {
    self.archive = archive
    names = archive.entries.compactMap {
      $0.name.hasSuffix(".npy") ? String($0.name.dropLast(4)) : nil
    }
  }

  /// The array of that name: where it lies when the archive is stored, unpacked into memory when it
  /// is compressed. Throws `PickleError` that names the arrays there are.
  public func array(named name: String) throws(PickleError) -> PickleArray {
    guard let entry = archive.entry(named: name + ".npy") else {
      throw PickleError(
        file: archive.name, place: "array \"\(name)\"",
        reason: "there is none of this name among \(names.prefix(8).joined(separator: ", "))")
    }
    let bytes = try archive.bytes(of: entry)
    return try NumPyArrayFile.readArray(bytes, name: "\(archive.name), entry \"\(entry.name)\"")
  }
}
