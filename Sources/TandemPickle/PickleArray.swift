// An array of numbers that lies in a file or in memory: its type, its shape, and how to walk it.

/// An array described by where its numbers lie: nothing is read until they are asked for.
///
/// Its element at index `(i, j, …)` is number `offset + i·strides[0] + j·strides[1] + …` of
/// ``storage``. Arrays that share a storage share its bytes.
public struct PickleArray: Sendable {
  /// The most dimensions of an array: as many as NumPy and PyTorch allow.
  public static let greatestRank = 64

  public let elementType: PickleElementType
  /// Length of each dimension; empty for a single number.
  public let shape: [Int]
  /// Elements from one index to the next, in each dimension.
  public let strides: [Int]
  /// Where the first element lies, in elements from the start of the storage.
  public let offset: Int
  /// Whether numbers lie with their most significant byte first.
  public let isBigEndian: Bool
  /// All bytes of the storage, which can hold more than this array.
  public let storage: ByteSlice

  /// Describes an array.
  ///
  /// - Parameters:
  ///   - strides: in elements, none negative; nil for C order.
  ///   - offset: in elements.
  /// - Throws: `PickleError` when an index would lie outside of `storage`.
  public init(
    _ elementType: PickleElementType, shape: [Int], strides: [Int]? = nil, offset: Int = 0,
    isBigEndian: Bool = false, storage: ByteSlice
  ) throws(PickleError) {
    guard let strides = strides ?? Self.strides(of: shape, isFortran: false) else {
      throw PickleError(file: "array", reason: "an array of shape \(shape) cannot be")
    }
    if let fault = Self.fault(
      shape: shape, strides: strides, offset: offset, elementCount: elementType.byteCount,
      available: storage.count)
    {
      throw PickleError(file: "array", reason: fault)
    }
    self.elementType = elementType
    self.shape = shape
    self.strides = strides
    self.offset = offset
    self.isBigEndian = isBigEndian
    self.storage = storage
  }

  /// An array of the heap, whose bounds were checked when it was described and when its storage was
  /// found.
  init(_ heap: PickleHeap, _ record: ArrayRecord) {
    elementType = record.elementType
    shape = record.shape
    strides = record.strides
    offset = record.offset
    isBigEndian = record.isBigEndian
    storage =
      switch record.source {
      case .span(let span): heap.slice(of: span)
      case .storage(let row): heap.storages[row].bytes ?? ByteSlice([])
      }
  }

  /// A storage by itself: an array of one dimension, of bytes where its type is not known.
  init(_ heap: PickleHeap, storage record: StorageRecord) {
    let bytes = record.bytes ?? ByteSlice([])
    elementType = record.kind.elementType ?? .uint8
    shape = [bytes.count / elementType.byteCount]
    strides = [1]
    offset = 0
    isBigEndian = heap.isBigEndian
    storage = bytes
  }

  /// The number of elements.
  public var count: Int { shape.reduce(1, *) }

  /// Whether elements lie one after another in C order: the last index runs fastest.
  public var isContiguous: Bool { isDense(Array(shape.indices.reversed())) }

  /// Whether elements lie one after another in Fortran order: the first index runs fastest.
  public var isFortranOrdered: Bool { isDense(Array(shape.indices)) }

  private func isDense(_ axes: [Int]) -> Bool {
    var expected = 1
    for axis in axes where shape[axis] != 1 {
      if shape[axis] == 0 { return true }
      guard strides[axis] == expected else { return false }
      expected *= shape[axis]
    }
    return true
  }

  /// The bytes of exactly this array, where they lie; nil where it is not contiguous or not
  /// little-endian.
  public var contiguousBytes: ByteSlice? {
    guard isContiguous, !isBigEndian || elementType.byteCount == 1 else { return nil }
    let size = elementType.byteCount
    return count == 0 ? ByteSlice([]) : storage.slice(from: offset * size, count: count * size)
  }

  /// Whether both lie in the same bytes of the same file, as tied weights do. Arrays in memory never
  /// count as shared.
  public func sharesStorage(with other: PickleArray) -> Bool {
    guard let file = storage.file, let otherFile = other.storage.file else { return false }
    return file === otherFile && storage.offset == other.storage.offset
      && storage.count == other.storage.count && storage.count > 0
  }

  /// Strides of a dense array; nil where the shape has negative lengths or too many elements.
  static func strides(of shape: [Int], isFortran: Bool) -> [Int]? {
    guard shape.count <= greatestRank, shape.allSatisfy({ $0 >= 0 }) else { return nil }
    var strides = [Int](repeating: 1, count: shape.count)
    var product = 1
    for axis in isFortran ? Array(shape.indices) : shape.indices.reversed() {
      strides[axis] = product
      let (next, overflow) = product.multipliedReportingOverflow(by: max(1, shape[axis]))
      guard !overflow else { return nil }
      product = next
    }
    return strides
  }

  /// Why there can be no such array in `available` bytes; nil where there can.
  static func fault(
    shape: [Int], strides: [Int], offset: Int, elementCount: Int, available: Int
  ) -> String? {
    guard shape.count <= greatestRank, shape.count == strides.count else {
      return "an array of \(shape.count) dimensions with \(strides.count) strides"
    }
    guard offset >= 0, shape.allSatisfy({ $0 >= 0 }), strides.allSatisfy({ $0 >= 0 }) else {
      return "a negative offset, length or stride: \(offset), \(shape), \(strides)"
    }
    var last = offset
    var count = 1
    for (length, stride) in zip(shape, strides) {
      let (step, one) = max(0, length - 1).multipliedReportingOverflow(by: stride)
      let (sum, two) = last.addingReportingOverflow(step)
      let (product, three) = count.multipliedReportingOverflow(by: max(1, length))
      guard !one, !two, !three else { return "an array of shape \(shape), strides \(strides)" }
      last = sum
      count = product
    }
    // The copy of an array that repeats its elements would be larger than the file by any factor.
    let most = max(available / elementCount, greatestRepetition)
    guard count <= most else {
      return "an array of shape \(shape) repeats \(available / elementCount) elements too often"
    }
    if shape.contains(0) { return nil }
    guard last < available / elementCount else {
      return "an array of shape \(shape), strides \(strides), offset \(offset) reaches element "
        + "\(last); its storage has \(available / elementCount)"
    }
    return nil
  }

  private static let greatestRepetition = 1 << 26
}
