/// A whole detector: what it sees, what it is made of, what it gives.
///
/// Faster R-CNN (Ren et al. 2015), over one feature map with a fifth stage on every box (C4), or
/// over a pyramid (Lin et al. 2017) with a head of two layers; with attributes as the Visual Genome
/// detectors have them (Anderson et al. 2018, "Bottom-up and top-down attention").
public struct DetectorConfig: Sendable, Equatable, Codable {
  public var preparation: PicturePreparation
  public var backbone: BackboneSettings
  public var proposals: ProposalSettings
  public var regions: RegionSettings
  /// Labels 1 to this; 0 is background.
  public var classes: Int
  /// Attributes 1 to this; 0 is "none". No attribute head where this is 0.
  public var attributes: Int

  public init(
    preparation: PicturePreparation, backbone: BackboneSettings, proposals: ProposalSettings,
    regions: RegionSettings, classes: Int, attributes: Int = 0
  ) {
    self.preparation = preparation
    self.backbone = backbone
    self.proposals = proposals
    self.regions = regions
    self.classes = classes
    self.attributes = attributes
  }

  /// - Throws: `DetectionError` for a detector that cannot be built.
  public func check() throws {
    try preparation.check()
    try proposals.coding.check()
    try regions.coding.check()
    guard classes >= 1, attributes >= 0 else {
      throw DetectionError(
        "detector: needs a class or more and no fewer than 0 attributes, found \(classes) and "
          + "\(attributes)")
    }
    for (name, sampler) in [("proposals", proposals.sampler), ("regions", regions.sampler)] {
      guard sampler.count >= 1, (0...1).contains(sampler.foreground) else {
        throw DetectionError(
          "\(name): draws \(sampler.count) boxes with \(sampler.foreground) of foreground; needs 1 or "
            + "more and a share of 0 to 1")
      }
    }
    guard min(proposals.candidates.training, proposals.candidates.inference) >= 1,
      min(proposals.kept.training, proposals.kept.inference) >= 0, regions.bins >= 1,
      regions.detections >= 0
    else {
      throw DetectionError(
        "detector: needs candidates and bins of 1 or more and no fewer than 0 proposals and "
          + "detections, found \(proposals.candidates), \(regions.bins), \(proposals.kept), "
          + "\(regions.detections)")
    }
    if case .lastStage = regions.head, backbone.pyramidChannels > 0 || backbone.kind != .resNet {
      throw DetectionError(
        "detector: a head of the last stage needs a ResNet without a pyramid, found "
          + "\(backbone.kind.rawValue) with \(backbone.pyramidChannels) pyramid channels")
    }
  }
}

/// The network that makes feature maps.
public struct BackboneSettings: Sendable, Equatable, Codable {
  public enum Kind: String, Sendable, Codable, CaseIterable {
    case resNet
    case efficientNetLite0
    /// A few convolutions, for trials.
    case plain
  }

  public var kind: Kind
  /// Of a ResNet.
  public var resNet: ResNetShape
  /// A ResNet's first pooling starts at the picture's corner, as that of the Caffe models does.
  public var poolsAsCaffe: Bool
  /// Channels after each halving, of a plain one.
  public var widths: [Int]
  /// Channels of every map of a pyramid; 0: no pyramid, a single map.
  public var pyramidChannels: Int
  /// How much is never trained: stages of a ResNet as Detectron counts them (1 the stem, 2 up to
  /// C2), blocks of an EfficientNet.
  public var frozen: Int

  public init(
    kind: Kind, resNet: ResNetShape = .resNet50, poolsAsCaffe: Bool = false, widths: [Int] = [],
    pyramidChannels: Int = 0, frozen: Int = 0
  ) {
    self.kind = kind
    self.resNet = resNet
    self.poolsAsCaffe = poolsAsCaffe
    self.widths = widths
    self.pyramidChannels = pyramidChannels
    self.frozen = frozen
  }
}

/// A number that is one in training and another in inference.
public struct ByPhase: Sendable, Equatable, Codable {
  public var training: Int
  public var inference: Int

  public init(training: Int, inference: Int) {
    self.training = training
    self.inference = inference
  }

  func value(_ isTraining: Bool) -> Int { isTraining ? training : inference }
}

