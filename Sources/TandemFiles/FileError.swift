// What went wrong with a file: the operation, the path, the system's own words.

import Glibc

/// A failed operation on a file or a directory.
public struct FileError: Error, CustomStringConvertible, Sendable {
  /// What was being done, as a verb: "open", "write", "rename".
  public let operation: String
  /// The file or directory it was done to.
  public let path: String
  /// `errno` of the failed call; 0 when the system reported no error but the content is wrong.
  public let code: Int32
  /// What was found, and what can be done about it.
  public let reason: String

  public init(operation: String, path: String, code: Int32 = 0, reason: String) {
    self.operation = operation
    self.path = path
    self.code = code
    self.reason = reason
  }

  /// The error of the system call that failed last on this thread.
  public static func system(_ operation: String, _ path: String) -> FileError {
    system(operation, path, code: errno)
  }

  package static func system(_ operation: String, _ path: String, code: Int32) -> FileError {
    let text = strerror(code).map { String(cString: $0) } ?? "error \(code)"
    return FileError(operation: operation, path: path, code: code, reason: text + advice(code))
  }

  public var description: String { "cannot \(operation) \(path): \(reason)" }

  private static func advice(_ code: Int32) -> String {
    switch code {
    case ENOSPC, EDQUOT: "; free some space, then run the command again"
    case EACCES, EPERM, EROFS: "; check who owns it and its permissions"
    default: ""
    }
  }
}
