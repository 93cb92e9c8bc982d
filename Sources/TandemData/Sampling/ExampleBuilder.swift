public import TandemCore
public import TandemImage
internal import TandemRegions
public import TandemText
public import TandemTorch

/// How pictures are read.
public struct PictureReading: Sendable {
  /// To what size pixels are brought; nil where the model reads none.
  public var resize: ResizeRule?
  public var filter = ResizeFilter.bicubic
  /// Where regions come from; nil where the model reads none. With `resize` too, pixels are read
  /// beside them.
  public var regions: RegionSource?
  /// How pictures are cut into cells, where those are what the model reads.
  public var cells: CellInput?
  /// At most so many regions or cells, drawn anew each time; 0 for all.
  public var sampledRegions = 0
  /// The most regions that the model takes: the first ones are kept.
  public var mostRegions = Int.max
  /// Mirror every second picture, drawn anew each time.
  public var mirrors = false
  public var augmentation: RandAugment?
  /// Decode JPEGs at a fraction of their size where the model's is at most half.
  public var scaledDecode = false
  public var cacheBytes = 0

  public init(resize: ResizeRule? = nil, regions: RegionSource? = nil) {
    self.resize = resize
    self.regions = regions
  }
}

/// Decodes, resizes and tokenises records.
public struct ExampleBuilder: Sendable {
  public let dataset: any Dataset
  public let tokenizer: any Tokenizer
  public let reading: PictureReading
  /// The most pieces of a text, special tokens not counted.
  public let textPieces: Int
  /// The answer follows the question, so that masked words are learned from both.
  public let joinsAnswers: Bool
  /// What it reads of a record.
  public let reads: Recipe.Stream.Reads
  private let cache: PictureCache

  public init(
    dataset: any Dataset, tokenizer: any Tokenizer, reading: PictureReading, textPieces: Int,
    joinsAnswers: Bool = false, reads: Recipe.Stream.Reads = .pairs
  ) {
    self.dataset = dataset
    self.tokenizer = tokenizer
    self.reading = reading
    self.textPieces = textPieces
    self.joinsAnswers = joinsAnswers
    self.reads = reads
    cache = PictureCache(capacity: reading.cacheBytes)
  }

  /// The text that the model reads of a record.
  public func text(of record: Record) -> String {
    let text = record.texts.first ?? ""
    guard joinsAnswers, let answer = record.answers.first else { return text }
    return text + " " + answer
  }

  /// The example of a record; `stream` draws its augmentation.
  public func example(at index: Int, using stream: inout RandomStream) throws -> Example {
    let record = try dataset.record(at: index)
    let pictures =
      try reads == .texts ? [] : record.pictures.map { try picture($0, using: &stream) }
    return Example(
      index: index, record: record, pictures: pictures,
      texts: reads == .pictures ? [] : texts(of: record))
  }

  public func tokenized(at index: Int) throws -> [TokenizedText] {
    texts(of: try dataset.record(at: index))
  }

  /// The first picture of a record.
  public func picture(at index: Int, using stream: inout RandomStream) throws -> Picture {
    let record = try dataset.record(at: index)
    guard let path = record.pictures.first else {
      throw DataError("record \(record.id): has no picture")
    }
    return try picture(path, using: &stream)
  }

  private func texts(of record: Record) -> [TokenizedText] {
    record.texts.indices.map { place in
      let text = place == 0 ? self.text(of: record) : record.texts[place]
      return tokenizer.encode(text).prefix(textPieces)
    }
  }

  /// A picture file as the model reads it, augmented where the recipe asks for it.
  public func picture(_ path: String, using stream: inout RandomStream) throws -> Picture {
    guard let source = reading.regions else {
      let picture = try pixels(path, using: &stream)
      guard let cells = reading.cells, let image = picture.image else { return picture }
      try checked(path) { try cells.check(image.size) }
      return cells.sampled(picture, most: reading.sampledRegions, using: &stream)
    }
    var key = stableHash(path)
    var regions = try source.regions(ofPicture: path)
    guard regions.count > 0 else {
      throw DataError("\(source.store.path): \(path) has no region")
    }
    if regions.count > reading.mostRegions {
      regions = regions.selected(Array(0..<reading.mostRegions))
    }
    var image: Image?
    if reading.resize != nil {
      let whole = try cache.image(key) { try sized(decoded(path)) }
      try checked(path) { try regions.check(over: whole.size) }
      let isMirrored = reading.mirrors && stream.next() & 1 == 1
      image = isMirrored ? whole.mirrored() : whole
      if isMirrored {
        regions = regions.mirrored()
        key = mixed(key)
      }
      // The model makes its own.
      regions.features = []
      regions.featureWidth = 0
    }
    guard reading.sampledRegions > 0, regions.count > reading.sampledRegions else {
      return Picture(key: key, image: image, regions: regions)
    }
    let draw = stream.next()
    var own = RandomStream(seed: draw)
    var places = Array(0..<regions.count)
    for place in 0..<reading.sampledRegions {
      places.swapAt(place, place + own.below(places.count - place))
    }
    return Picture(
      key: mixed(key ^ draw), image: image,
      regions: regions.selected(places.prefix(reading.sampledRegions).sorted()))
  }

  /// Names the picture in what is wrong with it.
  private func checked(_ path: String, _ check: () throws -> Void) throws {
    do {
      try check()
    } catch let error as DataError {
      throw DataError(file: path, error.description)
    }
  }

  private func pixels(_ path: String, using stream: inout RandomStream) throws -> Picture {
    let key = stableHash(path)
    let isMirrored = reading.mirrors && stream.next() & 1 == 1
    guard let augmentation = reading.augmentation else {
      let image = try cache.image(key) { try sized(decoded(path)) }
      return isMirrored
        ? Picture(key: mixed(key), image: image.mirrored()) : Picture(key: key, image: image)
    }
    let image = try cache.image(key) { try decoded(path) }
    let draw = stream.next()
    var own = RandomStream(seed: draw)
    let augmented = try augmentation.apply(to: isMirrored ? image.mirrored() : image, using: &own)
    return Picture(key: mixed(key ^ draw), image: try sized(augmented))
  }

  private func decoded(_ path: String) throws -> Image {
    guard reading.scaledDecode, reading.augmentation == nil, let resize = reading.resize else {
      return try Image(contentsOfFile: path)
    }
    let size = try resize.size(for: Image.size(ofFile: path))
    return try Image(
      contentsOfFile: path,
      options: DecodeOptions(scale: .atLeast(width: size.width, height: size.height)))
  }

  private func sized(_ image: Image) throws -> Image {
    guard let resize = reading.resize else {
      throw DataError("the model reads no pixels")
    }
    return try image.resized(by: resize, filter: reading.filter)
  }
}
