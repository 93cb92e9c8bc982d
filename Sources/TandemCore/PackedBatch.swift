internal import TandemImage
public import TandemNN
public import TandemTorch

/// Sequences laid end to end without padding: a plain value, made on loader threads.
///
/// A sequence has text rows ([CLS] … [SEP], perhaps a second text, perhaps a place for an answer)
/// and visual rows (leading rows, the picture's units, trailing rows). A model with one stream lays
/// them together, text first, as `layout` says; one with two streams keeps them apart, as
/// `textLayout` and `visualLayout` say. Pictures that differ are stored once each.
public struct PackedBatch: Sendable {
  /// A distinct picture of the batch.
  public struct PackedPicture: Sendable, Equatable {
    /// Its patches, or the cells of a network's map of it; none for regions.
    public let grid: PatchGrid
    /// Its first row among all pictures' units, and how many there are.
    public let firstUnit: Int
    public let unitCount: Int
    /// In pixels.
    public let width: Int
    public let height: Int
    /// Of its pixels as a network in the model reads them, and where the first of their numbers
    /// lies in `pixels`; 0 for a model without one.
    public let pixelWidth: Int
    public let pixelHeight: Int
    public let firstPixel: Int
    /// The cells that are its units, in rising order; nil for all of its grid.
    public let cells: [Int]?
  }

  public let specification: InputSpecification
  /// Where each sequence's rows lie in one stream.
  public let layout: PackedLayout
  /// Where its rows lie in a stream of texts, and in a stream of pictures.
  public let textLayout: PackedLayout
  public let visualLayout: PackedLayout
  /// Vocabulary ids of all text rows, sequence after sequence, special tokens included.
  public let tokens: [Int]
  /// For each text row 0 in the first text and 1 in what follows its [SEP].
  public let tokenTypes: [Int]
  /// For each text row its place in its sequence's text.
  public let textPlaces: [Int]
  /// For each sequence the text row that its text ends with.
  public let textEnds: [Int]
  /// For each sequence its text row that stands for the answer, counted in its text; −1 without.
  public let answerPlaces: [Int]
  public let pictures: [PackedPicture]
  /// Normalised pixels of all distinct pictures, [P, 3·p·p], channel-major in a patch.
  public private(set) var patches: FloatBuffer
  /// Normalised pixels of all distinct pictures, whole, each [3, height, width]: for a network in
  /// the model. What a sequence must not see is 0 where the model masks pixels.
  public private(set) var pixels: FloatBuffer
  /// Features of the regions of all distinct pictures, [R, F]; none where the model makes them.
  public private(set) var features: FloatBuffer
  /// Their boxes, [R, 4], over the picture's size.
  public private(set) var boxes: FloatBuffer
  /// Features that stand in for others, [X, F], in the order of `sequences` and their `replaced`.
  public private(set) var replacements: FloatBuffer
  /// For each sequence its place in `pictures`; −1 without one.
  public let pictureOfSequence: [Int]
  /// For each sequence which of a statement's pictures it shows, 0 for the only one.
  public let pictureOrders: [Int]
  /// For each sequence the hidden units.
  public let hidden: [[Int]]
  /// For each sequence the visual types of its units; empty for the model's own choice.
  public let unitTypes: [[Int]]
  /// For each sequence the regions that `replacements` stand in for, in order.
  public let replaced: [[Int]]
  /// For each sequence its `alignment`.
  public let alignments: [[[Int]]]

  public var sequenceCount: Int { layout.sequenceCount }
  /// Patches, regions or cells of all distinct pictures.
  public var unitCount: Int { pictures.reduce(0) { $0 + $1.unitCount } }

