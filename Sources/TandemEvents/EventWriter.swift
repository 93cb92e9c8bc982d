// Writes what a run measures as files that TensorBoard shows.
//
// The format: a file of TFRecord records (TensorFlow, core/lib/io/record_writer.h), each a protocol
// buffer `Event` (TensorBoard, compat/proto/event.proto); the first one holds the format's version.

import SwiftProtobuf
import Synchronization

/// Appends scalars and texts to an event file of its own.
///
/// A directory is one run. Its files are read one after another, so only one writer at a time
/// should write to it; a resumed run opens a new file, and never touches an earlier one.
/// Values wait in memory until `flush`, 64 KiB, or the end of the writer's life, whichever comes
/// first. Threads may share a writer.
public final class EventWriter: Sendable {
  /// The file this writer created.
  public let path: String
  private let file: Mutex<EventFile>

  /// Creates a new event file, and its directory where that is missing.
  ///
  /// The name is `events.out.tfevents.SECONDS.HOST.PROCESS.NUMBER[.SUFFIX]` and sorts after every
  /// event file of the directory: SECONDS may be later than `time` for that.
  ///
  /// - Parameters:
  ///   - directory: the run's directory.
  ///   - suffix: the end of the file's name: letters, digits, "-", "_", "."; may be empty.
  ///   - time: seconds since 1970-01-01 00:00 UTC, the present.
  ///   - resumingAtStep: where a run goes on after an interruption: TensorBoard drops what earlier
  ///     files say of this step and later ones, which this writer is about to say again.
  /// - Throws: `EventError`.
  public init(
    directory: String, suffix: String = "", time: Double, resumingAtStep: Int? = nil
  ) throws {
    var file = try EventFile(creatingIn: directory, suffix: suffix, time: time)
    var version = Tandem_Event()
    version.wallTime = time
    version.fileVersion = "brain.Event:2"
    try file.append(Self.encode(version, tag: "version", path: file.path))
    if let resumingAtStep {
      var start = Tandem_Event()
      start.wallTime = time
      start.step = Int64(resumingAtStep)
      start.sessionLog.status = .start
      try file.append(Self.encode(start, tag: "start", path: file.path))
    }
    try file.flush()
    path = file.path
    self.file = Mutex(file)
  }

  deinit {
    // Whoever must know whether this worked calls `flush`.
    try? flush()
  }

  /// Adds one point of a curve.
  ///
  /// - Parameters:
  ///   - tag: the curve's name; TensorBoard groups names by what is before the first "/".
  ///   - value: any value, infinite and NaN included; the format keeps it in single precision.
  ///   - step: its place on the horizontal axis.
  ///   - time: seconds since 1970-01-01 00:00 UTC.
  /// - Throws: `EventError`. After a failed write the value is kept for the next one.
  public func scalar(_ tag: String, _ value: Double, step: Int, time: Double) throws {
    var point = Tandem_Summary.Value()
    point.simpleValue = Float(value)
    try append(point, tag: tag, step: step, time: time)
  }

  /// Adds a text.
  ///
  /// - Parameters:
  ///   - tag: its name; TensorBoard groups names by what is before the first "/".
  ///   - text: Markdown. Lines indented by four spaces are shown as they are: JSON, a table.
  ///   - step: the step it belongs to.
  ///   - time: seconds since 1970-01-01 00:00 UTC.
  /// - Throws: `EventError`. After a failed write the text is kept for the next one.
  public func text(_ tag: String, _ text: String, step: Int, time: Double) throws {
    var note = Tandem_Summary.Value()
    note.metadata.pluginData.pluginName = "text"
    note.tensor.dtype = .dtString
    note.tensor.stringVal = [text]
    try append(note, tag: tag, step: step, time: time)
  }

  /// Hands everything written so far to the operating system: a reader sees it, and a crash of this
  /// process loses none of it.
  ///
  /// - Throws: `EventError`. What could not be written is kept for the next call.
  public func flush() throws {
    try file.withLock { try $0.flush() }
  }

  private func append(
    _ value: Tandem_Summary.Value, tag: String, step: Int, time: Double
  ) throws {
    guard !tag.isEmpty else { throw EventError.emptyTag(step: step, path: path) }
    guard EventFileName.canSay(time) else { throw EventError.invalidTime(time, path: path) }
    var value = value
    value.tag = tag
    var event = Tandem_Event()
    event.wallTime = time
    event.step = Int64(step)
    event.summary.value = [value]
    let payload = try Self.encode(event, tag: tag, path: path)
    try file.withLock { try $0.append(payload) }
  }

  private static func encode(_ event: Tandem_Event, tag: String, path: String) throws -> [UInt8] {
    do {
      return try event.serializedBytes()
    } catch {
      throw EventError.unencodable(tag: tag, path: path, reason: String(describing: error))
    }
  }
}
