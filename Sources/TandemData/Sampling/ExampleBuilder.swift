public import TandemCore
public import TandemImage
public import TandemText
public import TandemTorch

/// Decodes, resizes and tokenises records.
public struct ExampleBuilder: Sendable {
  public let dataset: any Dataset
  public let tokenizer: WordPiece
  public let resize: ResizeRule
  /// The most pieces of a text, special tokens not counted.
  public let textPieces: Int
  /// The answer follows the question, so that masked words are learned from both.
  public let joinsAnswers: Bool
  public let mirrors: Bool
  public let augmentation: RandAugment?
  /// Decode JPEGs at a fraction of their size where the model's is at most half.
  public let scaledDecode: Bool
  private let cache: PictureCache

  public init(
    dataset: any Dataset, tokenizer: WordPiece, resize: ResizeRule, textPieces: Int,
    joinsAnswers: Bool = false, mirrors: Bool = false, augmentation: RandAugment? = nil,
    scaledDecode: Bool = false,
    cacheBytes: Int = 0
  ) {
    self.dataset = dataset
    self.tokenizer = tokenizer
    self.resize = resize
    self.textPieces = textPieces
    self.joinsAnswers = joinsAnswers
    self.mirrors = mirrors
    self.augmentation = augmentation
    self.scaledDecode = scaledDecode
    cache = PictureCache(capacity: cacheBytes)
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
    let pictures = try record.pictures.map { try picture($0, using: &stream) }
    return Example(
      index: index, record: record, pictures: pictures, texts: texts(of: record))
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

  /// A picture file at the model's size, augmented where the recipe asks for it.
  public func picture(_ path: String, using stream: inout RandomStream) throws -> Picture {
    let key = stableHash(path)
    let isMirrored = mirrors && stream.next() & 1 == 1
    guard let augmentation else {
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
    guard scaledDecode, augmentation == nil else { return try Image(contentsOfFile: path) }
    let size = try resize.size(for: Image.size(ofFile: path))
    return try Image(
      contentsOfFile: path,
      options: DecodeOptions(scale: .atLeast(width: size.width, height: size.height)))
  }

  private func sized(_ image: Image) throws -> Image {
    try image.resized(by: resize)
  }
}
