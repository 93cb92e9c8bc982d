/// What the first parts of a file say: format, stored size and how to turn it.
///
/// Only headers are looked at, so a file that claims a monstrous size costs nothing.
/// Sources: ITU T.81 annex B (JPEG markers), PNG third edition (W3C) section 5 and 11, RFC 9649
/// (WebP container and bit streams).
struct ImageHeader {
  enum Format: String {
    case jpeg = "JPEG"
    case png = "PNG"
    case webp = "WebP"
  }

  let format: Format
  /// The size of the stored rows, before turning.
  let size: PixelSize
  let orientation: Orientation

  init(_ source: inout ByteSource) throws {
    format = try ImageHeader.format(of: &source)
    switch format {
    case .jpeg: (size, orientation) = try ImageHeader.jpeg(&source)
    case .png: (size, orientation) = try ImageHeader.png(&source)
    case .webp: (size, orientation) = try ImageHeader.webp(&source)
    }
    guard size.width >= 1, size.height >= 1 else {
      throw ImageError(.invalid, source.name, "the \(format.rawValue) header says \(size) pixels")
    }
  }

  /// The walk through a file's parts gives up after this many: real files have a few thousand at
  /// most, and a file made to be walked for minutes must not be.
  private static let maximumParts = 65_536

  private static let pngSignature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

  private static func format(of source: inout ByteSource) throws -> Format {
    let start = Array(try source.bytes(at: 0, 12))
    if start.starts(with: [0xFF, 0xD8, 0xFF]) { return .jpeg }
    if start.starts(with: pngSignature) { return .png }
    if start.starts(with: Array("RIFF".utf8)), start.dropFirst(8).elementsEqual("WEBP".utf8) {
      return .webp
    }
    throw ImageError(
      .notAPicture, source.name,
      "not a picture that can be read: expected the first bytes of a JPEG, PNG or WebP, found "
        + start.prefix(8).map { hexadecimal($0) }.joined(separator: " "))
  }

  private static func hexadecimal(_ byte: UInt8) -> String {
    (byte < 16 ? "0" : "") + String(byte, radix: 16)
  }

  private static func truncated(_ source: borrowing ByteSource, _ format: Format) -> ImageError {
    ImageError(
      .truncated, source.name,
      "the file ends inside the \(format.rawValue) header, after \(source.count) bytes")
  }

  // MARK: JPEG

  /// Walks from marker to marker up to the start of frame, which holds the size.
  private static func jpeg(_ source: inout ByteSource) throws -> (PixelSize, Orientation) {
    var orientation: Orientation?
    var position = 2
    for _ in 0..<maximumParts {
      // A marker is 0xFF and a code, with any number of 0xFF before it. Stray bytes are skipped.
      let strayEnd = position + maximumParts
      while position < strayEnd, try source.byte(at: position) ?? 0xFF != 0xFF { position += 1 }
      while position < strayEnd, try source.byte(at: position) == 0xFF { position += 1 }
      if position == strayEnd { break }
      guard let code = try source.byte(at: position) else { throw truncated(source, .jpeg) }
      position += 1
      // Markers without a length: restarts, TEM, a stuffed zero.
      if (0xD0...0xD8).contains(code) || code == 0x01 || code == 0x00 { continue }
      if code == 0xD9 || code == 0xDA {
        throw ImageError(.invalid, source.name, "the JPEG has no frame header before its data")
      }
      let head = Array(try source.bytes(at: position, 7))
      guard head.count >= 2 else { throw truncated(source, .jpeg) }
      let length = Int(head[0]) << 8 | Int(head[1])
      guard length >= 2 else {
        throw ImageError(.invalid, source.name, "a JPEG segment of length \(length) at \(position)")
      }
      // Start of frame: C0 to CF without the tables C4, CC and the reserved C8.
      if (0xC0...0xCF).contains(code), code != 0xC4, code != 0xC8, code != 0xCC {
        guard head.count == 7 else { throw truncated(source, .jpeg) }
        let height = Int(head[3]) << 8 | Int(head[4])
        let width = Int(head[5]) << 8 | Int(head[6])
        return (PixelSize(width: width, height: height), orientation ?? .upright)
      }
      if code == 0xE1, orientation == nil {
        orientation = exifOrientation(
          try source.bytes(at: position + 2, length - 2), prefixed: true)
      }
      position += length
    }
    throw ImageError(
      .invalid, source.name, "no JPEG frame header after \(position) bytes of other parts")
  }

  // MARK: PNG

