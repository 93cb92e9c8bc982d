// What was wrong with a file of regions: which file, where in it, what was expected and found.

/// A fault in a region file, a store or a request to one.
///
/// What the system refuses (a missing file, a full disk) comes as `FileError`.
public struct RegionError: Error, CustomStringConvertible, Sendable, Equatable {
  public enum Kind: String, Sendable, CaseIterable {
    /// One record is wrong; its reader can go on with the next one.
    case badRecord
    /// The file as a whole cannot be read or written.
    case badFile
    /// A file of another layout than the one that was named.
    case wrongFormat
    /// Written by a later version of this software.
    case futureVersion
    /// No such identifier.
    case missing
    /// An identifier that was there already.
    case duplicate
    /// Somebody else is writing.
    case locked
    /// The store has no index yet: its writer was stopped.
    case unfinished
  }

  /// Where in the file.
  public enum Place: Sendable, Equatable {
    /// A line, counted from 1.
    case line(Int)
    /// A key of a database, or an entry's name in a folder or an archive.
    case key(String)
    /// A byte, counted from 0.
    case byte(Int)
  }

  public let kind: Kind
  public let path: String
  public let place: Place?
  /// What was expected, what was found, what to do.
  public let reason: String

  public init(_ kind: Kind, path: String, place: Place? = nil, _ reason: String) {
    self.kind = kind
    self.path = path
    self.place = place
    self.reason = reason
  }

  public var description: String {
    switch place {
    case .line(let number): "\(path):\(number): \(reason)"
    case .key(let key): "\(path), '\(key)': \(reason)"
    case .byte(let offset): "\(path), byte \(offset): \(reason)"
    case nil: "\(path): \(reason)"
    }
  }
}
