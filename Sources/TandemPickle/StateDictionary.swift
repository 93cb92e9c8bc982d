// The weights in a checkpoint: found among whatever else was saved with them.

/// Arrays by name, in the order of the file. Names are as they stand there: nothing is stripped.
public struct StateDictionary: Sendable, RandomAccessCollection {
  public typealias Element = (name: String, array: PickleArray)

  /// The keys that lead from the top of the file to the dictionary; none where it is the top.
  public let path: [String]
  private let elements: [Element]
  private let places: [String: Int]

  fileprivate init(path: [String], elements: [Element]) {
    self.path = path
    self.elements = elements
    var places: [String: Int] = [:]
    for (place, element) in elements.enumerated() { places[element.name] = place }
    self.places = places
  }

  public var startIndex: Int { 0 }
  public var endIndex: Int { elements.count }
  public subscript(_ position: Int) -> Element { elements[position] }

  /// The array of that name; nil where there is none.
  public subscript(_ name: String) -> PickleArray? { places[name].map { elements[$0].array } }

  public var names: [String] { elements.map(\.name) }
}

extension PickleValue {
  /// Keys under which programs keep a model's weights, the likeliest first.
  private static let usualKeys = [
    "state_dict", "model_state_dict", "model", "module", "network", "net", "weights", "params",
  ]
  /// Dictionaries are looked for no further down than this.
  private static let greatestDepth = 4

  /// The dictionary of names and arrays in a checkpoint: the top where most of its values are arrays,
  /// else the first under a usual key ("state_dict", "model", …), else the one with the most arrays
  /// down to four keys deep. What else it holds is left out.
  ///
  /// - Throws: `PickleError` with the keys there are, where no dictionary holds an array.
  public func stateDict() throws(PickleError) -> StateDictionary {
    if case .instance(let module) = self, module.isOfScript {
      return try Self.arrays(ofScript: module)
    }
    guard case .dict(let top) = self else {
      throw PickleError(
        file: "checkpoint",
        reason: "expected a dictionary of weights at the top, found \(summary)")
    }
    var best = Self.arrays(of: top, path: [])
    if best.count * 2 > top.count { return best }
    var visited: Set<Int> = []
    var level = [(path: [String](), dictionary: top)]
    for _ in 1...Self.greatestDepth {
      var next: [(path: [String], dictionary: PickleDictionary)] = []
      for (path, dictionary) in level {
        for key in Self.usualKeys {
          guard case .dict(let inner) = dictionary[key] else { continue }
          let found = Self.arrays(of: inner, path: path + [key])
          if found.count * 2 > inner.count { return found }
        }
        for pair in dictionary {
          guard case .dict(let inner) = pair.value, let key = try? pair.key.string else { continue }
          // A file can name one dictionary any number of times.
          if let row = inner.row, !visited.insert(row).inserted { continue }
          let found = Self.arrays(of: inner, path: path + [key])
          if found.count > best.count { best = found }
          next.append((path + [key], inner))
        }
      }
      level = next
    }
    guard !best.isEmpty else {
      let names = top.names.prefix(8).map { "\"\($0)\"" }.joined(separator: ", ")
      throw PickleError(
        file: "checkpoint",
        reason: "expected a dictionary of names and arrays, found none under the keys \(names)")
    }
    return best
  }

  // MARK: programs of TorchScript

  /// Modules are nested no deeper than this.
  private static let greatestNesting = 64

  /// The tensors of a module and of those in it, their names the attributes that lead to them.
  private static func arrays(
    ofScript root: PickleObject
  ) throws(PickleError) -> StateDictionary {
    var elements: [StateDictionary.Element] = []
    func collect(_ module: PickleObject, _ path: String, _ depth: Int) throws(PickleError) {
      guard depth < greatestNesting else {
        throw PickleError(
          file: "checkpoint", place: path, reason: "modules are nested deeper than \(depth)")
      }
      guard case .dict(let attributes) = module.state else { return }
      for attribute in attributes {
        guard let key = try? attribute.key.string else { continue }
        let name = path.isEmpty ? key : "\(path).\(key)"
        switch attribute.value {
        case .ndarray(let array): elements.append((name, array))
        case .instance(let inner) where inner.isOfScript:
          try collect(inner, name, depth + 1)
        default: break
        }
        guard elements.count <= greatestCount else {
          throw PickleError(
            file: "checkpoint", reason: "modules hold more than \(greatestCount) tensors")
        }
      }
    }
    try collect(root, "", 0)
    guard !elements.isEmpty else {
      throw PickleError(file: "checkpoint", reason: "a program of TorchScript without weights")
    }
    return StateDictionary(path: [], elements: elements)
  }

  /// Of tensors: a file can name one module any number of times.
  private static let greatestCount = 1_000_000

  private static func arrays(of dictionary: PickleDictionary, path: [String]) -> StateDictionary {
    var elements: [StateDictionary.Element] = []
    for pair in dictionary {
      if case .ndarray(let array) = pair.value, let name = try? pair.key.string {
        elements.append((name, array))
      }
    }
    return StateDictionary(path: path, elements: elements)
  }
}

extension PickleObject {
  /// A module of a program of TorchScript.
  var isOfScript: Bool {
    if case .type(let name) = callee { name.isOfScript } else { false }
  }
}

extension PickleClass {
  var isOfScript: Bool { module.hasPrefix("__torch__") }
}
