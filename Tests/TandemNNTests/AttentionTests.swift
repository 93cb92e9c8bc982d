import TandemNN
import TandemTorch
import Testing
import TestSupport

@Suite struct AttentionTests {
  private static let heads = 4

  private static func layout(_ lengths: [Int]) -> PackedLayout {
    PackedLayout(lengths: lengths, sequenceKeys: lengths.indices.map { mixed(UInt64($0)) })
  }

  private static func attend(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ spans: AttentionSpans, _ keys: Tensor,
    dropout: Double = 0, seed: UInt64 = 0
  ) throws -> Tensor {
    try q.packedAttention(
      key: k, value: v, heads: heads, spans: spans.numbers, rowKeys: keys, dropout: dropout,
      seed: seed)
  }

  /// Attention of one sequence with a dense mask: what spans are to equal. `sees(i, j)` says
  /// whether query i sees key j.
  private static func dense(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ sees: (Int, Int) -> Bool
  ) throws -> Tensor {
    let width = q.size(1) / heads
    let mask = try Tensor(
      (0..<q.size(0)).flatMap { i in (0..<k.size(0)).map { sees(i, $0) ? Float(0) : -1e9 } },
      [q.size(0), k.size(0)])
    let parts = try (0..<heads).map { head in
      let scores = try q.narrow(1, from: head * width, width)
        .matmul(k.narrow(1, from: head * width, width).transposed(0, 1))
      let weights = try (scores / Double(width).squareRoot() + mask).softmax(-1)
      return try weights.matmul(v.narrow(1, from: head * width, width))
    }
    return try Tensor.concatenated(parts, 1)
  }

  @Test(arguments: ["cross", "causal"]) func spansAgainstTheReference(_ name: String) throws {
    let file = try Fixtures.tensors("training/attention.safetensors")
    let queries = Self.layout(try file.integers(name + ".query_lengths"))
    let keys = Self.layout(try file.integers(name + ".key_lengths"))
    let parts = try ["query", "key", "value"].map { try leaf(file.tensor("\(name).\($0)")) }
    let spans =
      name == "cross"
      ? AttentionSpans.cross(from: queries, to: keys)
      : .prefixCausal(queries, prefixes: [0, 0])
    let output = try Self.attend(
      parts[0], parts[1], parts[2], spans, PackedRows(queries).keys)
    try (output * file.tensor(name + ".cotangent")).sum().backward()
    #expect(try difference(output, file.tensor(name + ".output")) < Tolerance.output)
    for (part, tensor) in zip(["query", "key", "value"], parts) {
      let found = try #require(try tensor.gradient())
      let expected = try file.tensor("\(name).grad.\(part)")
      #expect(try relativeDifference(found, expected) < Tolerance.gradient, "\(part)")
    }
  }

  @Test func theFusedFormIsTheSame() throws {
    let layout = Self.layout([3, 3, 5])
    let fused = try leaf(randomTensor([11, 48], seed: 1))
    let parts = try (0..<3).map { try leaf(fused.detached().narrow(1, from: 16 * $0, 16)) }
    let keys = try PackedRows(layout).keys
    let spans = AttentionSpans.full(layout)
    for dropout in [0, 0.2] {
      let one = try fused.packedAttention(
        key: nil, value: nil, heads: 4, spans: spans.numbers, rowKeys: keys, dropout: dropout,
        seed: 5)
      let other = try Self.attend(
        parts[0], parts[1], parts[2], spans, keys, dropout: dropout, seed: 5)
      #expect(try difference(one, other) < Tolerance.rounding)
      try (one * one).sum().backward()
      try (other * other).sum().backward()
    }
    let separate = try Tensor.concatenated(parts.compactMap { try $0.gradient() }, 1)
    #expect(try relativeDifference(#require(try fused.gradient()), separate) < Tolerance.gradient)
  }

  @Test func packedIsEachSequenceAlone() throws {
    let lengths = [3, 1, 3, 6]
    let layout = Self.layout(lengths)
    let parts = try (1...3).map { try randomTensor([13, 16], seed: $0) }
    let keys = try PackedRows(layout).keys
    for dropout in [0, 0.3] {
      let all = try Self.attend(
        parts[0], parts[1], parts[2], .full(layout), keys, dropout: dropout, seed: 9)
      for sequence in lengths.indices {
        let rows = layout.rows(of: sequence)
        let own = try parts.map { try $0.narrow(0, from: rows.lowerBound, rows.count) }
        let alone = PackedLayout(
          lengths: [rows.count], sequenceKeys: [layout.sequenceKeys[sequence]])
        let found = try Self.attend(
          own[0], own[1], own[2], .full(alone), PackedRows(alone).keys, dropout: dropout, seed: 9)
        let expected = try all.narrow(0, from: rows.lowerBound, rows.count)
        #expect(try difference(found, expected) < Tolerance.rounding)
      }
    }
  }

