// The allocator that keeps its memory: other tests use it at the same time, so that only what must
// hold whatever they do is asked for here. Page faults are counted in a process of their own
// (EndToEndTests).

import TandemTorch
import TestSupport
import Testing

@Suite struct MemoryTests {
  /// Blocks of many sizes, taken and given back in any order on several threads, never overlap.
  @Test(arguments: 0..<4) func blocksAreTheirOwn(_ worker: Int) throws {
    try TorchRuntime.configure(threads: TorchRuntime.threads)
    var stream = RandomStream(seed: UInt64(worker))
    var held: [(tensor: Tensor, value: Double)] = []
    func check(_ place: Int) throws {
      let (tensor, value) = held.remove(at: place)
      let low = try (-tensor).max().item()
      let high = try tensor.max().item()
      #expect(-low == value && high == value)
    }
    for round in 0..<300 {
      let count = 1 << stream.below(21) + stream.below(1000)
      let value = Double(worker * 1000 + round)
      held.append((try Tensor.full([count], value), value))
      while held.count > 12 { try check(stream.below(held.count)) }
    }
    while !held.isEmpty { try check(held.count - 1) }
  }

  @Test func memoryIsCounted() throws {
    try TorchRuntime.configure(threads: TorchRuntime.threads)
    let tensor = try Tensor.zeros([1 << 22])
    let memory = try TorchRuntime.memory()
    #expect(memory.segments > 0 && memory.used >= tensor.count * 4 && memory.held >= memory.used)
  }

  @Test func tooMuchIsAnError() throws {
    try TorchRuntime.configure(threads: TorchRuntime.threads)
    #expect {
      _ = try Tensor.empty([1 << 46])
    } throws: {
      ($0 as? TorchError)?.kind == .outOfMemory && "\($0)".contains("not enough memory")
    }
  }
}
