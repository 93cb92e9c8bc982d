// Reading pickles without running them.

import TandemFiles

/// What a pickle may ask for before it is refused. Memory follows the length of the stream in any
/// case: nothing is allocated because a length is claimed.
public struct PickleLimits: Sendable {
  /// The longest stream, in bytes.
  public var byteCount: Int
  /// The most operations and values made.
  public var values: Int
  /// The most values kept under a number.
  public var memo: Int
  /// The most marks open at once. How deeply values are nested is not limited: nothing recurses.
  public var depth: Int

  /// 64 GiB, 268 million values, as many in the memo, 4 million marks.
  public init(
    byteCount: Int = 1 << 36, values: Int = 1 << 28, memo: Int = 1 << 28, depth: Int = 1 << 22
  ) {
    self.byteCount = byteCount
    self.values = values
    self.memo = memo
    self.depth = depth
  }
}

/// Reads pickles of protocols 0 to 5. Nothing is imported and nothing is called: Python's own types,
/// NumPy's arrays and PyTorch's tensors become values, every other class an inert
/// ``PickleObject``.
///
/// An integer that 64 bits do not hold is kept as an inert object of class `builtins.int`;
/// ``PickleValue/integer`` throws for it.
public enum PickleReader {
  /// Reads the one pickle in `bytes`, which the value then shares.
  ///
  /// - Parameters:
  ///   - bytes: the whole pickle.
  ///   - name: what errors call it.
  /// - Throws: `PickleError` with the offset and the operation, also when bytes follow the end.
  public static func read(
    _ bytes: ByteSlice, name: String = "pickle", limits: PickleLimits = PickleLimits()
  ) throws(PickleError) -> PickleValue {
    let (value, end) = try readFirst(bytes, name: name, limits: limits)
    guard end == bytes.count else {
      throw PickleError(
        file: name, offset: end,
        reason: "\(bytes.count - end) bytes follow the pickle's end: several pickles, or damaged")
    }
    return value
  }

  /// Reads a pickle from an array. Throws `PickleError` as the method above.
  public static func read(
    _ bytes: [UInt8], name: String = "pickle", limits: PickleLimits = PickleLimits()
  ) throws(PickleError) -> PickleValue {
    try read(ByteSlice(bytes), name: name, limits: limits)
  }

  /// Reads the first of several pickles written one after another; `end` is where the next begins.
  public static func readFirst(
    _ bytes: ByteSlice, name: String = "pickle", limits: PickleLimits = PickleLimits()
  ) throws(PickleError) -> (value: PickleValue, end: Int) {
    var (heap, root, end) = try run(bytes, name: name, limits: limits)
    heap.indexDictionaries()
    return (PickleArena(heap).value(root), end)
  }

  /// Runs one pickle. Storages, and the look-up of keys, are still to be added to its heap.
  static func run(
    _ bytes: ByteSlice, from start: Int = 0, name: String, limits: PickleLimits,
    hasStorages: Bool = false
  ) throws(PickleError) -> (heap: PickleHeap, root: Cell, end: Int) {
    guard bytes.count <= limits.byteCount else {
      throw PickleError(
        file: name, reason: "\(bytes.count) bytes, more than the limit of \(limits.byteCount)")
    }
    return try bytes.withBytes { raw throws(PickleError) in
      var machine = PickleMachine(
        PickleHeap(stream: bytes, file: name), raw, start: start, limits: limits,
        hasStorages: hasStorages)
      let root = try machine.run()
      return (machine.heap, root, machine.position)
    }
  }
}

/// Plain pickle files: Detectron2's `.pkl`, lists of names, annotations.
public enum PickleFile {
  /// Reads the pickle in the file at `path`, which stays mapped: byte strings and arrays are read
  /// from it when they are used.
  ///
  /// - Throws: `FileError` when it cannot be mapped, `PickleError` when it is not one whole pickle.
  public static func open(
    _ path: String, limits: PickleLimits = PickleLimits()
  ) throws -> PickleValue {
    let bytes = ByteSlice(try MappedFile(path: path))
    if let kind = TorchFile.kind(of: bytes) {
      throw PickleError(
        file: path, reason: "expected a pickle, found \(kind); open it with TorchFile")
    }
    return try PickleReader.read(bytes, name: path, limits: limits)
  }
}
