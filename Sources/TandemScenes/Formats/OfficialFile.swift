// The common shape of the official files: one object whose keys hold lists of records.

internal import TandemFiles

enum OfficialFile {
  /// Maps the file and calls `body` at each element of the lists under the keys of `needs`, which
  /// must all be there; other keys are passed over.
  static func read(
    _ path: String, needs: [String], _ body: (inout JSONScanner, String) throws -> Void
  ) throws {
    let file = try MappedFile(path: path)
    try file.withBytes { bytes in
      var scanner = JSONScanner(bytes, file: path)
      var missing = Set(needs)
      var found: [String] = []
      try scanner.object { scanner, key in
        found.append(key)
        guard needs.contains(key) else { return try scanner.skip() }
        guard missing.remove(key) != nil else { throw scanner.error("stands twice") }
        try scanner.array { scanner, _ in try body(&scanner, key) }
      }
      try scanner.end()
      guard let key = needs.first(where: missing.contains) else { return }
      throw SceneFormatError(
        file: path, key: key,
        problem: "expected this key, found \(found.sorted().joined(separator: ", ")); is it a "
          + "file of another kind?")
    }
  }
}
