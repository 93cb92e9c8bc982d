import TandemTorch
import Testing
import TestSupport

@Suite struct TensorTests {
  private func roundTrip<Element: TensorElement & Equatable>(_ values: [Element]) throws {
    let tensor = try Tensor(values, [2, values.count / 2])
    #expect(tensor.shape == [2, values.count / 2])
    #expect(tensor.dtype == Element.dtype)
    #expect(try tensor.array(of: Element.self) == values)
    // A transposed view gives its elements in its own row-major order.
    let half = values.count / 2
    let expected = (0..<half).flatMap { [values[$0], values[half + $0]] }
    #expect(try tensor.transposed(0, 1).array(of: Element.self) == expected)
  }

  @Test func elementsGoInAndComeOut() throws {
    try roundTrip([0, 1.5, -2, Float.greatestFiniteMagnitude] as [Float])
    try roundTrip([0, 1e-300, -2, .infinity] as [Double])
    try roundTrip([0, 1, -2, .max] as [Int64])
    try roundTrip([0, 1, -2, .min] as [Int])
    try roundTrip([0, 1, -2, .max] as [Int32])
    try roundTrip([0, 1, 2, 255] as [UInt8])
    try roundTrip([true, false, false, true])
    try roundTrip([0, 1.5, -2, 65504] as [Float16])
  }

  @Test func bfloat16KeepsItsEightBits() throws {
    let values: [Float] = [1, -2.5, 1.0078125, 3e38]
    let narrow = try Tensor(values).to(.bfloat16)
    #expect(narrow.dtype == .bfloat16)
    let back = try narrow.floats()
    #expect(back[0...2] == values[0...2])
    #expect(abs(back[3] / values[3] - 1) < 1 / 256)
  }

  @Test(arguments: DType.allCases) func everyTypeHasItsSize(_ dtype: DType) throws {
    let tensor = try Tensor.zeros([3, 5], dtype)
    #expect(tensor.dtype == dtype)
    #expect(try tensor.withBytes { $0.count } == 15 * dtype.byteCount)
    #expect(try Tensor.zeros([0, 5], dtype).floats() == [])
  }

  @Test func memoryIsSharedAndKept() throws {
    final class Owner {
      let memory = UnsafeMutablePointer<Float>.allocate(capacity: 4)
      let left: () -> Void
      init(_ left: @escaping () -> Void) {
        self.left = left
        memory.initialize(repeating: 7, count: 4)
      }
      deinit {
        memory.deallocate()
        left()
      }
    }
    var freed = false
    do {
      let view: Tensor
      do {
        let owner = Owner { freed = true }
        view = try Tensor(over: owner.memory, [4], .float32, owner: owner).narrow(0, from: 1, 2)
      }
      #expect(!freed)
      #expect(try view.floats() == [7, 7])
    }
    #expect(freed)
  }

  @Test func sizesCountFromBothEnds() throws {
    let tensor = try Tensor.zeros([2, 3, 5])
    #expect([0, 1, 2, -1, -3, 3, -4].map { tensor.size($0) } == [2, 3, 5, 5, 2, 0, 0])
    #expect(tensor.count == 30)
    #expect(try Tensor.range(4).array(of: Int.self) == [0, 1, 2, 3])
    #expect(try Tensor.full([2], 2.5).floats() == [2.5, 2.5])
  }

  // MARK: mistakes are Swift errors

  private func error(_ body: () throws -> Void) -> TorchError? {
    do {
      try body()
      return nil
    } catch { return error as? TorchError }
  }

  @Test func shapesThatDoNotFit() throws {
    let found = error { _ = try Tensor.zeros([2, 3]) + Tensor.zeros([2, 4]) }
    #expect(found?.kind == .invalid)
    #expect(found?.operation == "aten::add.Tensor")
    #expect(found?.shapes == [[2, 3], [2, 4]])
    #expect(found?.message.contains("must match") == true)
  }

  @Test func bytesThatDoNotFit() throws {
    #expect(
      error { _ = try Tensor([1, 2, 3] as [Float], [2, 2]) }?.message.contains("16") == true)
    let tensor = try Tensor([1, 2] as [Float])
    var small = [UInt8](repeating: 0, count: 7)
    #expect(error { try small.withUnsafeMutableBytes { try tensor.copyBytes(into: $0) } } != nil)
  }

  @Test func theWrongElementType() throws {
    let found = error { _ = try Tensor([1, 2] as [Float]).array(of: Int64.self) }
    #expect(found?.message.contains("float32") == true)
    #expect(found?.message.contains("int64") == true)
    #expect(error { _ = try Tensor.zeros([2]).item() } != nil)
    #expect(error { _ = try Tensor.zeros([2], .int64).withMutableFloats { _ in } } != nil)
  }

  @Test func moreMemoryThanThereIs() throws {
    let found = error { _ = try Tensor.empty([1 << 50], .uint8) }
    #expect(found?.kind == .outOfMemory)
    #expect(found?.operation == "aten::empty.memory_format")
  }

  @Test func indicesOutOfRange() throws {
    #expect(error { _ = try Tensor.zeros([3, 2]).rows(Tensor([3])) } != nil)
    #expect(error { _ = try Tensor.zeros([3, 2]).embedding(Tensor([-1])) } != nil)
    #expect(error { _ = try Tensor.zeros([3, 2]).narrow(0, from: 2, 2) } != nil)
    #expect(error { _ = try Tensor.zeros([3, 2]).view([4]) } != nil)
  }

  @Test func devicesByName() {
    #expect(Device("cpu") == .cpu)
    #expect(Device("cuda") == .cuda(0))
    #expect(Device("cuda:3")?.description == "cuda:3")
    for text in ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "CPU"] { #expect(Device(text) == nil) }
  }

  @Test func inPlaceArithmetic() throws {
    let x = try Tensor([1, 2, 3] as [Float])
    try x.add(Tensor([1, 1, 1] as [Float]), scale: -2)
    #expect(try x.floats() == [-1, 0, 1])
    try x.multiply(by: 3)
    try x.interpolate(towards: Tensor([1, 1, 1] as [Float]), by: 0.5)
    #expect(try x.floats() == [-1, 0.5, 2])
    let two = try Tensor([2, 2, 2] as [Float])
    try x.addProduct(two, two, scale: 0.25)
    #expect(try x.floats() == [0, 1.5, 3])
    try x.addQuotient(two, two, scale: -1)
    #expect(try x.floats() == [-1, 0.5, 2])
    try x.copy(from: Tensor([7] as [Int64]))
    #expect(try x.floats() == [7, 7, 7])
    try x.fillZero()
    #expect(try x.floats() == [0, 0, 0])
  }

  @Test func rowsGatheredAndReplaced() throws {
    let table = try Tensor([0, 1, 10, 11, 20, 21] as [Float], [3, 2])
    let index = try Tensor([2, 0])
    #expect(try table.rows(index).floats() == [20, 21, 0, 1])
    #expect(try table.embedding(index).floats() == [20, 21, 0, 1])
    let source = try Tensor([1, 1, 2, 2] as [Float], [2, 2])
    #expect(try table.addingRows(source, at: index).floats() == [2, 3, 10, 11, 21, 22])
    #expect(try table.replacingRows(at: index, with: source).floats() == [2, 2, 10, 11, 1, 1])
    let (values, places) = try table.top(1)
    #expect(try values.floats() == [1, 11, 21])
    #expect(try places.array(of: Int64.self) == [1, 1, 1])
  }
}
