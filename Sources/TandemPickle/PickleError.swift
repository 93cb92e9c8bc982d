// What went wrong in a pickle, a zip archive or an array file, and where.

/// Content that cannot be read or written: names the file, the place in it, what was expected and
/// what was found.
public struct PickleError: Error, CustomStringConvertible, Sendable {
  /// The path of the file, or the name the caller gave to bytes in memory.
  public let file: String
  /// Where in the stream, in bytes from its start; nil where no single place is at fault.
  public let offset: Int?
  /// The opcode, entry, key or field at fault; nil where it is the whole file.
  public let place: String?
  /// What was expected, what was found, what can be done.
  public let reason: String

  public init(file: String, offset: Int? = nil, place: String? = nil, reason: String) {
    self.file = file
    self.offset = offset
    self.place = place
    self.reason = reason
  }

  public var description: String {
    var text = file
    if let offset { text += ", byte \(offset)" }
    if let place { text += ", \(place)" }
    return text + ": " + reason
  }
}
