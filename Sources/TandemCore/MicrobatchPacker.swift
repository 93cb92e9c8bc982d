/// Cuts sequences into packed forwards of at most so many rows.
public struct MicrobatchPacker: Sendable {
  public let input: InputSpecification
  /// The most rows of a forward; groups that are larger by themselves go alone.
  public let rowBudget: Int
  /// Whether a GPU is to fetch pixels and features.
  let isPinned: Bool

  public init(_ input: InputSpecification, rowBudget: Int, isPinned: Bool = false) {
    self.input = input
    self.rowBudget = rowBudget
    self.isPinned = isPinned
  }

  /// Packed batches of these sequences, whose groups stay together.
  public func microbatches(_ sequences: [MixedSequence]) throws -> [Microbatch] {
    var units: [[MixedSequence]] = []
    var groups: [Int: Int] = [:]
    for sequence in sequences {
      if sequence.group != 0, let unit = groups[sequence.group] {
        units[unit].append(sequence)
      } else {
        if sequence.group != 0 { groups[sequence.group] = units.count }
        units.append([sequence])
      }
    }
    let rows = units.map { $0.reduce(0) { $0 + input.rowCount($1.sequence) } }
    return try cuts(rows: rows).map { cut in
      let own = cut.flatMap { units[$0] }
      return Microbatch(batch: try batch(own.map(\.sequence)), sequences: own)
    }
  }

  func batch(_ sequences: [InputSequence]) throws -> PackedBatch {
    try PackedBatch(sequences, input, isPinned: isPinned)
  }

  /// The places of units of so many rows, forward after forward. Units of like length come together,
  /// so that attention serves many of them in one call.
  func cuts(rows: [Int]) -> [[Int]] {
    var result: [[Int]] = []
    var filled = 0
    for place in rows.indices.sorted(by: { (rows[$0], $0) < (rows[$1], $1) }) {
      if result.isEmpty || (filled > 0 && filled + rows[place] > rowBudget) {
        result.append([])
        filled = 0
      }
      result[result.count - 1].append(place)
      filled += rows[place]
    }
    return result
  }
}