  @Test(arguments: [[0, 0], [2, 3], [4, 1], [5, 9]])
  func prefixCausalAgainstADenseMask(_ prefixes: [Int]) throws {
    let layout = Self.layout([5, 6])
    let parts = try (1...3).map { try leaf(randomTensor([11, 16], seed: $0)) }
    let others = try parts.map { try leaf($0) }
    let cotangent = try randomTensor([11, 16], seed: 8)
    let found = try Self.attend(
      parts[0], parts[1], parts[2], .prefixCausal(layout, prefixes: prefixes),
      PackedRows(layout).keys)
    let expected = try Tensor.concatenated(
      (0..<2).map { sequence in
        let rows = layout.rows(of: sequence)
        let own = try others.map { try $0.narrow(0, from: rows.lowerBound, rows.count) }
        return try Self.dense(own[0], own[1], own[2]) { i, j in j <= i || j < prefixes[sequence] }
      })
    #expect(try difference(found, expected) < Tolerance.rounding)
    try (found * cotangent).sum().backward()
    try (expected * cotangent).sum().backward()
    for (a, b) in zip(parts, others) {
      let gap = try relativeDifference(#require(try a.gradient()), #require(try b.gradient()))
      #expect(gap < Tolerance.gradient)
    }
  }

  @Test func rowsThatNothingAsksForAreZero() throws {
    let x = try randomTensor([6, 16], seed: 1)
    var spans = AttentionSpans()
    spans.append(queries: 1..<3, keys: 0..<6)
    spans.append(queries: 4..<4, keys: 0..<6)
    #expect(spans.count == 1)
    let keys = try PackedRows(Self.layout([6])).keys
    let output = try Self.attend(x, x, x, spans, keys)
    for row in [0, 3, 4, 5] { #expect(try largest(output.narrow(0, from: row, 1)) == 0) }
    #expect(try largest(output.narrow(0, from: 1, 2)) > 0)
  }

  @Test func spansOutsideTheRowsAreRefused() throws {
    let x = try randomTensor([6, 16], seed: 1)
    let keys = try PackedRows(Self.layout([6])).keys
    for (queries, seen) in [(0..<7, 0..<6), (0..<6, 3..<8)] {
      var spans = AttentionSpans()
      spans.append(queries: queries, keys: seen)
      #expect(throws: TorchError.self) { try Self.attend(x, x, x, spans, keys) }
    }
  }

  // MARK: dropout of the weights

  @Test func dropoutIsRightOnAverage() throws {
    let layout = Self.layout([4, 5])
    let parts = try (1...3).map { try randomTensor([9, 16], seed: $0) }
    let keys = try PackedRows(layout).keys
    let dry = try Self.attend(parts[0], parts[1], parts[2], .full(layout), keys)
    let count = 4000
    let sum = try Tensor.zeros([9, 16])
    let squares = try Tensor.zeros([9, 16])
    for seed in 0..<count {
      let wet = try Self.attend(
        parts[0], parts[1], parts[2], .full(layout), keys, dropout: 0.1, seed: mixed(UInt64(seed)))
      let gap = try wet - dry
      try sum.add(gap)
      try squares.addProduct(gap, gap, scale: 1)
    }
    // Every element's mean within five of its own standard errors.
    for (total, square) in zip(try sum.floats(), try squares.floats()) {
      let deviation = (square / Float(count)).squareRoot()
      #expect(deviation > 0)
      #expect(abs(total / Float(count)) < 5 * deviation / Float(count).squareRoot())
    }
  }

  @Test func dropoutBitsAreFixedAndBackwardUsesThem() throws {
    let layout = Self.layout([4, 4, 3])
    let values = try (1...3).map { try randomTensor([11, 16], seed: $0) }
    let cotangent = try randomTensor([11, 16], seed: 7)
    let keys = try PackedRows(layout).keys
    func value(_ parts: [Tensor]) throws -> Tensor {
      let output = try Self.attend(
        parts[0], parts[1], parts[2], .full(layout), keys, dropout: 0.1, seed: 3)
      return try (output * cotangent).sum()
    }
    let leaves = try values.map(leaf)
    let total = try value(leaves)
    #expect(try total.item() == value(values).item())
    try total.backward()
    for place in 0..<3 {
      let gradient = try #require(try leaves[place].gradient())
      let slope = try slopes(at: values[place], gradient: gradient, seed: 40) { moved in
        var parts = values
        parts[place] = moved
        return try value(parts).item()
      }
      let gap = abs(slope.difference - slope.gradient)
      #expect(
        gap < Tolerance.finiteDifference * max(1, abs(slope.gradient)),
        "part \(place): \(slope)")
    }
  }

  // MARK: packing

  @Test func rowKeysDoNotDependOnTheBatch() {
    let all = PackedLayout(lengths: [3, 2, 4], sequenceKeys: [7, 8, 9])
    let keys = all.rowKeys()
    #expect(Set(keys).count == 9)
    for sequence in 0..<3 {
      let rows = all.rows(of: sequence)
      let alone = PackedLayout(lengths: [rows.count], sequenceKeys: [all.sequenceKeys[sequence]])
      #expect(alone.rowKeys() == Array(keys[rows]))
      #expect(alone.rowCount == rows.count)
    }
    #expect(all.rowCount == 9)
    #expect(all.sequenceCount == 3)
  }

  @Test func spansOfTwoStreams() {
    let text = PackedLayout(lengths: [2, 3], sequenceKeys: [1, 2])
    let image = PackedLayout(lengths: [4, 1], sequenceKeys: [1, 2])
    #expect(
      AttentionSpans.cross(from: text, to: image).numbers == [0, 2, 0, 4, 0, 2, 3, 4, 1, 0])
    #expect(
      AttentionSpans.prefixCausal(text, prefixes: [1, 3]).numbers
        == [0, 1, 0, 1, 0, 1, 1, 0, 2, 1, 2, 3, 2, 3, 0])
  }
}
