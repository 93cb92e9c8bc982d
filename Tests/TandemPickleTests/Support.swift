// Where the fixtures lie, what they should hold, and helpers.

import Foundation
import TandemPickle
import Testing

enum Fixture {
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "Fixtures/pickle").path

  static func path(_ name: String) -> String { folder + "/" + name }

  static func bytes(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(fileURLWithPath: path(name))))
  }

  /// An array as the reference library read it.
  struct Expected: Decodable {
    let type: String
    let shape: [Int]
    let strides: [Int]
    let numbers: [Double]
  }

  static func expected() throws -> [String: Expected] {
    try JSONDecoder().decode([String: Expected].self, from: Data(bytes("expected.json")))
  }

  static func expected(under prefix: String) throws -> [(name: String, array: Expected)] {
    try expected().filter { $0.key.hasPrefix(prefix + "/") }
      .map { (String($0.key.dropFirst(prefix.count + 1)), $0.value) }
  }
}

/// Compares an array with what the reference library read.
func expectSame(
  _ array: PickleArray, _ expected: Fixture.Expected, _ name: String, strides: Bool = true
) throws {
  #expect(array.elementType.rawValue == expected.type, "\(name)")
  #expect(array.shape == expected.shape, "\(name)")
  if strides, array.count > 0 { #expect(array.strides == expected.strides, "\(name)") }
  #expect(try array.doubles() == expected.numbers, "\(name)")
  #expect(try array.floats() == expected.numbers.map { Float($0) }, "\(name)")
  if !array.elementType.isFloatingPoint {
    #expect(try array.integers().map { Double($0) } == expected.numbers, "\(name)")
  }
}

/// A folder of its own that is gone afterwards.
func withTemporaryFolder(_ body: (String) throws -> Void) throws {
  let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  try body(folder.path)
}

/// SplitMix64: the same numbers in every run.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}

/// Looks at everything in a value, each container a few levels down: what a reader of it might do.
func walk(_ value: PickleValue, depth: Int = 3, budget: inout Int) {
  guard depth > 0, budget > 0 else { return }
  budget -= 1
  _ = value.summary
  switch value {
  case .list(let items), .tuple(let items), .set(let items):
    for item in items.prefix(budget) { walk(item, depth: depth - 1, budget: &budget) }
  case .dict(let dictionary):
    for pair in dictionary.prefix(budget) {
      walk(pair.key, depth: depth - 1, budget: &budget)
      walk(pair.value, depth: depth - 1, budget: &budget)
    }
    _ = dictionary["model"]
    _ = dictionary[key: 1]
  case .ndarray(let array):
    if array.count < 1 << 20 { _ = try? array.floats() }
  case .instance(let object):
    walk(object.callee, depth: depth - 1, budget: &budget)
    walk(object.arguments, depth: depth - 1, budget: &budget)
    walk(object.state, depth: depth - 1, budget: &budget)
    for item in object.items.prefix(budget) { walk(item, depth: depth - 1, budget: &budget) }
  default: break
  }
}

/// Ends the process where it asks for more than `count` further bytes of memory. For exit tests.
func limitMemory(toFurther count: Int) throws {
  let sizes = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
  let pages = try #require(sizes.split(separator: " ").first.flatMap { Int($0) })
  let most = UInt(pages * 4096 + count)
  var limit = rlimit(rlim_cur: most, rlim_max: most)
  try #require(setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0)
}
