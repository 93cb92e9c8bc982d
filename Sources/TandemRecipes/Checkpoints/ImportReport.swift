// What became of every name in a file and of every weight of a model.

internal import TandemCore
public import TandemNN
internal import TandemTorch

public struct ImportReport: Codable, Sendable, Equatable {
  public let path: String
  public let form: ModelFiles.Form
  public let model: String
  /// Weights that the file had, and how many numbers they are.
  public let loaded: Int
  public let numbers: Int
  /// Of the model, not in the file: drawn anew.
  public let missing: [String]
  /// In the file, of no use to the model.
  public let unused: [String]
  public let misshapen: [String]
  /// Copies of weights that are one here.
  public let tied: [String]
  /// What is no weight.
  public let ignored: [String]
  /// Classes of objects in the file that were left alone.
  public let foreignClasses: [String]
  /// Weights with numbers that are not finite.
  public private(set) var notFinite: [String] = []

  init(_ files: ModelFiles, _ store: ParameterStore, _ load: LoadReport) {
    path = files.path
    form = files.form
    model = files.model
    let absent = Set(load.missing)
    let drawn = load.misshapen.compactMap { $0.split(separator: ":").first.map(String.init) }
    let found = store.parameters.filter { !absent.contains($0.name) && !drawn.contains($0.name) }
    loaded = found.count
    numbers = found.reduce(0) { $0 + $1.count }
    missing = load.missing
    unused = load.unused
    misshapen = load.misshapen
    tied = files.tied
    ignored = files.ignored
    foreignClasses = files.weights.foreignClasses
  }

  /// Looks at every number; a model with some that are not finite learns nothing.
  public mutating func lookForNumbersThatAreNotFinite(in store: ParameterStore) throws {
    notFinite = try withoutGradients {
      try store.parameters.filter { parameter in
        let value = try parameter.value.detached()
        // The norm needs no memory of its own; what is too large for it is looked at closely.
        return try !value.norm().item().isFinite && value.isFinite().all().item() == 0
      }.map(\.name)
    }
  }

  func check(allowingMissing allowed: [String]) throws {
    let absent = missing.filter { name in !allowed.contains { Self.matches(name, $0) } }
    guard absent.isEmpty, misshapen.isEmpty else {
      var lines = ["\(path) does not hold what \(model) needs:"]
      func list(_ title: String, _ names: [String]) {
        guard !names.isEmpty else { return }
        let more = names.count > 5 ? " and \(names.count - 5) more" : ""
        lines.append("  \(title): \(names.prefix(5).joined(separator: ", "))\(more)")
      }
      list("missing", absent)
      list("of another shape", misshapen)
      if let unused = unused.first { lines.append("  in the file and not used: \(unused), …") }
      if !absent.isEmpty {
        lines.append("--allow-missing 'PATTERN' draws such weights anew")
      }
      throw ParameterError(lines.joined(separator: "\n"))
    }
  }

  /// Whether a pattern, in which `*` stands for anything, is the whole name.
  static func matches(_ name: String, _ pattern: String) -> Bool {
    let parts = pattern.split(separator: "*", omittingEmptySubsequences: false)
    guard parts.count > 1, let first = parts.first, let last = parts.last else {
      return name == pattern
    }
    guard name.hasPrefix(first) else { return false }
    var rest = name.dropFirst(first.count)
    for part in parts.dropFirst().dropLast() where !part.isEmpty {
      guard let range = rest.firstRange(of: part) else { return false }
      rest = rest[range.upperBound...]
    }
    return rest.hasSuffix(last)
  }

  /// For people.
  public var lines: [String] {
    var lines = [
      "\(model) from \(path) (\(form.rawValue)): \(loaded) weights, \(numbers) numbers"
    ]
    func list(_ title: String, _ names: [String]) {
      guard !names.isEmpty else { return }
      let more = names.count > 8 ? ", … \(names.count) in all" : ""
      lines.append("  \(title): \(names.prefix(8).joined(separator: ", "))\(more)")
    }
    list("missing, drawn anew", missing)
    list("of another shape", misshapen)
    list("copies of weights that are one here", tied)
    list("of no use to the model", unused)
    list("no weights", ignored)
    list("objects that were left alone", foreignClasses)
    list("NOT FINITE", notFinite)
    return lines
  }
}
