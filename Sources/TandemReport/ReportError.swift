/// What can be wrong with the values a report is made of.
public enum ReportError: Error, Equatable, CustomStringConvertible {
  /// The bytes of a picture are in no format that browsers show.
  case unknownPictureFormat(firstBytes: [UInt8])
  /// A count of successes that no number of trials can give.
  case impossibleCounts(successes: Double, count: Double)

  public var description: String {
    switch self {
    case .unknownPictureFormat(let firstBytes):
      let found =
        firstBytes.isEmpty
        ? "no bytes at all"
        : "bytes that begin with "
          + firstBytes.map { byte in
            let digits = String(byte, radix: 16)
            return byte < 16 ? "0" + digits : digits
          }.joined(separator: " ")
      return "picture for the report: expected a PNG, JPEG, GIF or WebP file, found \(found); "
        + "encode the pixels first, or give the media type with Picture(bytes:mediaType:)"
    case .impossibleCounts(let successes, let count):
      return "Wilson interval: expected 0 ≤ successes ≤ count, both finite, "
        + "found successes \(successes) and count \(count); "
        + "give the sum of the scores and the number of examples"
    }
  }
}
