// What a family's weights are called elsewhere, readable both ways.

/// Names of elsewhere and ours: parts of a name are replaced in order, one way to read and the other
/// way to write.
public struct NameTable: Sendable {
  /// Several of their weights that are one of ours, laid end to end along the first side.
  public struct Fused: Sendable {
    var theirs: [String]
    var ours: String
  }

  /// Parts of names; their order is that of replacing theirs by ours.
  var parts: [(theirs: String, ours: String)] = []
  var fused: [Fused] = []
  /// Our names of matrices that lie the other way round there.
  public internal(set) var transposed: Set<String> = []
  /// Old spellings and misspellings of parts of names: read, never written.
  var spellings: [(theirs: String, ours: String)] = []
  /// Our names that are written as copies are called, by what they are called.
  var written: [String: String] = [:]
  /// Our names of copies, and of the weights that they are copies of.
  var tied: [String: String] = [:]
  /// Our names of weights that some files leave out, and of those that stand in for them; read where
  /// the third is there.
  var standIns: [(missing: String, by: String, where: String)] = []
  /// Ends of their names of what is no weight.
  var ignored: [String] = ["position_ids"]
  /// Ends of their names of weights that the published code makes and never uses.
  var unused: [String] = []
  /// What stands before every name of some files.
  var prefixes: [String] = []

  /// Ours for one of their names, and which of how many parts of ours it is; nil for what is to be
  /// ignored.
  func ours(_ theirs: String) -> (name: String, place: Int, of: Int)? {
    guard !(ignored + unused).contains(where: theirs.hasSuffix) else { return nil }
    var name = theirs
    for prefix in prefixes where name.hasPrefix(prefix) {
      name = String(name.dropFirst(prefix.count))
    }
    var (place, count) = (0, 1)
    for group in fused {
      for (index, part) in group.theirs.enumerated() {
        guard let replaced = name.replacingFirst(part, by: group.ours) else { continue }
        (name, place, count) = (replaced, index, group.theirs.count)
      }
    }
    for part in spellings + parts {
      name = name.replacingFirst(part.theirs, by: part.ours) ?? name
    }
    return (name, place, count)
  }

  /// Theirs for one of our names: several for one that is fused here.
  public func theirs(_ ours: String) -> [String] {
    var name = written[ours] ?? ours
    for part in parts.reversed() { name = name.replacingFirst(part.ours, by: part.theirs) ?? name }
    for group in fused where name.contains(group.ours) {
      return group.theirs.map { name.replacingFirst(group.ours, by: $0) ?? name }
    }
    return [name]
  }
}

extension String {
  /// The string with the first `part` of it replaced; nil where it has none. A part that begins with
  /// "^" stands at the beginning.
  fileprivate func replacingFirst(_ part: String, by other: String) -> String? {
    if part.hasPrefix("^") {
      let start = part.dropFirst()
      let end = other.hasPrefix("^") ? other.dropFirst() : other[...]
      return hasPrefix(start) ? String(end) + dropFirst(start.count) : nil
    }
    let other = other.hasPrefix("^") ? String(other.dropFirst()) : other
    guard let range = self.firstRange(of: part) else { return nil }
    return String(self[..<range.lowerBound]) + other + self[range.upperBound...]
  }
}
