// Keeping the system from reading a whole file because a few places of it were looked at.

import Glibc
import TandemFiles

extension MappedFile {
  /// Calls `body` while pages of this mapping are read one by one as they are touched. By default
  /// the system reads up to megabytes around each: for a file with a header before every storage,
  /// that is all of it.
  func withoutReadAhead<Result>(_ body: () throws -> Result) rethrows -> Result {
    advise(MADV_RANDOM)
    defer { advise(MADV_NORMAL) }
    return try body()
  }

  private func advise(_ advice: Int32) {
    // A hint: where it is refused, reading is slower and nothing else.
    withBytes { bytes in
      _ = madvise(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count, advice)
    }
  }
}

extension ByteSlice {
  /// Starts reading these bytes of a mapped file now, in one go.
  func readAhead() {
    guard file != nil else { return }
    withBytes { bytes in
      let page = UInt(sysconf(Int32(_SC_PAGESIZE)))
      let start = UInt(bitPattern: bytes.baseAddress)
      let end = start + UInt(bytes.count)
      let first = start / page * page
      guard let address = UnsafeMutableRawPointer(bitPattern: first) else { return }
      _ = madvise(address, Int(end - first), MADV_WILLNEED)
    }
  }
}
