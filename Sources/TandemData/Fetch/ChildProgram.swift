// Other programs, started with an argument array and never through a shell.

import Foundation
import Glibc

/// A program to run, found in PATH.
package struct ChildProgram: Sendable {
  package let name: String
  /// What to do when it is missing: "install the Debian package librsvg2-bin".
  package let whenMissing: String

  package init(name: String, whenMissing: String) {
    self.name = name
    self.whenMissing = whenMissing
  }

  /// Runs the program to its end and returns all it printed.
  ///
  /// Throws `FetchError` when the program is missing or ends with another status than 0; the
  /// error then carries the last lines of its output.
  @discardableResult
  package func run(_ arguments: [String], in directory: String? = nil) throws -> String {
    try start(arguments, in: directory).wait()
  }

  /// Starts the program; standard output and error both go to one temporary file.
  func start(_ arguments: [String], in directory: String? = nil) throws -> RunningChild {
    guard isInPath else {
      throw FetchError("cannot start \(name): it is not in PATH; \(whenMissing)")
    }
    // coreutils' env changes the directory in the child only.
    let command = (directory.map { ["env", "-C", $0] } ?? []) + [name] + arguments
    let temporary = FileManager.default.temporaryDirectory.path
    let log = temporary + "/tandem-\(name)-\(UUID().uuidString).log"

    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_EXCL, 0o600)
    posix_spawn_file_actions_adddup2(&actions, 1, 2)

    // Messages and sort orders of the program must not depend on the user's language.
    var environment = ProcessInfo.processInfo.environment
    environment["LC_ALL"] = "C.UTF-8"

    var child = pid_t()
    let status = withCStrings(command) { argv in
      withCStrings(environment.map { "\($0.key)=\($0.value)" }) { envp in
        posix_spawnp(&child, command[0], &actions, nil, argv, envp)
      }
    }
    guard status == 0 else {
      unlink(log)
      throw FetchError("cannot start \(name): \(String(cString: strerror(status)))")
    }
    return RunningChild(process: child, command: command.joined(separator: " "), log: log)
  }

  private var isInPath: Bool {
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
    return path.split(separator: ":").contains { access("\($0)/\(name)", X_OK) == 0 }
  }

  private func withCStrings<Result>(
    _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
  ) -> Result {
    let pointers = strings.map { strdup($0) } + [nil]
    defer { for pointer in pointers { free(pointer) } }
    return body(pointers)
  }
}

/// A program that was started and must be waited for.
struct RunningChild {
  fileprivate let process: pid_t
  fileprivate let command: String
  fileprivate let log: String

  /// Waits for the end; returns the output or throws `FetchError` with its last lines.
  @discardableResult
  func wait() throws -> String {
    defer { unlink(log) }
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0 {
      guard errno == EINTR else {
        throw FetchError("lost track of `\(command)`: \(String(cString: strerror(errno)))")
      }
    }
    let output = String(
      decoding: FileManager.default.contents(atPath: log) ?? Data(), as: UTF8.self)
    guard status != 0 else { return output }

    // The low seven bits hold the signal that ended the process, the next byte its exit status.
    let signal = status & 0x7f
    let ending = signal == 0 ? "exit status \((status >> 8) & 0xff)" : "signal \(signal)"
    let lines = output.split(separator: "\n").suffix(12).map { "  " + $0 }
    let said = lines.isEmpty ? "it printed nothing" : lines.joined(separator: "\n")
    throw FetchError("`\(command)` failed with \(ending):\n\(said)")
  }
}
