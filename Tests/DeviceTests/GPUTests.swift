// What only a GPU can show: its own attention kernels at real sizes, and its memory.

import TandemNN
import TandemTorch
import TestSupport
import Testing

@Suite(.serialized, .enabled(if: Device.isCUDAAvailable, "needs a GPU"))
struct GPUTests {
  private static let gpu = Device.cuda(0)

  /// Heads of 64, sequences of unlike lengths, forward and backward against the processor.
  @Test(arguments: [Precision.float32, .bfloat16], [false, true])
  func attentionAtRealSizes(_ precision: Precision, _ causal: Bool) throws {
    let layout = PackedLayout(lengths: [159, 3, 201, 64], sequenceKeys: [1, 2, 3, 4])
    let spans =
      causal
      ? AttentionSpans.prefixCausal(layout, prefixes: [20, 1, 0, 64]) : .full(layout)
    func run(_ device: Device) throws -> [Tensor] {
      let rows = try PackedRows(layout, on: device)
      let plan = try AttentionPlan(
        spans, queryRows: rows.count, keyRows: rows.count, on: device)
      let store = ParameterStore(seed: 5, precision: precision, device: device)
      let attention = try FusedSelfAttention(768, heads: 12, weightDropout: 0, at: store.root)
      let x = try leaf(randomTensor([rows.count, 768], seed: 1).to(device))
      let out = try attention(x, rows, plan, .inference).to(.float32)
      try (out * randomTensor(out.shape, seed: 3).to(device)).sum().backward()
      return try [out.detached().to(.cpu), #require(try x.gradient()).to(.cpu)]
    }
    let limit = precision == .float32 ? 1e-3 : Tolerance.bfloat16
    for (found, expected) in zip(try run(Self.gpu), try run(.cpu)) {
      #expect(try relativeDifference(found, expected) < limit)
    }
  }

  /// With dropout the same seed gives the same weights, another one others.
  @Test func attentionDropsBySeed() throws {
    let starts = try Tensor([0, 100, 160] as [Int32], on: Self.gpu)
    let x = try randomTensor([160, 128], seed: 1).to(Self.gpu).to(.bfloat16)
    let results = try [1, 1, 2].map { seed in
      try x.variableLengthAttention(
        key: x, value: x, heads: 2, queryStarts: starts, keyStarts: starts, mostQueries: 100,
        mostKeys: 100, isCausal: false, dropout: 0.1, seed: seed
      ).floats()
    }
    #expect(results[0] == results[1] && results[0] != results[2])
  }

  @Test func memoryIsCounted() throws {
    let tensor = try Tensor.zeros([1 << 20], on: Self.gpu)
    try Self.gpu.wait()
    let peak = try Self.gpu.peak()
    #expect(peak.used >= 4 * tensor.count && peak.held >= peak.used)
  }
}
