public import TandemTorch

/// Where the sequences of one stream lie in its rows: end to end, no padding.
public struct PackedLayout: Sendable, Equatable {
  /// The first row of each sequence, and after the last one the number of rows.
  public let offsets: [Int]
  /// What identifies each sequence to dropout, however a step is cut into batches.
  public let sequenceKeys: [UInt64]

  public init(lengths: [Int], sequenceKeys: [UInt64]) {
    var offsets = [0]
    offsets.reserveCapacity(lengths.count + 1)
    for length in lengths { offsets.append(offsets[offsets.count - 1] + length) }
    self.offsets = offsets
    self.sequenceKeys = sequenceKeys
  }

  public var sequenceCount: Int { offsets.count - 1 }
  public var rowCount: Int { offsets[offsets.count - 1] }
  public func rows(of sequence: Int) -> Range<Int> { offsets[sequence]..<offsets[sequence + 1] }

  /// One key a row: a function of the sequence's key and the row's place in it.
  public func rowKeys() -> [Int64] {
    var keys: [Int64] = []
    keys.reserveCapacity(rowCount)
    for sequence in 0..<sequenceCount {
      // Mixed first, so that sequences whose keys are neighbours share no row's key.
      let start = mixed(sequenceKeys[sequence])
      for place in 0..<rows(of: sequence).count {
        keys.append(Int64(bitPattern: mixed(start &+ UInt64(place))))
      }
    }
    return keys
  }
}

/// The rows of one stream on their device, and the keys of their dropout.
public struct PackedRows {
  /// int64 [T].
  public let keys: Tensor
  public let count: Int

  public init(_ layout: PackedLayout, on device: Device = .cpu) throws {
    keys = try Tensor(layout.rowKeys(), on: device)
    count = layout.rowCount
  }
}

/// Attention as a list of spans instead of a mask: query rows, key rows, causal or not.
public struct AttentionSpans: Sendable, Equatable {
  /// Five numbers a span: first query row, query rows, first key row, key rows, causal.
  public private(set) var numbers: [Int] = []

  public init() {}

  public var count: Int { numbers.count / 5 }

  /// One span.
  struct Span {
    let queries: Range<Int>
    let keys: Range<Int>
    let isCausal: Bool
  }

  var list: [Span] {
    stride(from: 0, to: numbers.count, by: 5).map { place in
      Span(
        queries: numbers[place]..<numbers[place] + numbers[place + 1],
        keys: numbers[place + 2]..<numbers[place + 2] + numbers[place + 3],
        isCausal: numbers[place + 4] == 1)
    }
  }

  /// Adds a span. A causal one is aligned at its ends: its last query row sees every key.
  public mutating func append(queries: Range<Int>, keys: Range<Int>, causal: Bool = false) {
    guard !queries.isEmpty, !keys.isEmpty else { return }
    numbers += [queries.lowerBound, queries.count, keys.lowerBound, keys.count, causal ? 1 : 0]
  }

  /// Every row sees every row of its sequence.
  public static func full(_ layout: PackedLayout) -> AttentionSpans {
    var spans = AttentionSpans()
    for sequence in 0..<layout.sequenceCount {
      spans.append(queries: layout.rows(of: sequence), keys: layout.rows(of: sequence))
    }
    return spans
  }

  /// The first `prefixes[i]` rows of sequence i see one another; each later row sees the prefix,
  /// the rows before it and itself.
  public static func prefixCausal(_ layout: PackedLayout, prefixes: [Int]) -> AttentionSpans {
    var spans = AttentionSpans()
    for sequence in 0..<layout.sequenceCount {
      let rows = layout.rows(of: sequence)
      let middle = rows.lowerBound + Swift.min(prefixes[sequence], rows.count)
      spans.append(queries: rows.lowerBound..<middle, keys: rows.lowerBound..<middle)
      spans.append(queries: middle..<rows.upperBound, keys: rows, causal: true)
    }
    return spans
  }

  /// The rows of each sequence in one stream see all its rows in the other.
  public static func cross(from queries: PackedLayout, to keys: PackedLayout) -> AttentionSpans {
    var spans = AttentionSpans()
    for sequence in 0..<Swift.min(queries.sequenceCount, keys.sequenceCount) {
      spans.append(queries: queries.rows(of: sequence), keys: keys.rows(of: sequence))
    }
    return spans
  }
}
