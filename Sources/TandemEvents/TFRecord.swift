// TFRecord framing: what lies around each event in the file.

/// Frames a payload the way TensorFlow's record files do.
enum TFRecord {
  /// Appends one record to `output`, integers in little-endian order: the payload's length (8
  /// bytes), the masked CRC-32C of those 8 bytes (4 bytes), the payload, and the masked CRC-32C of
  /// the payload (4 bytes).
  static func append(_ payload: [UInt8], to output: inout [UInt8]) {
    withUnsafeBytes(of: UInt64(payload.count).littleEndian) { length in
      output.append(contentsOf: length)
      append(maskedChecksum: CRC32C.checksum(of: length), to: &output)
    }
    output.append(contentsOf: payload)
    append(maskedChecksum: CRC32C.checksum(of: payload), to: &output)
  }

  private static func append(maskedChecksum checksum: UInt32, to output: inout [UInt8]) {
    withUnsafeBytes(of: CRC32C.masked(checksum).littleEndian) { output.append(contentsOf: $0) }
  }
}
