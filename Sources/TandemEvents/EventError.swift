// What can go wrong while events are written.

import Glibc

/// Why an event could not be written, and what to do about it.
public enum EventError: Error, CustomStringConvertible, Sendable, Equatable {
  /// The system refused: `operation` is a verb ("create", "write"), `code` its `errno`.
  case system(operation: String, path: String, code: Int32)
  /// A time that is no moment between 1970 and the year 2286, the last that a file's name can say.
  case invalidTime(Double, path: String)
  /// A file name's suffix that TensorBoard, or the file system, might read as something else.
  case invalidSuffix(String, directory: String)
  /// A value without a name.
  case emptyTag(step: Int, path: String)
  /// An event too large for the format.
  case unencodable(tag: String, path: String, reason: String)
  /// No file can be named so that TensorBoard reads it after `existing`.
  case noLaterName(directory: String, existing: String)

  public var description: String {
    switch self {
    case .system(let operation, let path, let code):
      let text = strerror(code).map { String(cString: $0) } ?? "error \(code)"
      return "cannot \(operation) \(path): \(text)\(Self.advice(code))"
    case .invalidTime(let time, let path):
      return "cannot write an event to \(path): expected a time in seconds since 1970, below "
        + "10000000000, found \(time); pass the present time"
    case .invalidSuffix(let suffix, let directory):
      return "cannot create an event file in \(directory): expected a suffix of the letters a to "
        + "z and A to Z, digits, '-', '_' and '.', found \"\(suffix)\"; pass another, or none"
    case .emptyTag(let step, let path):
      return "cannot write an event to \(path): step \(step) has a value with an empty tag; name "
        + "it, as in \"train/loss\""
    case .unencodable(let tag, let path, let reason):
      return "cannot write \"\(tag)\" to \(path): \(reason); pass a shorter text"
    case .noLaterName(let directory, let existing):
      return "cannot create an event file in \(directory): its name has to sort after "
        + "\(existing), which says the last second a name can say; move that file away"
    }
  }

  /// The error of the system call that failed last on this thread.
  static func system(_ operation: String, _ path: String) -> EventError {
    .system(operation: operation, path: path, code: errno)
  }

  private static func advice(_ code: Int32) -> String {
    switch code {
    case ENOSPC, EDQUOT: "; free some space, then try again"
    case EACCES, EPERM, EROFS: "; check who owns it and its permissions"
    case ENOTDIR: "; a file is in the way of a directory: move it, or name another one"
    default: ""
    }
  }
}
