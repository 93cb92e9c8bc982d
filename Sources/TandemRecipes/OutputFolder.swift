// The folder that somebody names for what a command makes.

internal import Foundation
internal import TandemFiles
internal import TandemTrain

public enum OutputFolder {
  /// Before anything takes time.
  ///
  /// - Throws: `RunError` for a file, a link or a folder with anything in it: nothing is written over.
  public static func check(_ path: String) throws {
    guard !path.isEmpty else { throw RunError("--output: names no folder") }
    let trimmed = trimmingSlashes(path)
    let manager = FileManager.default
    if let type = try? manager.attributesOfItem(atPath: trimmed)[.type] as? FileAttributeType {
      guard type == .typeDirectory else {
        throw RunError("\(path) is there and is no folder; name another --output")
      }
      guard try manager.contentsOfDirectory(atPath: trimmed).isEmpty else {
        throw RunError("\(path) is not empty; name another --output")
      }
    }
  }

  /// Before something is written: checks it again and makes the folders above it.
  static func prepare(_ path: String) throws {
    try check(path)
    let parent = parentDirectory(of: path)
    do {
      try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
    } catch {
      throw RunError("\(path): \(parent) cannot be made: \(error.localizedDescription)")
    }
  }
}
