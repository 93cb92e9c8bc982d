// NumPy's arrays in pickles and in its own files; PyTorch's tensors in both containers.

import Foundation
import TandemFiles
import TandemPickle
import Testing

struct ArrayPickleTests {
  @Test(arguments: [1, 2, 3, 4, 5])
  func arraysInPickles(version: Int) throws {
    let value = try PickleFile.open(Fixture.path("numpy\(version).pkl"))
    for (name, expected) in try Fixture.expected(under: "numpy") {
      // Pickling makes a strided array dense; the numbers and the shape stay.
      try expectSame(try value.array(at: name), expected, name, strides: false)
    }
    #expect(try value.array(at: "fortran").isFortranOrdered)
    #expect(try !value.array(at: "fortran").isContiguous)
    #expect(try value.array(at: "float32").isContiguous)
    #expect(try value.integer(at: "scalar_int") == -5)
    #expect(try value.number(at: "scalar") == 1.25)
    #expect(try value.integer(at: "scalar_bool") == 1)
    #expect(throws: PickleError.self) { try value.integer(at: "scalar") }
    if version > 1 {
      let maker = version == 5 ? "_frombuffer" : "_reconstruct"
      #expect(try value["texts"].object.className.hasSuffix(maker))
      #expect(try value["objects"].object.className.hasSuffix("_reconstruct"))
    }
  }

  @Test
  func detectronWeights() throws {
    let weights = try PickleFile.open(Fixture.path("detectron.pkl")).stateDict()
    #expect(weights.path == ["model"])
    #expect(weights.names == ["stem.weight", "stem.bias"])
    let weight = try #require(weights["stem.weight"])
    #expect(weight.shape == [2, 3, 4])
    #expect(try weight.floats() == (0..<24).map { Float($0) })
  }

