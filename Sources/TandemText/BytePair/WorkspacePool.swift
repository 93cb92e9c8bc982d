import Synchronization

/// What one call of encode works with and leaves for the next: no result depends on it.
struct EncodingWorkspace: Sendable {
  var cache = WordCache()
  var merger = WordMerger()
  /// The pieces of a word that is not in the cache.
  var pieces: [Int32] = []
  /// A text that is lower-cased.
  var lowercased: [UInt8] = []
}

/// Workspaces that no call is using: as many as there were calls at one time.
///
/// A call takes one out and puts it back, so threads share what earlier calls learnt and hold the
/// lock for a moment only, never while they encode.
final class WorkspacePool: Sendable {
  private let idle = Mutex<[EncodingWorkspace]>([])

  func take() -> EncodingWorkspace {
    idle.withLock { $0.popLast() } ?? EncodingWorkspace()
  }

  func putBack(_ workspace: consuming EncodingWorkspace) {
    let workspace = workspace
    idle.withLock { $0.append(workspace) }
  }
}
