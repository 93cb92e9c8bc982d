// The size of a picture from its first bytes, so that a giant is refused before it is decoded.

/// Width and height in pixels as a PNG or JPEG states them.
package struct PictureHeader: Equatable {
  package let width: Int
  package let height: Int

  package var pixels: Int { width * height }

  /// Reads a PNG's IHDR (PNG specification, 11.2.2) or a JPEG's start of frame (ITU-T T.81, B.2.2);
  /// `nil` for anything else.
  package init?(_ bytes: [UInt8]) {
    guard let size = PictureHeader.png(bytes) ?? PictureHeader.jpeg(bytes) else { return nil }
    guard size.0 > 0, size.1 > 0 else { return nil }
    (width, height) = size
  }

  private static func png(_ bytes: [UInt8]) -> (Int, Int)? {
    let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
    guard bytes.count >= 24, bytes.starts(with: signature),
      bytes[12..<16].elementsEqual("IHDR".utf8)
    else { return nil }
    return (bigEndian(bytes[16..<20]), bigEndian(bytes[20..<24]))
  }

  private static func jpeg(_ bytes: [UInt8]) -> (Int, Int)? {
    guard bytes.starts(with: [0xFF, 0xD8]) else { return nil }
    var position = 2
    while position + 9 <= bytes.count {
      guard bytes[position] == 0xFF else { return nil }
      let marker = bytes[position + 1]
      if marker == 0xFF {  // fill byte before a marker
        position += 1
        continue
      }
      // SOF0…SOF15 without DHT (C4), JPG (C8) and DAC (CC).
      if (0xC0...0xCF).contains(marker), ![0xC4, 0xC8, 0xCC].contains(marker) {
        let height = bigEndian(bytes[(position + 5)..<(position + 7)])
        let width = bigEndian(bytes[(position + 7)..<(position + 9)])
        return (width, height)
      }
      position += 2 + bigEndian(bytes[(position + 2)..<(position + 4)])
    }
    return nil
  }

  private static func bigEndian(_ bytes: ArraySlice<UInt8>) -> Int {
    bytes.reduce(0) { $0 << 8 | Int($1) }
  }
}