/// The region proposal network.
public struct ProposalSettings: Sendable, Equatable, Codable {
  public var anchors: AnchorSettings
  /// Convolutions of 3×3 before the two of 1×1.
  public var convolutions: Int
  /// Their channels; 0 for as many as the map has.
  public var channels: Int
  public var coding: BoxCoding
  /// Best anchors of each map that go on.
  public var candidates: ByPhase
  /// Proposals of a picture that are kept after suppression.
  public var kept: ByPhase
  /// Of two proposals of a map that overlap more than this the better stays.
  public var overlap: Double
  /// Narrower or lower ones are dropped, in pixels.
  public var leastSide: Double
  public var matcher: Matcher
  public var sampler: BalancedSampler
  /// Where the loss of the boxes turns from a square to a line.
  public var beta: Double

  public init(
    anchors: AnchorSettings, convolutions: Int = 1, channels: Int = 0,
    coding: BoxCoding = BoxCoding(),
    candidates: ByPhase = ByPhase(training: 2000, inference: 1000),
    kept: ByPhase = ByPhase(training: 2000, inference: 1000), overlap: Double = 0.7,
    leastSide: Double = 1e-3,
    matcher: Matcher = Matcher(foreground: 0.7, background: 0.3, keepsBest: true),
    sampler: BalancedSampler = BalancedSampler(count: 256, foreground: 0.5),
    beta: Double = 1.0 / 9
  ) {
    self.anchors = anchors
    self.convolutions = convolutions
    self.channels = channels
    self.coding = coding
    self.candidates = candidates
    self.kept = kept
    self.overlap = overlap
    self.leastSide = leastSide
    self.matcher = matcher
    self.sampler = sampler
    self.beta = beta
  }
}

/// What is done with each proposal.
public struct RegionSettings: Sendable, Equatable, Codable {
  public enum Head: Sendable, Equatable, Codable {
    /// Two layers of this width over all pooled numbers.
    case twoLayers(width: Int)
    /// The fifth stage of the ResNet, then the mean over places.
    case lastStage
  }

  public enum Pooling: Sendable, Equatable, Codable {
    /// Bilinear samples, see ``TandemTorch/Tensor/roiAlign(_:height:width:scale:samplingRatio:isAligned:)``.
    case align(samplingRatio: Int, isAligned: Bool)
    /// The largest number of each bin (Girshick 2015, "Fast R-CNN"): the Caffe detectors.
    case max
  }

  public var head: Head
  public var pooling: Pooling
  /// Bins a side.
  public var bins: Int
  public var coding: BoxCoding
  /// One box a proposal for all classes, instead of one for each.
  public var isClassAgnostic: Bool
  public var matcher: Matcher
  public var sampler: BalancedSampler
  public var beta: Double
  /// Factor on the loss of attributes.
  public var attributeWeight: Double
  /// Detections below this score are dropped.
  public var leastScore: Double
  /// Of two detections of a class that overlap more than this the better stays.
  public var overlap: Double
  /// Narrower or lower detections are dropped, in pixels.
  public var leastSide: Double
  /// The most detections of a picture.
  public var detections: Int

  public init(
    head: Head, pooling: Pooling = .align(samplingRatio: 2, isAligned: false), bins: Int = 7,
    coding: BoxCoding = BoxCoding(weights: [10, 10, 5, 5]), isClassAgnostic: Bool = false,
    matcher: Matcher = Matcher(foreground: 0.5, background: 0.5, keepsBest: false),
    sampler: BalancedSampler = BalancedSampler(count: 512, foreground: 0.25),
    beta: Double = 1.0 / 9, attributeWeight: Double = 0.5, leastScore: Double = 0.05,
    overlap: Double = 0.5, leastSide: Double = 1e-2, detections: Int = 100
  ) {
    self.head = head
    self.pooling = pooling
    self.bins = bins
    self.coding = coding
    self.isClassAgnostic = isClassAgnostic
    self.matcher = matcher
    self.sampler = sampler
    self.beta = beta
    self.attributeWeight = attributeWeight
    self.leastScore = leastScore
    self.overlap = overlap
    self.leastSide = leastSide
    self.detections = detections
  }
}
