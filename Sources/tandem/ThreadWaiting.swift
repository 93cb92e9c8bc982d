import Foundation

/// OpenMP's threads spin for milliseconds at every barrier by default. Where another process or
/// a loader thread has the core, they spin in its way: a step was measured to take ten times as
/// long (docs/decisions/openmp-waiting.md). The setting is read when the library is loaded, so the
/// process starts itself once more with it.
enum ThreadWaiting {
  static func keepShort() {
    guard getenv("GOMP_SPINCOUNT") == nil, getenv("OMP_WAIT_POLICY") == nil else { return }
    setenv("GOMP_SPINCOUNT", "2000", 1)
    var arguments = CommandLine.arguments.map { strdup($0) }
    arguments.append(nil)
    // Comes back only where the system does not allow it; then all works, perhaps slower.
    execv("/proc/self/exe", arguments)
    for argument in arguments { free(argument) }
  }
}
