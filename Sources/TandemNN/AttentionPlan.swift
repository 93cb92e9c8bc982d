public import TandemTorch

/// Who attends to whom, in the form that the device's kernel takes: made once for a batch, used by
/// every layer.
///
/// A processor takes the spans as they are. A GPU takes sequences that lie end to end, as the places
/// where they start: spans are sorted into a call of full ones and a call of causal ones, and rows
/// that do not lie as a call needs them are gathered.
public struct AttentionPlan {
  /// One call of a variable-length kernel.
  struct Call {
    /// int32 [spans + 1], on the device.
    let queryStarts: Tensor
    let keyStarts: Tensor
    let mostQueries: Int
    let mostKeys: Int
    let isCausal: Bool
    /// int64 rows to gather; nil where all rows are read in order.
    let queryRows: Tensor?
    let keyRows: Tensor?
  }

  public let spans: AttentionSpans
  /// Empty on a processor.
  let calls: [Call]
  /// For each query row its row among the calls' results laid end to end, the row after the last
  /// one for those that no span asks for; nil where they lie in order already.
  let order: Tensor?
  let leavesRowsOut: Bool

  public init(_ spans: AttentionSpans, queryRows: Int, keyRows: Int, on device: Device) throws {
    self.spans = spans
    guard device != .cpu else {
      calls = []
      order = nil
      leavesRowsOut = false
      return
    }
    let all = spans.list
    let groups = [all.filter { !$0.isCausal }, all.filter(\.isCausal)].filter { !$0.isEmpty }
    calls = try groups.map {
      try Self.call($0, queryRows: queryRows, keyRows: keyRows, on: device)
    }
    let served = groups.flatMap { $0.flatMap { Array($0.queries) } }
    var places = [Int](repeating: served.count, count: queryRows)
    for (place, row) in served.enumerated() { places[row] = place }
    leavesRowsOut = places.contains(served.count)
    order = places == Array(0..<queryRows) ? nil : try Tensor(places, on: device)
  }

  private static func call(
    _ spans: [AttentionSpans.Span], queryRows: Int, keyRows: Int, on device: Device
  ) throws -> Call {
    func starts(_ lengths: [Int]) throws -> Tensor {
      var starts: [Int32] = [0]
      for length in lengths { starts.append(starts[starts.count - 1] + Int32(length)) }
      return try Tensor(starts, on: device)
    }
    func gathered(_ ranges: [Range<Int>], of count: Int) throws -> Tensor? {
      let rows = ranges.flatMap { Array($0) }
      return rows == Array(0..<count) ? nil : try Tensor(rows, on: device)
    }
    return Call(
      queryStarts: try starts(spans.map(\.queries.count)),
      keyStarts: try starts(spans.map(\.keys.count)),
      mostQueries: spans.map(\.queries.count).max() ?? 0,
      mostKeys: spans.map(\.keys.count).max() ?? 0, isCausal: spans[0].isCausal,
      queryRows: try gathered(spans.map(\.queries), of: queryRows),
      keyRows: try gathered(spans.map(\.keys), of: keyRows))
  }

  /// Scaled dot-product attention of query rows [T, D] to key and value rows [K, D] → [T, D]; with
  /// nil keys the query rows are the fused [T, 3·D]. Rows that no span asks for are 0.
  func attend(
    _ query: Tensor, key: Tensor?, value: Tensor?, heads: Int, _ dropout: Dropout,
    _ rows: PackedRows, _ mode: Mode
  ) throws -> Tensor {
    let probability = mode.isTraining ? dropout.probability : 0
    let seed = dropout.seed(mode)
    guard rows.keys.device != .cpu else {
      return try query.packedAttention(
        key: key, value: value, heads: heads, spans: spans.numbers, rowKeys: rows.keys,
        dropout: probability, seed: seed)
    }
    var parts = (query, key ?? query, value ?? query)
    if key == nil {
      let width = query.size(1) / 3
      parts = (
        try query.narrow(1, from: 0, width), try query.narrow(1, from: width, width),
        try query.narrow(1, from: 2 * width, width)
      )
    }
    var results = try calls.enumerated().map { place, call in
      func taken(_ rows: Tensor, _ places: Tensor?) throws -> Tensor {
        try places.map { try rows.rows($0) } ?? rows
      }
      return try taken(parts.0, call.queryRows).variableLengthAttention(
        key: taken(parts.1, call.keyRows), value: taken(parts.2, call.keyRows), heads: heads,
        queryStarts: call.queryStarts, keyStarts: call.keyStarts, mostQueries: call.mostQueries,
        mostKeys: call.mostKeys, isCausal: call.isCausal, dropout: probability,
        seed: mixed(seed ^ UInt64(place)))
    }
    if leavesRowsOut {
      results.append(try Tensor.zeros([1, parts.0.size(1)], query.dtype, on: query.device))
    }
    let all = results.count == 1 ? results[0] : try Tensor.concatenated(results)
    return try order.map { try all.rows($0) } ?? all
  }
}
