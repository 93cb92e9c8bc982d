public import TandemImage

/// One example as one objective sees it: what a model reads as one sequence.
public struct InputSequence: Sendable {
  /// Vocabulary ids of the text, without special tokens.
  public var text: [Int32]
  /// The word that each piece of the text belongs to, never falling.
  public var words: [Int32]
  /// A second text after the first one's [SEP], with a [SEP] of its own.
  public var second: [Int32]?
  /// The word that each piece of the second text belongs to, never falling.
  public var secondWords: [Int32]
  /// The text's rows as others have prepared them; nothing else is read of the text then.
  public var prepared: PreparedText?
  /// The text is a question: a model that answers at a place of its own gets one.
  public var asksAnswer: Bool
  public var picture: Picture?
  /// Which of a statement's pictures it is: 0 the first, 1 the second (NLVR2).
  public var pictureOrder = 0
  /// For each unit of the picture its row in the model's table of visual types; empty for the
  /// model's own choice.
  public var unitTypes: [Int] = []
  /// Whether text and picture belong together; nil where no objective has decided it yet.
  public var isTruePair: Bool?
  /// Units of the picture (patches in raster order, or regions) that an objective asks about.
  public var chosen: [Int]
  /// An objective has drawn `chosen`, be it nothing: others of the pass take what it drew.
  public var hasDrawn = false
  /// Units whose content the model must not see: the chosen ones, but for those that are kept, and
  /// those that would give them away.
  public var hidden: [Int]
  /// Regions that another region's feature stands in for.
  public var replaced: [ReplacedRegion]
  /// For each region the text rows that name it ([CLS] is row 0), none where that is not known;
  /// empty where it is known of no region.
  public var alignment: [[Int]]
  /// Names the sequence to dropout: the same however a step is cut.
  public var key: UInt64

  public init(
    text: [Int32], words: [Int32] = [], second: [Int32]? = nil, secondWords: [Int32] = [],
    asksAnswer: Bool = false, picture: Picture?,
    isTruePair: Bool? = nil, chosen: [Int] = [], hidden: [Int] = [],
    replaced: [ReplacedRegion] = [], alignment: [[Int]] = [], key: UInt64 = 0
  ) {
    self.text = text
    self.words = words.count == text.count ? words : Array(0..<Int32(text.count))
    self.second = second
    self.secondWords =
      secondWords.count == second?.count ? secondWords : Array(0..<Int32(second?.count ?? 0))
    self.asksAnswer = asksAnswer
    self.picture = picture
    self.isTruePair = isTruePair
    self.chosen = chosen
    self.hidden = hidden
    self.replaced = replaced
    self.alignment = alignment
    self.key = key
  }

  /// A piece by its place behind [CLS]: those of the second text begin behind the first one's [SEP].
  public subscript(piece place: Int) -> Int32 {
    get { place < text.count ? text[place] : second?[place - firstOfSecond] ?? 0 }
    set {
      let later = place - firstOfSecond
      if later < 0 { text[place] = newValue } else { second?[later] = newValue }
    }
  }

  /// The place of the second text's first piece.
  public var firstOfSecond: Int { text.count + 1 }
}

/// Text rows with special tokens among them, one for one as they are to be read.
public struct PreparedText: Sendable, Equatable {
  public var tokens: [Int32]
  /// For each row its row in the table of types.
  public var types: [Int]
  /// For each row its row in the table of places.
  public var places: [Int]
  /// The row that stands for the text where a model has one vector for it (CLIP).
  public var end: Int
  /// The row where an answer is read; −1 for none.
  public var answer: Int

  public init(tokens: [Int32], types: [Int], places: [Int], end: Int, answer: Int = -1) {
    self.tokens = tokens
    self.types = types
    self.places = places
    self.end = end
    self.answer = answer
  }
}

/// A region that is shown with another one's feature.
public struct ReplacedRegion: Sendable, Equatable {
  public var region: Int
  /// [F]
  public var feature: [Float]

  public init(region: Int, feature: [Float]) {
    self.region = region
    self.feature = feature
  }
}

/// What a packer must know of a model: a value, so that loader threads can have it.
public struct InputSpecification: Sendable, Equatable {
  /// The most text rows of a sequence, special tokens included; 0 for a model that reads none.
  public var textLength: Int
  /// Ids of [CLS] and [SEP], put around each text, and of [MASK].
  public var classification: Int32
  public var separator: Int32
  public var mask: Int32
  /// Questions are followed by [MASK] [SEP], where the answer is read (VL-BERT).
  public var hasAnswerSlot: Bool
  /// Rows that precede a picture's units (ViLT's class token, VL-BERT's whole picture).
  public var leadingRows: Int
  /// Rows that follow them (VL-BERT's [END]).
  public var trailingRows: Int
  /// Visual rows of a sequence without a picture (VL-BERT's [END] stands there too).
  public var trailingRowsWithoutPicture: Int
  /// How pixels are read; nil where the model reads none.
  public var patches: PatchInput?
  /// How regions are read; nil where the model reads none.
  public var regions: RegionInput?

  public init(
    textLength: Int, classification: Int32, separator: Int32, mask: Int32 = 0,
    hasAnswerSlot: Bool = false, leadingRows: Int = 0, trailingRows: Int = 0,
    trailingRowsWithoutPicture: Int = 0,
    patches: PatchInput? = nil, regions: RegionInput? = nil
  ) {
    self.textLength = textLength
    self.classification = classification
    self.separator = separator
    self.mask = mask
    self.hasAnswerSlot = hasAnswerSlot
    self.leadingRows = leadingRows
    self.trailingRows = trailingRows
    self.trailingRowsWithoutPicture = trailingRowsWithoutPicture
    self.patches = patches
    self.regions = regions
  }