  /// Lays out sequences in the given order.
  ///
  /// - Parameter isPinned: whether a GPU is to fetch pixels and features.
  /// - Throws: `DataError` for a text that is too long or a picture that the model cannot read.
  public init(
    _ sequences: [InputSequence], _ specification: InputSpecification, isPinned: Bool = false
  ) throws {
    var texts = PackedTexts()
    var distinct: [SeenPicture] = []
    var places: [UInt64: Int] = [:]
    var pictureOfSequence: [Int] = []
    for sequence in sequences {
      try texts.append(sequence, specification)
      guard let picture = sequence.picture else {
        pictureOfSequence.append(-1)
        continue
      }
      let seen = SeenPicture(picture, hidden: sequence.hidden, specification)
      let place = places[seen.key] ?? distinct.count
      if place == distinct.count {
        places[seen.key] = place
        distinct.append(seen)
      }
      pictureOfSequence.append(place)
    }
    self.specification = specification
    self.pictureOfSequence = pictureOfSequence
    pictureOrders = sequences.map(\.pictureOrder)
    tokens = texts.tokens
    tokenTypes = texts.types
    textPlaces = texts.places
    textEnds = texts.ends
    answerPlaces = texts.answerPlaces
    hidden = sequences.map(\.hidden)
    unitTypes = sequences.map(\.unitTypes)
    replaced = sequences.map { $0.replaced.map(\.region) }
    alignments = sequences.map(\.alignment)
    let keys = sequences.map(\.key)
    let visual = sequences.map(specification.visualRows)
    layout = PackedLayout(
      lengths: zip(texts.lengths, visual).map { $0 + $1 }, sequenceKeys: keys)
    textLayout = PackedLayout(lengths: texts.lengths, sequenceKeys: keys)
    // A row of a picture and one of a text share no dropout.
    visualLayout = PackedLayout(lengths: visual, sequenceKeys: keys.map { mixed($0 ^ 0x9E37) })
    let packer = PicturePacker(specification: specification, isPinned: isPinned)
    pictures = try packer.places(of: distinct)
    patches = try packer.patches(of: distinct, pictures)
    pixels = try packer.pixels(of: distinct, pictures)
    (features, boxes) = try packer.regions(of: distinct, pictures)
    replacements = try packer.replacements(sequences)
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

  /// The same batch with its numbers on a device, for one who encodes it more than once.
  package func placed(on device: Device) throws -> PackedBatch {
    var result = self
    result.patches = try patches.placed(on: device)
    result.pixels = try pixels.placed(on: device)
    result.features = try features.placed(on: device)
    result.boxes = try boxes.placed(on: device)
    result.replacements = try replacements.placed(on: device)
    return result
  }

  /// Every row of a sequence sees all of it, in one stream.
  public var spans: AttentionSpans { .full(layout) }

  /// For each row of the one stream, its row among all text rows followed by all visual rows.
  public func jointOrder() -> [Int] {
    var order: [Int] = []
    order.reserveCapacity(layout.rowCount)
    let firstVisual = textLayout.rowCount
    for sequence in 0..<sequenceCount {
      order += textLayout.rows(of: sequence)
      let visual = visualLayout.rows(of: sequence)
      order += firstVisual + visual.lowerBound..<firstVisual + visual.upperBound
    }
    return order
  }

  // MARK: places in one stream

  /// Text rows with [CLS] and [SEP].
  public func textRows(of sequence: Int) -> Range<Int> {
    let start = layout.offsets[sequence]
    return start..<start + textLayout.rows(of: sequence).count
  }

  /// Rows of the picture's units, without leading and trailing rows.
  public func unitRows(of sequence: Int) -> Range<Int> {
    let end = layout.offsets[sequence + 1]
    guard pictureOfSequence[sequence] >= 0 else { return end..<end }
    return textRows(of: sequence).upperBound + specification.leadingRows..<end
      - specification.trailingRows
  }

  /// The same in a stream of pictures alone.
  public func unitRowsInVisualStream(of sequence: Int) -> Range<Int> {
    let rows = visualLayout.rows(of: sequence)
    guard pictureOfSequence[sequence] >= 0 else { return rows.upperBound..<rows.upperBound }
    return rows.lowerBound + specification.leadingRows..<rows.upperBound
      - specification.trailingRows
  }
}

/// Text rows of sequences, end to end.
private struct PackedTexts {
  var tokens: [Int] = []
  var types: [Int] = []
  var places: [Int] = []
  var ends: [Int] = []
  var lengths: [Int] = []
  var answerPlaces: [Int] = []

  mutating func append(
    _ sequence: InputSequence, _ specification: InputSpecification
  ) throws {
    let rows = specification.textRows(sequence)
    guard rows <= specification.textLength else {
      throw DataError(
        "a text of \(rows) tokens does not fit the model's \(specification.textLength)")
    }
    let start = tokens.count
    lengths.append(rows)
    if let prepared = sequence.prepared {
      tokens += prepared.tokens.lazy.map(Int.init)
      types += prepared.types
      places += prepared.places
      ends.append(start + prepared.end)
      answerPlaces.append(prepared.answer)
      return
    }
    places += 0..<rows
    ends.append(start + rows - 1)
    guard rows > 0 else { return answerPlaces.append(-1) }
    let separator = Int(specification.separator)
    tokens.append(Int(specification.classification))
    tokens += sequence.text.lazy.map(Int.init)
    tokens.append(separator)
    let first = tokens.count - start
    if let second = sequence.second {
      tokens += second.lazy.map(Int.init)
      tokens.append(separator)
    }
    if sequence.asksAnswer && specification.hasAnswerSlot {
      answerPlaces.append(tokens.count - start)
      tokens.append(Int(specification.mask))
      tokens.append(separator)
    } else {
      answerPlaces.append(-1)
    }
    types += repeatElement(0, count: first)
    types += repeatElement(1, count: rows - first)
  }
}
