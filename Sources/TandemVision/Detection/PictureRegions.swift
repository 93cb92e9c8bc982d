public import TandemImage

/// Which proposals of a picture are kept as its regions, and how many (Anderson et al. 2018,
/// "Bottom-up and top-down attention").
///
/// Proposals are suppressed within each class; a proposal's confidence is the highest probability of
/// a class in which it stays.
public struct RegionSelection: Sendable, Equatable, Codable {
  /// From this confidence on a proposal is kept.
  public var leastConfidence: Double
  /// The best so many are kept whatever their confidence, as far as there are so many proposals.
  public var least: Int
  public var most: Int
  /// Of two proposals that overlap more than this the one that is more of a class stays in it.
  public var overlap: Double

  public init(
    leastConfidence: Double = 0.2, least: Int = 10, most: Int = 100, overlap: Double = 0.3
  ) {
    self.leastConfidence = leastConfidence
    self.least = least
    self.most = most
    self.overlap = overlap
  }

  /// 10 to 100 regions of a confidence of 0.2.
  public static let adaptive = RegionSelection()
  /// Exactly so many regions: 36 in the files that were published.
  public static func exactly(_ count: Int) -> RegionSelection {
    RegionSelection(least: count, most: count)
  }
}

/// The regions of a picture: where they lie, what they show, and their features.
public struct PictureRegions: Sendable, Equatable {
  /// The picture's own sides; boxes are in its pixels.
  public let size: PixelSize
  public let boxes: [Box]
  /// The class, 1 and up, that is most probable beside background.
  public let labels: [Int]
  /// Its probability.
  public let scores: [Float]
  /// By falling confidence where regions were chosen; 1 for boxes that were given.
  public let confidences: [Float]
  /// The attribute, 1 and up, that is most probable beside "none", and its probability; both empty
  /// without an attribute head.
  public let attributes: [Int]
  public let attributeScores: [Float]
  /// Row after row of `featureWidth` numbers a region.
  public let features: [Float]
  public let featureWidth: Int
  /// Row after row of classes + 1 probabilities; background first.
  public let classProbabilities: [Float]
  /// Row after row of attributes + 1 probabilities, "none" first; empty without an attribute head.
  public let attributeProbabilities: [Float]

  public var count: Int { boxes.count }

  /// The numbers of one region.
  public func feature(_ index: Int) -> ArraySlice<Float> {
    features[index * featureWidth..<(index + 1) * featureWidth]
  }
}