  /// The most pieces of a text, special tokens not counted.
  public var textPieces: Int { max(0, textLength - 2 - (hasAnswerSlot ? 2 : 0)) }

  /// The most pieces of two texts together.
  public var pairPieces: Int { max(0, textPieces - 1) }

  /// Rows that a sequence takes.
  public func rowCount(_ sequence: InputSequence) -> Int {
    textRows(sequence) + visualRows(sequence)
  }

  func textRows(_ sequence: InputSequence) -> Int {
    if let prepared = sequence.prepared { return prepared.tokens.count }
    guard textLength > 0 else { return 0 }
    return sequence.text.count + 2 + (sequence.second.map { $0.count + 1 } ?? 0)
      + (sequence.asksAnswer && hasAnswerSlot ? 2 : 0)
  }

  func visualRows(_ sequence: InputSequence) -> Int {
    sequence.picture.map { leadingRows + units($0) + trailingRows }
      ?? trailingRowsWithoutPicture
  }

  /// Patches, regions or cells of a picture.
  public func units(_ picture: Picture) -> Int {
    guard let regions else { return grid(picture).count }
    guard regions.cells != nil else { return picture.regions?.count ?? 0 }
    return picture.cells?.count ?? grid(picture).count
  }

  /// Patches of a picture, or cells of a network's map of it, down and across; none where there are
  /// no pixels to read.
  public func grid(_ picture: Picture) -> PatchGrid {
    guard let image = picture.image else { return PatchGrid(height: 0, width: 0) }
    if let regions { return regions.cells?.grid(image.size) ?? PatchGrid(height: 0, width: 0) }
    guard let patches else { return PatchGrid(height: 0, width: 0) }
    return PatchGrid(height: image.height / patches.size, width: image.width / patches.size)
  }
}

/// How a picture becomes patches.
public struct PatchInput: Sendable, Equatable {
  /// The side of a patch in pixels.
  public var size: Int
  /// Per channel, of pixel values in 0...1.
  public var mean: [Float]
  public var deviation: [Float]

  public init(
    size: Int, mean: [Float] = [0.5, 0.5, 0.5], deviation: [Float] = [0.5, 0.5, 0.5]
  ) {
    self.size = size
    self.mean = mean
    self.deviation = deviation
  }
}

/// What regions a model reads.
public struct RegionInput: Sendable, Equatable {
  public var featureWidth: Int
  /// The most regions of a picture.
  public var most: Int
  /// How pixels are read where a network in the model makes the features; nil where they are given.
  public var pixels: PixelInput?

  public init(featureWidth: Int, most: Int, pixels: PixelInput? = nil) {
    self.featureWidth = featureWidth
    self.most = most
    self.pixels = pixels
  }

  /// How a picture is cut into cells, where those are its units.
  public var cells: CellInput? { pixels?.cells }
  /// Whether hidden regions show in the pixels themselves.
  public var masksPixels: Bool { pixels?.masksPixels ?? false }
}

/// How a picture, already at its size, becomes the pixels that a network in the model reads.
public struct PixelInput: Sendable, Equatable {
  /// What a byte is multiplied with first: 1/255 for numbers from 0 to 1.
  public var scale: Float
  /// Of the three channels in the order that the network has them.
  public var mean: [Float]
  public var deviation: [Float]
  /// The network wants blue first.
  public var isBlueFirst: Bool
  /// How pictures are resized.
  public var filter: ResizeFilter
  /// Pixels within a hidden region are 0, the mean colour: whatever else shows that part of the
  /// picture changes with it.
  public var masksPixels: Bool
  /// The units are cells of the network's map; nil where they are the picture's regions.
  public var cells: CellInput?

  public init(
    scale: Float = 1 / 255, mean: [Float] = [0.485, 0.456, 0.406],
    deviation: [Float] = [0.229, 0.224, 0.225], isBlueFirst: Bool = false,
    filter: ResizeFilter = .bilinear, masksPixels: Bool = false, cells: CellInput? = nil
  ) {
    self.scale = scale
    self.mean = mean
    self.deviation = deviation
    self.isBlueFirst = isBlueFirst
    self.filter = filter
    self.masksPixels = masksPixels
    self.cells = cells
  }
}

/// Cells of the last map of a network that halves pictures, odd sides rounded up.
public struct CellInput: Sendable, Equatable {
  /// Pixels of the picture a side of one of the map.
  public var stride: Int
  /// Places of the map a side of one cell; what is left over at its end is left out.
  public var pooling: Int

  public init(stride: Int, pooling: Int) {
    self.stride = stride
    self.pooling = pooling
  }

  /// Cells of a picture, down and across.
  public func grid(_ size: PixelSize) -> PatchGrid {
    func cells(_ pixels: Int) -> Int { (pixels + stride - 1) / stride / pooling }
    return PatchGrid(height: cells(size.height), width: cells(size.width))
  }

  /// Pixels a side of the smallest picture that has a cell.
  public var leastSide: Int { (pooling - 1) * stride + 1 }
}

/// Patches of a picture, down and across.
public struct PatchGrid: Sendable, Hashable {
  public let height: Int
  public let width: Int
  public var count: Int { height * width }

  public init(height: Int, width: Int) {
    self.height = height
    self.width = width
  }
}
