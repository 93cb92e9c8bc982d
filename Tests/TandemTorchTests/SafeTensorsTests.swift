import Foundation
import TandemTorch
import Testing
import TestSupport

@Suite struct SafeTensorsTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  @Test func everyTypeComesBack() throws {
    let path = folder.path + "/all.safetensors"
    var written: [String: Tensor] = ["empty": try Tensor.zeros([0, 3])]
    for dtype in DType.allCases {
      written["\(dtype)"] = try Tensor([0, 1, 1, 0, 1, 0] as [Float], [3, 2]).to(dtype)
    }
    written["scalar"] = try Tensor([2.5] as [Double], [])
    written["turned"] = try Tensor([1, 2, 3, 4, 5, 6] as [Float], [2, 3]).transposed(0, 1)
    try SafeTensors.write(written, metadata: ["made": "here"], to: path)
    let file = try SafeTensorsFile(path: path)
    #expect(file.metadata == ["made": "here"])
    #expect(Set(file.entries.keys) == Set(written.keys))
    for (name, tensor) in written {
      let found = try file.tensor(name)
      #expect(found.shape == tensor.shape)
      #expect(found.dtype == tensor.dtype)
      #expect(try found.floats() == tensor.floats())
    }
    for entry in file.entries.values {
      #expect(entry.range.lowerBound % entry.dtype.byteCount == 0)
    }
  }

  @Test func aTensorOutlivesItsFile() throws {
    let path = folder.path + "/one.safetensors"
    try SafeTensors.write(["a": Tensor([1, 2] as [Float])], to: path)
    let tensor = try SafeTensorsFile(path: path).tensor("a")
    try FileManager.default.removeItem(atPath: path)
    #expect(try tensor.floats() == [1, 2])
  }

  @Test func theReferenceLibrarysFilesOpen() throws {
    let file = try Fixtures.tensors("training/layers.safetensors")
    #expect(try file.integers("lengths") == [5, 9])
    #expect(file.entries["input"]?.shape == [14, 32])
    #expect(message { _ = try file.tensor("nowhere") }?.contains("nowhere") == true)
  }

  private static func bytes(_ header: String, _ data: Int, length: UInt64? = nil) -> [UInt8] {
    let count = length ?? UInt64(header.utf8.count)
    return withUnsafeBytes(of: count.littleEndian) { Array($0) } + Array(header.utf8)
      + [UInt8](repeating: 0, count: data)
  }

  private static func one(_ dtype: String, _ shape: String, _ from: Int, _ to: Int) -> String {
    "{\"dtype\":\"\(dtype)\",\"shape\":\(shape),\"data_offsets\":[\(from),\(to)]}"
  }

  static let bad: [(String, [UInt8], String)] = [
    ("tiny", [1, 2, 3], "too few"),
    ("empty", [], "empty"),
    ("cut", bytes("{\"a\":\(one("F32", "[4]", 0, 16))}", 12), "cut short"),
    (
      "overlap",
      bytes("{\"a\":\(one("F32", "[2]", 0, 8)),\"b\":\(one("F32", "[2]", 4, 12))}", 12), "overlaps"
    ),
    ("hole", bytes("{\"a\":\(one("F32", "[1]", 4, 8))}", 8), "hole"),
    ("rest", bytes("{\"a\":\(one("F32", "[1]", 0, 4))}", 8), "belong to no tensor"),
    ("huge", bytes("{}", 0, length: 1_000_000_000_000), "1000000000000"),
    ("endless", bytes("{}", 0, length: .max), "\(UInt64.max)"),
    ("type", bytes("{\"a\":\(one("F31", "[1]", 0, 4))}", 4), "F31"),
    ("json", bytes("{\"a\":", 0), "JSON"),
    ("list", bytes("[1,2]", 0), "JSON object"),
    ("fields", bytes("{\"a\":{\"dtype\":\"F32\"}}", 0), "data_offsets"),
    ("size", bytes("{\"a\":\(one("F32", "[3]", 0, 8))}", 8), "takes 12 bytes"),
    ("negative", bytes("{\"a\":\(one("F32", "[-1]", 0, 4))}", 4), "impossible"),
    (
      "overflow", bytes("{\"a\":\(one("F32", "[4611686018427387904,4]", 0, 4))}", 4), "impossible"
    ),
    ("backwards", bytes("{\"a\":\(one("F32", "[1]", 4, 0))}", 4), "outside"),
  ]

  @Test(arguments: bad.indices) func aBadFileIsNamed(_ index: Int) throws {
    let (name, bytes, reason) = Self.bad[index]
    let path = try folder.file("\(name).safetensors", bytes)
    let found = try #require(message { _ = try SafeTensorsFile(path: path) })
    #expect(found.contains(path))
    #expect(found.contains(reason), "\(found)")
  }

  @Test func aMissingFileIsNamed() {
    let path = folder.path + "/none.safetensors"
    #expect(message { _ = try SafeTensorsFile(path: path) }?.contains(path) == true)
  }
}
