import Foundation

/// Progress for people: one line that moves on a terminal, plain lines now and then elsewhere.
final class Console {
  private let isTerminal = isatty(STDERR_FILENO) == 1
  private let isQuiet: Bool
  private var lastDrawn = ContinuousClock.now - .seconds(60)
  private var hasOpenLine = false

  init(isQuiet: Bool = false) { self.isQuiet = isQuiet }

  /// A line that stays.
  func say(_ text: String) {
    guard !isQuiet else { return }
    closeLine()
    write(text + "\n")
  }

  /// A state that replaces the one before it: `text` after a bar of `done` of `total`.
  func progress(_ done: Int, of total: Int, _ text: @autoclosure () -> String) {
    guard !isQuiet, total > 0 else { return }
    let now = ContinuousClock.now
    let pause: Duration = isTerminal ? .milliseconds(100) : .seconds(15)
    guard now - lastDrawn >= pause || done == total else { return }
    lastDrawn = now
    guard isTerminal else { return write("\(done)/\(total) \(text())\n") }
    let width = 24
    let filled = min(width, width * done / total)
    let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: width - filled)
    write("\r\u{1B}[K\(bar) \(done)/\(total) \(text())")
    hasOpenLine = true
  }

  /// The same where nobody knows how many there are.
  func count(_ done: Int, _ text: @autoclosure () -> String) {
    guard !isQuiet else { return }
    let now = ContinuousClock.now
    guard now - lastDrawn >= (isTerminal ? .milliseconds(100) : .seconds(15)) else { return }
    lastDrawn = now
    write((isTerminal ? "\r\u{1B}[K" : "") + "\(done) \(text())" + (isTerminal ? "" : "\n"))
    hasOpenLine = isTerminal
  }

  func closeLine() {
    if hasOpenLine { write("\n") }
    hasOpenLine = false
  }

  private func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }

  /// 75 → "1:15", 3700 → "1:01:40".
  static func clock(_ seconds: Double) -> String {
    guard seconds.isFinite else { return "?" }
    let whole = max(0, Int(seconds.rounded()))
    func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return whole >= 3600
      ? "\(whole / 3600):\(two(whole / 60 % 60)):\(two(whole % 60))"
      : "\(whole / 60):\(two(whole % 60))"
  }

  /// What to type next, at most three commands.
  func next(_ commands: [String]) {
    guard !isQuiet, !commands.isEmpty else { return }
    say("\nnext:")
    for command in commands.prefix(3) { say("  " + command) }
  }
}

/// A line of results on standard output, at once even where that is a pipe.
func printLine(_ text: String) { FileHandle.standardOutput.write(Data((text + "\n").utf8)) }

/// A number with a fixed count of digits after the point.
func fixed(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }

/// 0.9345 → "93.45 %"
func percent(_ value: Double) -> String { fixed(value * 100, 2) + " %" }

/// The time now, as runs record it.
func timestamp() -> String { ISO8601DateFormatter().string(from: Date()) }
