// How event files are named, and how the next one of a directory is.

import Glibc

/// Chooses names that TensorBoard reads in the order in which the files were made.
///
/// TensorBoard takes every file of a directory whose name contains "tfevents", in the order of the
/// names, and never goes back to an earlier one. So a new file's name must sort after all others:
/// also when a run is resumed within the second it stopped in, or under a clock that runs behind.
enum EventFileName {
  private static let prefix = "events.out.tfevents."
  private static let digits = 10
  private static let lastSecond = 9_999_999_999

  /// Whether a name can say this moment, given in seconds since 1970.
  static func canSay(_ time: Double) -> Bool { time >= 0 && time < Double(lastSecond + 1) }

  /// Whether `suffix` may end a name.
  static func isValid(suffix: String) -> Bool {
    suffix.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
        UInt8(ascii: "."):
        true
      default: false
      }
    }
  }

  /// The name of a new file in `directory`:
  /// `events.out.tfevents.SECONDS.HOST.PROCESS.NUMBER[.SUFFIX]`.
  ///
  /// SECONDS are those of `time`, or one more than the largest of any event file there if that is
  /// later. NUMBER counts the event files that were there before.
  static func next(in directory: String, time: Double, suffix: String) throws -> String {
    let existing = try names(in: directory).filter { seconds(in: $0) != nil }.sorted()
    var second = Int(time)
    if let newest = existing.last, let newestSecond = seconds(in: newest) {
      guard newestSecond < lastSecond else {
        throw EventError.noLaterName(directory: directory, existing: newest)
      }
      second = max(second, newestSecond + 1)
    }
    let text = String(second)
    let padded = String(repeating: "0", count: digits - text.count) + text
    let end = suffix.isEmpty ? "" : "." + suffix
    return "\(prefix)\(padded).\(try hostName()).\(getpid()).\(existing.count)\(end)"
  }

  /// The seconds that an event file's name says; nil for any other file.
  private static func seconds(in name: String) -> Int? {
    guard name.hasPrefix(prefix) else { return nil }
    let field = name.dropFirst(prefix.count).prefix { $0 != "." }
    guard field.utf8.count == digits, field.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
      return nil
    }
    return Int(field)
  }

  private static func names(in directory: String) throws -> [String] {
    guard let stream = opendir(directory) else { throw EventError.system("list", directory) }
    defer { closedir(stream) }
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else { break }
      names.append(withUnsafeBytes(of: entry.pointee.d_name, text))
    }
    guard errno == 0 else { throw EventError.system("list", directory) }
    return names
  }

  /// This machine's name, with anything but letters, digits, '-', '_' and '.' made a '-'.
  private static func hostName() throws -> String {
    var bytes = [CChar](repeating: 0, count: 256)
    guard gethostname(&bytes, bytes.count - 1) == 0 else {
      throw EventError.system("read", "this machine's name")
    }
    let name = bytes.withUnsafeBytes(text)
    let safe = name.map { isValid(suffix: String($0)) ? $0 : "-" }
    return safe.isEmpty ? "localhost" : String(safe)
  }

  /// The UTF-8 text before the first zero byte.
  private static func text(_ bytes: UnsafeRawBufferPointer) -> String {
    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  }
}