  @Test(arguments: ["zip.pt", "sequence.pt"])
  func torchFiles(name: String) throws {
    let file = try TorchFile.open(Fixture.path(name))
    #expect(file.container == (name == "zip.pt" ? .zip : .sequence))
    #expect(try file.value.integer(at: "epoch") == 3)
    #expect(try file.value.string(at: "name") == "tändem")
    let extra = try file.value["extra"]
    for (name, expected) in try Fixture.expected(under: "extra") {
      try expectSame(try extra.array(at: name), expected, name)
    }
    let weights = try file.stateDict()
    #expect(weights.path == ["state_dict"])
    let expected = try Fixture.expected(under: "state_dict")
    #expect(weights.names.sorted() == expected.map(\.name).sorted())
    for (name, array) in expected { try expectSame(try #require(weights[name]), array, name) }
    let state = try #require(try file.value["optimizer"].dictionary(at: "state")[key: 0])
    for (name, expected) in try Fixture.expected(under: "optimizer") {
      try expectSame(try state.array(at: name), expected, name)
    }
  }

  @Test(arguments: ["zip.pt", "sequence.pt"])
  func whatLiesBesideTheWeights(name: String) throws {
    let value = try TorchFile.open(Fixture.path(name)).value
    #expect(try value["options"].object.className == "__main__.Options")
    #expect(try value["options"].object.state.number(at: "learning_rate") == 0.5)
    #expect(try value.sequence(at: "size").map { try $0.integer } == [2, 3])
    #expect(try value["device"].object.className == "torch.device")
    guard case .type(let type) = try value["type"] else {
      Issue.record("expected a name")
      return
    }
    #expect(type.description == "torch.bfloat16")
    #expect(throws: PickleError.self) { try value.integer(at: "seed") }
    #expect(try value["extra"]["complex"].object.className.contains("_rebuild_tensor"))
    let metadata = try value.dictionary(at: "state_dict").attributes["_metadata"]
    #expect(try metadata["norm"].integer(at: "version") == 2)
  }

  @Test(arguments: ["zip.pt", "sequence.pt"])
  func sharedStorages(name: String) throws {
    let file = try TorchFile.open(Fixture.path(name))
    let extra = try file.value["extra"]
    let base = try extra.array(at: "base")
    for view in ["offset", "column", "transposed", "cut"] {
      #expect(base.sharesStorage(with: try extra.array(at: view)), "\(view)")
    }
    #expect(!base.sharesStorage(with: try extra.array(at: "double")))
    let weights = try file.stateDict()
    let tied = try #require(weights["tied"])
    #expect(tied.sharesStorage(with: try #require(weights["second.weight"])))
    #expect(try extra.array(at: "column").contiguousBytes == nil)
    let offset = try extra.array(at: "offset")
    #expect(offset.offset == 6)
    let slice = try #require(offset.contiguousBytes)
    #expect(slice.count == 48)
    #expect(slice.offset == base.storage.offset + 24)
  }

  @Test
  func viewsOfTheOldestFiles() throws {
    let value = try TorchFile.open(Fixture.path("views.pt")).value
    for (name, expected) in try Fixture.expected(under: "views") {
      try expectSame(try value.array(at: name), expected, name)
    }
  }

  /// A file of 400 MB without a byte of it on the disk: opening it must look at a few pages only.
  @Test
  func openingReadsNoStorage() throws {
    let count = 100_000_000
    var object: [UInt8] = [0x80, 2] + Array("ctorch._utils\n_rebuild_tensor\n((X".utf8)
    object += [7, 0, 0, 0] + Array("storagectorch\nFloatStorage\nX".utf8)
    object += [1, 0, 0, 0] + Array("0X".utf8) + [6, 0, 0, 0] + Array("cuda:0".utf8)
    object += [0x4a] + withUnsafeBytes(of: Int32(count)) { Array($0) }
    object += Array("NtQK".utf8) + [0] + [0x4a] + withUnsafeBytes(of: Int32(count)) { Array($0) }
    object += [0x85, 0x4b, 1, 0x85, 0x74, 0x52, 0x2e]
    var head: [UInt8] = [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50]
    head += [0x19, 0x2e]
    head += try PickleWriter.write(1001) + PickleWriter.write([:]) + object
    head += try PickleWriter.write(["0"])
    head += withUnsafeBytes(of: Int64(count)) { Array($0) }
    try withTemporaryFolder { folder in
      let path = folder + "/large.pt"
      try Data(head).write(to: URL(fileURLWithPath: path))
      #expect(truncate(path, head.count + 4 * count) == 0)
      let array = try TorchFile.open(path).value.array
      #expect(array.shape == [count])
      let file = try #require(array.storage.file)
      #expect(try residentPages(of: file) < 64)
      // The measure itself is seen to work: a page that is read counts.
      let before = try residentPages(of: file)
      #expect(array.storage.withBytes { $0[200_000_000] } == 0)
      #expect(try residentPages(of: file) > before)
    }
  }

  private func residentPages(of file: MappedFile) throws -> Int {
    var pages = [UInt8](repeating: 0, count: (file.count + 4095) / 4096)
    let status = file.withBytes {
      mincore(UnsafeMutableRawPointer(mutating: $0.baseAddress), $0.count, &pages)
    }
    try #require(status == 0)
    return pages.count { $0 & 1 == 1 }
  }

  @Test(arguments: ["small-zip.pt", "small-sequence.pt", "protocol4.pt", "big-endian.pt"])
  func smallFiles(name: String) throws {
    let value = try TorchFile.open(Fixture.path(name)).value
    #expect(try value.integer(at: "step") == 7)
    let weight = try value.array(at: "weight")
    #expect(weight.shape == [2, 3])
    #expect(try weight.floats() == [0, 1, 2, 3, 4, 5])
    #expect(weight.isBigEndian == (name == "big-endian.pt"))
    let bytes = try weight.littleEndianBytes()
    #expect(bytes == (0..<6).flatMap { withUnsafeBytes(of: Float($0)) { Array($0) } })
  }

  @Test
  func filesOfOtherKindsAreNamed() throws {
    func message(_ body: () throws -> Void) -> String {
      (#expect(throws: PickleError.self) { try body() })?.description ?? ""
    }
    #expect(message { _ = try TorchFile.open(Fixture.path("plain2.pkl")) }.contains("PickleFile"))
    #expect(message { _ = try TorchFile.open(Fixture.path("mixed.zip")) }.contains("data.pkl"))
    #expect(message { _ = try PickleFile.open(Fixture.path("zip.pt")) }.contains("TorchFile"))
    #expect(message { _ = try PickleFile.open(Fixture.path("sequence.pt")) }.contains("TorchFile"))
    #expect(
      message { _ = try TorchFile.open(Fixture.path("bare.pt")).stateDict() }.contains("array"))
    let tar =
      [UInt8](repeating: 0, count: 257) + Array("ustar".utf8) + [UInt8](repeating: 0, count: 250)
    #expect(message { _ = try TorchFile.open(ByteSlice(tar), name: "old.pt") }.contains("tar"))
  }

  /// Against the processor's own conversion, for every one of the 65,536 numbers.
  @Test
  func everyHalfPrecisionNumber() throws {
    let bits = (0...UInt16.max).map { $0 }
    let bytes = bits.flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }
    for (isBigEndian, bytes) in [
      (false, bytes), (true, bits.flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] }),
    ] {
      let array = try PickleArray(
        .float16, shape: [65536], isBigEndian: isBigEndian, storage: ByteSlice(bytes))
      let floats = try array.floats()
      let different = bits.filter {
        let wanted = Float(Float16(bitPattern: $0))
        let found = floats[Int($0)]
        return wanted.isNaN ? !found.isNaN : wanted.bitPattern != found.bitPattern
      }
      #expect(different.isEmpty)
    }
  }

  /// Any strides, against an index computed by hand.
  @Test
  func anyStrides() throws {
    let numbers = (0..<1000).map { Float($0) }
    let storage = try PickleArray(numbers, shape: [1000]).storage
    var rng = SeededGenerator(state: 5)
    for _ in 0..<200 {
      let shape = (0..<Int.random(in: 1...4, using: &rng)).map { _ in
        Int.random(in: 0...4, using: &rng)
      }
      let strides = shape.map { _ in Int.random(in: 0...60, using: &rng) }
      let offset = Int.random(in: 0...50, using: &rng)
      let array = try PickleArray(
        .float32, shape: shape, strides: strides, offset: offset, storage: storage)
      var wanted: [Float] = []
      for flat in 0..<shape.reduce(1, *) {
        var rest = flat
        var place = offset
        for axis in shape.indices.reversed() {
          place += rest % shape[axis] * strides[axis]
          rest /= shape[axis]
        }
        wanted.append(Float(place))
      }
      #expect(try array.floats() == wanted)
    }
  }

  @Test
  func arraysOutsideOfTheirStorageAreRefused() throws {
    let storage = ByteSlice([UInt8](repeating: 0, count: 40))
    func refused(_ shape: [Int], _ strides: [Int]? = nil, offset: Int = 0) {
      #expect(throws: PickleError.self) {
        try PickleArray(.float32, shape: shape, strides: strides, offset: offset, storage: storage)
      }
    }
    #expect(throws: Never.self) { try PickleArray(.float32, shape: [2, 5], storage: storage) }
    refused([11])
    refused([10], offset: 1)
    refused([2, 2], [9, 1])
    refused([2], [-1])
    refused([-2])
    refused([Int.max, Int.max])
    refused([2], [Int.max], offset: 1)
    refused([1 << 40], [0])
    refused([1, 1], [1])
    refused([1], offset: Int.max)
    #expect(throws: PickleError.self) { try PickleArray([1, 2, 3] as [Float], shape: [2]) }
  }
}
