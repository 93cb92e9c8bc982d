internal import TandemImage

/// One example as one objective sees it: what a model reads as one sequence.
public struct InputSequence: Sendable {
  /// Vocabulary ids of the text, without special tokens.
  public var text: [Int32]
  public var picture: Picture?
  /// Patches, by raster place, whose content the model must not see.
  public var hiddenPatches: [Int]
  /// Names the sequence to dropout: the same however a step is cut.
  public var key: UInt64

  public init(
    text: [Int32], picture: Picture?, hiddenPatches: [Int] = [], key: UInt64 = 0
  ) {
    self.text = text
    self.picture = picture
    self.hiddenPatches = hiddenPatches
    self.key = key
  }
}

/// What a packer must know of a model: a value, so that loader threads can have it.
public struct InputSpecification: Sendable, Equatable {
  /// The most text rows of a sequence, special tokens included.
  public var textLength: Int
  /// The side of a patch in pixels.
  public var patchSize: Int
  /// Per channel, of pixel values in 0...1.
  public var mean: [Float]
  public var deviation: [Float]
  /// Ids of [CLS] and [SEP], put around each text.
  public var classification: Int32
  public var separator: Int32
  /// Rows that precede the patches of a picture (ViLT's image class token).
  public var pictureTokens: Int

  public init(
    textLength: Int, patchSize: Int, mean: [Float] = [0.5, 0.5, 0.5],
    deviation: [Float] = [0.5, 0.5, 0.5], classification: Int32, separator: Int32,
    pictureTokens: Int
  ) {
    self.textLength = textLength
    self.patchSize = patchSize
    self.mean = mean
    self.deviation = deviation
    self.classification = classification
    self.separator = separator
    self.pictureTokens = pictureTokens
  }

  /// Rows that a sequence takes.
  public func rowCount(_ sequence: InputSequence) -> Int {
    textRows(sequence) + visualRows(sequence)
  }

  func textRows(_ sequence: InputSequence) -> Int { sequence.text.count + 2 }

  func visualRows(_ sequence: InputSequence) -> Int {
    sequence.picture.map { pictureTokens + grid($0).height * grid($0).width } ?? 0
  }

  /// Patches of a picture, down and across.
  public func grid(_ picture: Picture) -> PatchGrid {
    PatchGrid(
      height: picture.image.height / patchSize, width: picture.image.width / patchSize)
  }
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
