// Raw deflate streams (RFC 1951) and CRC-32 through zlib.

import CZlib

enum Deflate {
  /// Deflate cannot shrink anything by more than this: a larger claim is a lie.
  static let greatestRatio = 1032

  /// The bytes of a raw deflate stream, `count` of them; nil where the stream is damaged or holds
  /// more or fewer. Memory grows with what comes out, not with what `count` claims.
  static func inflate(_ input: UnsafeRawBufferPointer, count: Int) -> [UInt8]? {
    guard count / greatestRatio <= input.count else { return nil }
    var stream = z_stream()
    let size = Int32(MemoryLayout<z_stream>.size)
    guard inflateInit2_(&stream, -MAX_WBITS, ZLIB_VERSION, size) == Z_OK else { return nil }
    defer { inflateEnd(&stream) }
    var output: [UInt8] = []
    output.reserveCapacity(min(count, 1 << 20))
    var taken = 0
    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 17, alignment: 64)
    defer { room.deallocate() }
    while true {
      if stream.avail_in == 0, taken < input.count {
        let piece = min(input.count - taken, 1 << 30)
        stream.next_in = UnsafeMutablePointer(
          mutating: input.baseAddress?.advanced(by: taken).assumingMemoryBound(to: UInt8.self))
        stream.avail_in = UInt32(piece)
        taken += piece
      }
      stream.next_out = room.baseAddress?.assumingMemoryBound(to: UInt8.self)
      stream.avail_out = UInt32(room.count)
      let status = CZlib.inflate(&stream, Z_NO_FLUSH)
      let made = room.count - Int(stream.avail_out)
      guard made <= count - output.count else { return nil }
      output.append(contentsOf: room[..<made])
      if status == Z_STREAM_END {
        return output.count == count && stream.avail_in == 0 && taken == input.count ? output : nil
      }
      guard status == Z_OK else { return nil }
    }
  }

  /// A raw deflate stream of the bytes; nil where zlib has no memory.
  static func deflate(_ input: UnsafeRawBufferPointer, level: Int32) -> [UInt8]? {
    var stream = z_stream()
    let size = Int32(MemoryLayout<z_stream>.size)
    guard
      deflateInit2_(
        &stream, level, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, size) == Z_OK
    else { return nil }
    defer { deflateEnd(&stream) }
    var output: [UInt8] = []
    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 17, alignment: 64)
    defer { room.deallocate() }
    var taken = 0
    while true {
      if stream.avail_in == 0, taken < input.count {
        let piece = min(input.count - taken, 1 << 30)
        stream.next_in = UnsafeMutablePointer(
          mutating: input.baseAddress?.advanced(by: taken).assumingMemoryBound(to: UInt8.self))
        stream.avail_in = UInt32(piece)
        taken += piece
      }
      stream.next_out = room.baseAddress?.assumingMemoryBound(to: UInt8.self)
      stream.avail_out = UInt32(room.count)
      let status = CZlib.deflate(&stream, taken == input.count ? Z_FINISH : Z_NO_FLUSH)
      output.append(contentsOf: room[..<(room.count - Int(stream.avail_out))])
      if status == Z_STREAM_END { return output }
      guard status == Z_OK || status == Z_BUF_ERROR else { return nil }
    }
  }

  /// The CRC-32 of zip and gzip.
  static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    guard let start = bytes.baseAddress else { return 0 }
    return UInt32(
      truncatingIfNeeded: crc32_z(0, start.assumingMemoryBound(to: UInt8.self), bytes.count))
  }
}
