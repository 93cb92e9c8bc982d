// Numbers out of text and base64, with errors that say where and what.

/// Where a record stands, for its errors.
struct RecordContext {
  let path: String
  let place: RegionError.Place

  func bad(_ reason: String) -> RegionError {
    RegionError(.badRecord, path: path, place: place, reason)
  }

  /// A whole number in decimal digits.
  func integer(_ text: UnsafeRawBufferPointer, _ name: String, in range: ClosedRange<Int>)
    throws -> Int
  {
    guard let value = Int(text.text) else {
      throw bad("expected a whole number for \(name), found \(text.excerpt)")
    }
    return try check(value, name, in: range)
  }

  func check(_ value: Int, _ name: String, in range: ClosedRange<Int>) throws -> Int {
    guard range.contains(value) else {
      throw bad("expected \(name) of \(range.lowerBound) to \(range.upperBound), found \(value)")
    }
    return value
  }

  /// Width or height of a picture.
  func pictureSide(_ text: UnsafeRawBufferPointer, _ name: String) throws -> Int {
    try integer(text, name, in: Self.pictureSides)
  }

  func regionCount(_ text: UnsafeRawBufferPointer) throws -> Int {
    try integer(text, "the number of boxes", in: Self.regionCounts)
  }

  static let pictureSides = 1...1_000_000
  static let regionCounts = 0...1_000_000

  /// `rows` × `columns` float32 numbers in base64; `columns` follows from the length where it is not
  /// given.
  func floats(
    _ text: UnsafeRawBufferPointer, _ name: String, rows: Int, columns: Int? = nil
  ) throws -> [Float] {
    try decoded(text, name, rows: rows, rowSize: columns.map { $0 * 4 }, unit: 4)
  }

  /// `rows` int64 numbers in base64.
  func int64s(_ text: UnsafeRawBufferPointer, _ name: String, rows: Int) throws -> [Int32] {
    let values: [Int64] = try decoded(text, name, rows: rows, rowSize: 8, unit: 8)
    return try values.map { value in
      guard let narrow = Int32(exactly: value) else {
        throw bad("expected \(name) below 2³¹, found \(value)")
      }
      return narrow
    }
  }

  /// The number of columns of `values`, or the width to assume where there are no rows.
  func columns(_ values: [Float], rows: Int, otherwise width: Int) -> Int {
    rows == 0 ? width : values.count / rows
  }

  private func decoded<Value: BitwiseCopyable>(
    _ text: UnsafeRawBufferPointer, _ name: String, rows: Int, rowSize: Int?, unit: Int
  ) throws -> [Value] {
    // Python 3 writes b'…' where the bytes were not decoded to text first.
    let isReprOfBytes = text.count >= 3 && text[0] == UInt8(ascii: "b") && text[1] == 39
    let text =
      isReprOfBytes ? UnsafeRawBufferPointer(rebasing: text[2..<(text.count - 1)]) : text
    do {
      return try decodedExactly(text, name, rows: rows, rowSize: rowSize, unit: unit)
    } catch is Base64.Fault {
      let stripped = Base64.withoutLineEnds(text)
      do {
        return try stripped.withUnsafeBytes {
          try decodedExactly($0, name, rows: rows, rowSize: rowSize, unit: unit)
        }
      } catch let fault as Base64.Fault {
        throw bad(describe(fault, name))
      }
    }
  }

  private func decodedExactly<Value: BitwiseCopyable>(
    _ text: UnsafeRawBufferPointer, _ name: String, rows: Int, rowSize: Int?, unit: Int
  ) throws -> [Value] {
    let bytes = try Base64.decodedCount(text)
    if let rowSize, bytes != rows * rowSize {
      throw bad(
        "expected \(rows * rowSize) bytes of \(name) for \(rows) regions, "
          + "found \(bytes) in base64")
    }
    guard rows > 0 ? bytes > 0 && bytes % (rows * unit) == 0 : bytes == 0 else {
      throw bad(
        "expected a multiple of \(max(rows, 1) * unit) bytes of \(name) for \(rows) regions, "
          + "found \(bytes) in base64")
    }
    var fault: Base64.Fault?
    let values = [Value](unsafeUninitializedCapacity: bytes / unit) { buffer, initialized in
      let target = UnsafeMutableRawBufferPointer(
        start: UnsafeMutableRawPointer(buffer.baseAddress), count: bytes)
      do throws(Base64.Fault) {
        try Base64.decode(text, into: target)
        initialized = bytes / unit
      } catch {
        fault = error
      }
    }
    if let fault { throw fault }
    return values
  }

  private func describe(_ fault: Base64.Fault, _ name: String) -> String {
    switch fault {
    case .length(let expected, let found):
      "expected \(expected) bytes of \(name), found \(found) in base64"
    case .character(let byte, let place):
      "expected base64 for \(name), found byte \(byte) at its character \(place)"
    case .unpadded(let count):
      "expected base64 of 4 characters for each 3 bytes of \(name), found \(count) characters: "
        + "was the line cut short?"
    }
  }
}
