// SVG to PNG by librsvg's command.

import Foundation

/// Draws SVG files with `rsvg-convert`, several at once.
struct VectorRasterizer {
  /// The picture fits into a square of this many pixels, its proportions kept.
  let side: Int

  private static let program = ChildProgram(
    name: "rsvg-convert", whenMissing: "install the Debian package librsvg2-bin")

  /// Draws each SVG file into its PNG file. Returns the indices of files that librsvg refuses.
  ///
  /// Throws `FetchError` when the program is missing, or refuses more than one file in ten, which
  /// means that something else is wrong.
  func draw(
    _ jobs: [(svg: String, png: String)], progress: (_ completed: Int) -> Void
  ) throws -> Set<Int> {
    var refused: Set<Int> = []
    var lastRefusal = ""
    var running: [(index: Int, child: RunningChild)] = []

    func waitForOldest() {
      guard !running.isEmpty else { return }
      let (index, child) = running.removeFirst()
      do {
        try child.wait()
      } catch {
        refused.insert(index)
        lastRefusal = String(describing: error)
      }
      if index % 100 == 99 { progress(index + 1) }
    }
    // No child may be left behind, whatever is thrown.
    defer { while !running.isEmpty { waitForOldest() } }

    let width = ProcessInfo.processInfo.activeProcessorCount
    for (index, job) in jobs.enumerated() {
      if running.count >= width { waitForOldest() }
      let arguments = [
        "-w", "\(side)", "-h", "\(side)", "--keep-aspect-ratio", "-o", job.png, job.svg,
      ]
      running.append((index, try Self.program.start(arguments)))
    }
    while !running.isEmpty { waitForOldest() }
    if refused.count * 10 > jobs.count {
      throw FetchError(
        "rsvg-convert refused \(refused.count) of \(jobs.count) drawings; the last: \(lastRefusal)")
    }
    return refused
  }
}
