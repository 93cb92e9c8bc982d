import Foundation

/// An encoded picture, as it lies in a file.
public struct Picture: Sendable, Equatable {
  public var bytes: [UInt8]
  /// `image/png`, `image/jpeg` and so on.
  public var mediaType: String
  /// What the picture shows, for readers who cannot see it; empty lets the report name its role.
  public var alternativeText: String

  /// Takes the media type from the first bytes.
  ///
  /// - Throws: `ReportError.unknownPictureFormat` unless they are those of PNG, JPEG, GIF or WebP.
  public init(bytes: [UInt8], alternativeText: String = "") throws {
    guard let mediaType = Self.mediaType(of: bytes) else {
      throw ReportError.unknownPictureFormat(firstBytes: Array(bytes.prefix(8)))
    }
    self.init(bytes: bytes, mediaType: mediaType, alternativeText: alternativeText)
  }

  /// Takes the media type as given.
  public init(bytes: [UInt8], mediaType: String, alternativeText: String = "") {
    self.bytes = bytes
    self.mediaType = mediaType
    self.alternativeText = alternativeText
  }

  private static func mediaType(of bytes: [UInt8]) -> String? {
    if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) { return "image/png" }
    if bytes.starts(with: [0xFF, 0xD8, 0xFF]) { return "image/jpeg" }
    if bytes.starts(with: Array("GIF8".utf8)) { return "image/gif" }
    if bytes.starts(with: Array("RIFF".utf8)), bytes.dropFirst(8).starts(with: Array("WEBP".utf8)) {
      return "image/webp"
    }
    return nil
  }

  /// An `img` element that carries the bytes; `role` is read out when the picture has no text.
  func html(role: String) -> HTML {
    let alternative = alternativeText.isEmpty ? role : alternativeText
    let encoded = HTML(stringLiteral: Data(bytes).base64EncodedString())
    return """
      <img src="data:\(mediaType);base64,\(encoded)" alt="\(alternative)" />
      """
  }
}
