// Runs the built command as a person would: arguments in; exit code, standard output and standard
// error out.

import Foundation
import Glibc
import Testing

/// What a finished command left behind.
struct Outcome {
  let arguments: [String]
  /// The exit code; for a process that a signal ended, the signal's number below 0.
  let code: Int32
  let output: String
  let errors: String

  /// The output's lines, without the end of the last one.
  var lines: [String] { output.split(separator: "\n").map(String.init) }
}

/// The exit codes that scripts can tell apart.
enum ExitCode {
  static let good: Int32 = 0
  static let workFailed: Int32 = 1
  static let usage: Int32 = 64
  static let badData: Int32 = 65
  static let inputOutput: Int32 = 74
}

enum PackageFolder {
  /// The nearest folder above this file that has a Package.swift.
  static let root: URL = {
    var folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    while folder.path != "/" {
      let manifest = folder.appendingPathComponent("Package.swift").path
      if FileManager.default.fileExists(atPath: manifest) { return folder }
      folder.deleteLastPathComponent()
    }
    return URL(fileURLWithPath: FileManager.default.currentDirectoryPath)
  }()

  /// `TANDEM_BINARY`, or what the build left: the release build where there is one.
  static let binary: String = {
    if let named = ProcessInfo.processInfo.environment["TANDEM_BINARY"] { return named }
    let built = ["release", "debug"].map { root.path + "/.build/\($0)/tandem" }
    return built.first(where: FileManager.default.isExecutableFile(atPath:)) ?? built[0]
  }()

  static func fixture(_ name: String) -> String { root.path + "/Tests/Fixtures/\(name)" }
}

/// A command that has been started.
final class RunningCommand {
  private let process = Process()
  private let arguments: [String]
  private let folder: URL

  /// - Parameters:
  ///   - directory: the working directory.
  ///   - wrapper: a program and its arguments that start the command, for example `unshare -n`.
  init(
    _ arguments: [String], in directory: String, environment: [String: String] = [:],
    wrapper: [String] = []
  ) throws {
    self.arguments = arguments
    folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("tandem-command-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    var line = wrapper
    line.append(PackageFolder.binary)
    line += arguments
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = line
    process.currentDirectoryURL = URL(fileURLWithPath: directory)
    // With the setting given, the command need not start itself a second time.
    var all = ProcessInfo.processInfo.environment
    all["GOMP_SPINCOUNT"] = "2000"
    all.merge(environment) { $1 }
    process.environment = all.filter { !$0.value.isEmpty }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = try file("output")
    process.standardError = try file("errors")
    // Tests run on threads that block signals, and a child inherits that: it could not be
    // interrupted.
    var none = sigset_t()
    var before = sigset_t()
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    try process.run()
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  private func file(_ name: String) throws -> FileHandle {
    let url = folder.appendingPathComponent(name)
    try Data().write(to: url)
    return try FileHandle(forWritingTo: url)
  }

  var isRunning: Bool { process.isRunning }

  func send(_ signal: Int32) { kill(process.processIdentifier, signal) }

  /// Waits until `condition` holds, and says whether it did before the command ended.
  func waits(until condition: () -> Bool) -> Bool {
    while process.isRunning {
      if condition() { return true }
      usleep(500)
    }
    return false
  }

  /// Waits for the end; a command that takes longer than a minute is ended, and the test fails.
  func finish() throws -> Outcome {
    let deadline = ContinuousClock.now + .seconds(60)
    while process.isRunning {
      if ContinuousClock.now > deadline {
        send(SIGKILL)
        Issue.record("tandem \(arguments.joined(separator: " ")) did not end within a minute")
        break
      }
      usleep(1000)
    }
    process.waitUntilExit()
    func text(_ name: String) throws -> String {
      String(decoding: try Data(contentsOf: folder.appendingPathComponent(name)), as: UTF8.self)
    }
    let status = process.terminationStatus
    return Outcome(
      arguments: arguments, code: process.terminationReason == .exit ? status : -status,
      output: try text("output"), errors: try text("errors"))
  }
}

/// Whether a helper program runs here and succeeds: mounting and empty networks need rights.
func succeeds(_ line: [String]) -> Bool {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
  process.arguments = line
  process.standardOutput = FileHandle.nullDevice
  process.standardError = FileHandle.nullDevice
  guard (try? process.run()) != nil else { return false }
  process.waitUntilExit()
  return process.terminationReason == .exit && process.terminationStatus == 0
}
