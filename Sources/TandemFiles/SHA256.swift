// SHA-256 (FIPS 180-4) through OpenSSL's EVP interface.

import CCrypto
import Glibc

/// The 32 bytes of a SHA-256 checksum, kept and printed as 64 lower-case hexadecimal digits.
public struct SHA256Digest: Hashable, Sendable, Codable, CustomStringConvertible {
  public let hexadecimal: String

  /// Accepts 64 hexadecimal digits of either case; `nil` for anything else.
  public init?(hexadecimal: String) {
    let digits = hexadecimal.lowercased()
    guard digits.utf8.count == 64,
      digits.utf8.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) })
    else { return nil }
    self.hexadecimal = digits
  }

  fileprivate init(bytes: some Sequence<UInt8>) {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    text.reserveCapacity(64)
    for byte in bytes {
      text.append(digits[Int(byte >> 4)])
      text.append(digits[Int(byte & 15)])
    }
    hexadecimal = String(decoding: text, as: UTF8.self)
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard let digest = SHA256Digest(hexadecimal: text) else {
      throw DecodingError.dataCorruptedError(
        in: container,
        debugDescription: "a SHA-256 checksum is 64 hexadecimal digits, found \"\(text)\"")
    }
    self = digest
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(hexadecimal)
  }

  public var description: String { hexadecimal }

  /// The digest's first eight bytes as one big-endian number: a stable hash to draw lots with.
  public var leadingBits: UInt64 { UInt64(hexadecimal.prefix(16), radix: 16) ?? 0 }

  /// The checksum of bytes in memory. Throws `FileError` when libcrypto refuses the digest.
  public static func of(_ bytes: UnsafeRawBufferPointer) throws(FileError) -> SHA256Digest {
    let hasher = try SHA256()
    try hasher.update(bytes)
    return try hasher.finish()
  }

  /// The checksum of an array of bytes.
  public static func of(_ bytes: [UInt8]) throws(FileError) -> SHA256Digest {
    let hasher = try SHA256()
    try hasher.update(bytes)
    return try hasher.finish()
  }

  /// The checksum of a text's UTF-8 bytes.
  public static func of(utf8 text: String) throws(FileError) -> SHA256Digest {
    try of(Array(text.utf8))
  }

  /// The checksum of a file, read in pieces of 1 MiB. Throws `FileError`.
  public static func ofFile(at path: String) throws(FileError) -> SHA256Digest {
    let file = try FileDescriptor(opening: path, flags: O_RDONLY)
    let hasher = try SHA256()
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
    defer { buffer.deallocate() }
    while true {
      let count = try file.read(into: buffer)
      if count == 0 { return try hasher.finish() }
      try hasher.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    }
  }
}

/// A running SHA-256 computation: any number of `update`s, then one `finish`.
public final class SHA256 {
  private let context: OpaquePointer

  /// Throws `FileError` when libcrypto has no memory or offers no SHA-256.
  public init() throws(FileError) {
    guard let context = EVP_MD_CTX_new() else { throw SHA256.refused }
    guard EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
      EVP_MD_CTX_free(context)
      throw SHA256.refused
    }
    self.context = context
  }

  deinit { EVP_MD_CTX_free(context) }

  public func update(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
    guard bytes.count > 0 else { return }
    guard EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) == 1 else {
      throw SHA256.refused
    }
  }

  public func update(_ bytes: [UInt8]) throws(FileError) {
    let done = bytes.withUnsafeBytes {
      $0.isEmpty || EVP_DigestUpdate(context, $0.baseAddress, $0.count) == 1
    }
    guard done else { throw SHA256.refused }
  }

  /// The digest of everything so far; the computation then starts anew.
  public func finish() throws(FileError) -> SHA256Digest {
    var bytes = [UInt8](repeating: 0, count: 32)
    var count: UInt32 = 0
    guard EVP_DigestFinal_ex(context, &bytes, &count) == 1, count == 32,
      EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1
    else { throw SHA256.refused }
    return SHA256Digest(bytes: bytes)
  }

  private static let refused = FileError(
    operation: "compute", path: "a SHA-256 checksum", reason: "libcrypto refused")
}
