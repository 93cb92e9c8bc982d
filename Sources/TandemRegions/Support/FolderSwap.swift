// A folder filled aside takes its name, also where an earlier one has it.

import Foundation
import Glibc
import TandemFiles

/// Renames `staging` to `path`; an earlier folder there is kept until that is done, then removed.
///
/// Throws `FileError`; the earlier folder then has its name again.
func giveName(_ path: String, to staging: String) throws {
  let isThere = kind(of: path) != .missing
  let earlier = PartialFile.name(beside: path)
  if isThere, rename(path, earlier) != 0 { throw FileError.system("set aside", path) }
  guard rename(staging, path) == 0 else {
    let error = FileError.system("rename into", path)
    if isThere { rename(earlier, path) }
    throw error
  }
  try synchronizeDirectory(folder(of: path))
  if isThere { try FileManager.default.removeItem(atPath: earlier) }
}
