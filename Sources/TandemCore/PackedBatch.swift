internal import TandemImage
public import TandemNN
public import TandemTorch

/// Sequences laid end to end without padding: a plain value, made on loader threads.
///
/// Each sequence's rows are its text ([CLS] … [SEP]) and then its picture (leading tokens, then
/// patches in raster order). Texts, and pictures that differ, are stored once each; `rows` says
/// how the model lays them out.
public struct PackedBatch: Sendable {
  /// A distinct picture of the batch.
  public struct PackedPicture: Sendable, Equatable {
    public let grid: PatchGrid
    /// Its first row in `patches`.
    public let firstPatch: Int
  }

  public let specification: InputSpecification
  /// Where each sequence's rows lie.
  public let layout: PackedLayout
  public let spans: AttentionSpans
  /// Vocabulary ids of all text rows, sequence after sequence, special tokens included.
  public let tokens: [Int]
  /// Where each sequence's tokens lie in `tokens`.
  public let tokenOffsets: [Int]
  public let pictures: [PackedPicture]
  /// Normalised pixels of all distinct pictures, [P, 3·p·p], channel-major in a patch.
  public private(set) var patches: FloatBuffer
  /// For each sequence its place in `pictures`; −1 without one.
  public let pictureOfSequence: [Int]
  /// For each sequence the hidden patches, by raster place.
  public let hiddenPatches: [[Int]]

  public var sequenceCount: Int { layout.sequenceCount }
  public var patchCount: Int { pictures.reduce(0) { $0 + $1.grid.count } }

  /// Lays out sequences in the given order.
  ///
  /// - Parameter isPinned: whether a GPU is to fetch the patches.
  public init(
    _ sequences: [InputSequence], _ specification: InputSpecification, isPinned: Bool = false
  ) throws {
    var tokens: [Int] = []
    var tokenOffsets = [0]
    var lengths: [Int] = []
    var distinct: [Picture] = []
    var places: [UInt64: Int] = [:]
    var pictureOfSequence: [Int] = []
    for sequence in sequences {
      let textRows = specification.textRows(sequence)
      guard textRows <= specification.textLength else {
        throw DataError(
          "a text of \(textRows) tokens does not fit the model's \(specification.textLength)")
      }
      tokens.append(Int(specification.classification))
      tokens += sequence.text.lazy.map(Int.init)
      tokens.append(Int(specification.separator))
      tokenOffsets.append(tokens.count)
      lengths.append(specification.rowCount(sequence))
      guard let picture = sequence.picture else {
        pictureOfSequence.append(-1)
        continue
      }
      let place = places[picture.key] ?? distinct.count
      if place == distinct.count {
        places[picture.key] = place
        distinct.append(picture)
      }
      pictureOfSequence.append(place)
    }
    self.specification = specification
    self.tokens = tokens
    self.tokenOffsets = tokenOffsets
    self.pictureOfSequence = pictureOfSequence
    hiddenPatches = sequences.map(\.hiddenPatches)
    layout = PackedLayout(lengths: lengths, sequenceKeys: sequences.map(\.key))
    spans = .full(layout)
    (pictures, patches) = try Self.patches(of: distinct, specification, isPinned: isPinned)
  }

  private static func patches(
    of distinct: [Picture], _ specification: InputSpecification, isPinned: Bool
  ) throws -> ([PackedPicture], FloatBuffer) {
    let width = 3 * specification.patchSize * specification.patchSize
    var pictures: [PackedPicture] = []
    var count = 0
    for picture in distinct {
      let grid = specification.grid(picture)
      guard grid.count > 0 else {
        throw DataError(
          "a picture of \(picture.image.width)×\(picture.image.height) is smaller than a patch "
            + "of \(specification.patchSize)")
      }
      pictures.append(PackedPicture(grid: grid, firstPatch: count))
      count += grid.count
    }
    let patches = try FloatBuffer(count: count * width, isPinned: isPinned) { buffer in
      for (picture, packed) in zip(distinct, pictures) {
        let first = packed.firstPatch * width
        try picture.image.patches(
          size: specification.patchSize, mean: specification.mean,
          std: specification.deviation,
          into: UnsafeMutableBufferPointer(
            rebasing: buffer[first..<first + packed.grid.count * width]))
      }
    }
    return (pictures, patches)
  }

  /// The same layout over other patch rows, for pixel values that no picture of bytes holds.
  ///
  /// - Throws: `DataError` when their count is another.
  package func withPatches(_ rows: [Float]) throws -> PackedBatch {
    guard rows.count == patches.count else {
      throw DataError("\(rows.count) patch values given, \(patches.count) needed")
    }
    var result = self
    result.patches = try FloatBuffer(count: rows.count) { _ = $0.update(fromContentsOf: rows) }
    return result
  }

  /// The same batch with its patches on a device, for one who encodes it more than once.
  package func placed(on device: Device) throws -> PackedBatch {
    var result = self
    result.patches = try patches.placed(on: device)
    return result
  }

  // MARK: places

  /// The row of [CLS].
  public func classificationRow(of sequence: Int) -> Int { layout.offsets[sequence] }

  /// The row of the text's piece `piece`, counted without special tokens.
  public func row(ofPiece piece: Int, of sequence: Int) -> Int {
    layout.offsets[sequence] + 1 + piece
  }

  /// Text rows with [CLS] and [SEP].
  public func textRows(of sequence: Int) -> Range<Int> {
    let start = layout.offsets[sequence]
    return start..<start + tokenOffsets[sequence + 1] - tokenOffsets[sequence]
  }

  /// Rows of the patches, in raster order, without leading tokens.
  public func patchRows(of sequence: Int) -> Range<Int> {
    let picture = pictureOfSequence[sequence]
    guard picture >= 0 else { return layout.offsets[sequence + 1]..<layout.offsets[sequence + 1] }
    let end = layout.offsets[sequence + 1]
    return end - pictures[picture].grid.count..<end
  }
}
