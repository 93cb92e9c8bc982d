/// Why a picture could not be read, written or changed. The description names the file (or the
/// operation), what was expected, what was found and, where something can be done, what to do.
public struct ImageError: Error, CustomStringConvertible, Sendable, Equatable {
  public enum Kind: String, Sendable {
    /// The file cannot be opened or read: missing, a folder, no permission, empty.
    case unreadable
    /// The first bytes are not those of a JPEG, PNG or WebP.
    case notAPicture
    /// The bytes end before the picture does.
    case truncated
    /// The bytes break their format or use a part of it that is not supported.
    case invalid
    /// More pixels or bytes than the options allow.
    case tooLarge
    case outOfMemory
    /// An argument is outside its range.
    case argument
  }

  public let kind: Kind
  /// The file, or the operation for errors in arguments.
  public let name: String
  public let reason: String

  public init(_ kind: Kind, _ name: String, _ reason: String) {
    self.kind = kind
    self.name = name
    self.reason = reason
  }

  public var description: String { "\(name): \(reason)" }
}