  private static func png(_ source: inout ByteSource) throws -> (PixelSize, Orientation) {
    let head = Array(try source.bytes(at: 8, 16))
    guard head.count == 16 else { throw truncated(source, .png) }
    guard head[4..<8].elementsEqual("IHDR".utf8) else {
      throw ImageError(.invalid, source.name, "the PNG does not begin with its header chunk")
    }
    let size = PixelSize(
      width: bigEndian(head[8..<12]), height: bigEndian(head[12..<16]))
    // Chunks: length, name, data, check sum. eXIf may stand before or after the pixels.
    var position = 8
    for _ in 0..<maximumParts {
      let chunk = Array(try source.bytes(at: position, 8))
      guard chunk.count == 8 else { break }
      let length = bigEndian(chunk[0..<4])
      if chunk[4..<8].elementsEqual("IEND".utf8) { break }
      if chunk[4..<8].elementsEqual("eXIf".utf8) {
        let payload = try source.bytes(at: position + 8, min(length, 1 << 16))
        return (size, exifOrientation(payload, prefixed: false) ?? .upright)
      }
      position += 12 + length
    }
    return (size, .upright)
  }

  // MARK: WebP

  private static func webp(_ source: inout ByteSource) throws -> (PixelSize, Orientation) {
    let head = Array(try source.bytes(at: 12, 18))
    guard head.count >= 14 else { throw truncated(source, .webp) }
    let body = head[8...]
    switch String(decoding: head[0..<4], as: UTF8.self) {
    case "VP8 ":
      guard head.count == 18 else { throw truncated(source, .webp) }
      guard body.dropFirst(3).starts(with: [0x9D, 0x01, 0x2A]) else {
        throw ImageError(.invalid, source.name, "the WebP's first frame is not a key frame")
      }
      // Two sides of 14 bits, each with two bits of scaling hint above.
      return (
        PixelSize(
          width: littleEndian(head[14..<16]) & 0x3FFF, height: littleEndian(head[16..<18]) & 0x3FFF),
        .upright
      )
    case "VP8L":
      guard body.first == 0x2F else {
        throw ImageError(.invalid, source.name, "the WebP's lossless data has a wrong signature")
      }
      let bits = littleEndian(head[9..<13])
      return (
        PixelSize(width: (bits & 0x3FFF) + 1, height: (bits >> 14 & 0x3FFF) + 1), .upright
      )
    case "VP8X":
      guard head.count == 18 else { throw truncated(source, .webp) }
      let size = PixelSize(
        width: littleEndian(head[12..<15]) + 1, height: littleEndian(head[15..<18]) + 1)
      let hasExif = head[8] & 0x08 != 0
      return (size, hasExif ? try webpOrientation(&source) : .upright)
    default:
      throw ImageError(.invalid, source.name, "the WebP begins with an unknown chunk")
    }
  }

  private static func webpOrientation(_ source: inout ByteSource) throws -> Orientation {
    var position = 12
    for _ in 0..<maximumParts {
      let chunk = Array(try source.bytes(at: position, 8))
      guard chunk.count == 8 else { break }
      let length = littleEndian(chunk[4..<8])
      if chunk[0..<4].elementsEqual("EXIF".utf8) {
        let payload = try source.bytes(at: position + 8, min(length, 1 << 16))
        return exifOrientation(payload, prefixed: payload.starts(with: exifPrefix)) ?? .upright
      }
      position += 8 + length + length % 2
    }
    return .upright
  }
}

/// What stands before the TIFF structure in a JPEG segment.
private let exifPrefix = Array("Exif\0\0".utf8)

/// The orientation in an EXIF block, nil when it has none or cannot be followed.
///
/// The block is a TIFF file: byte order, the offset of a directory, entries of 12 bytes.
func exifOrientation(_ payload: ArraySlice<UInt8>, prefixed: Bool) -> Orientation? {
  if prefixed && !payload.starts(with: exifPrefix) { return nil }
  let tiff = Array(prefixed ? payload.dropFirst(exifPrefix.count) : payload)
  guard tiff.count >= 8 else { return nil }
  let isLittle: Bool
  if tiff.starts(with: [0x49, 0x49, 42, 0]) {
    isLittle = true
  } else if tiff.starts(with: [0x4D, 0x4D, 0, 42]) {
    isLittle = false
  } else {
    return nil
  }
  func number(_ offset: Int, _ length: Int) -> Int? {
    guard offset >= 0, offset <= tiff.count - length else { return nil }
    let bytes = tiff[offset..<offset + length]
    return isLittle ? littleEndian(bytes) : bigEndian(bytes)
  }
  guard let directory = number(4, 4), let entries = number(directory, 2) else { return nil }
  for entry in 0..<entries {
    let offset = directory + 2 + 12 * entry
    guard let tag = number(offset, 2), let type = number(offset + 2, 2) else { return nil }
    guard tag == 0x0112 else { continue }
    // A short (type 3) stands in the first two bytes of the value, a long (4) in all four.
    guard let value = number(offset + 8, type == 4 ? 4 : 2) else { return nil }
    return Orientation(rawValue: value)
  }
  return nil
}

private func bigEndian(_ bytes: ArraySlice<UInt8>) -> Int {
  bytes.reduce(0) { $0 << 8 | Int($1) }
}

private func littleEndian(_ bytes: ArraySlice<UInt8>) -> Int {
  bytes.reversed().reduce(0) { $0 << 8 | Int($1) }
}
