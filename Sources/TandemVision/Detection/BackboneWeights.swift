public import TandemNN
public import TandemTorch

/// Weights of a classifier as the start of a detector: those of the backbone, and of the last stage
/// where the detector runs it on every box. The classifier's own layers are left out.
public struct BackboneWeights: WeightSource {
  private let source: any WeightSource
  /// From names of the detector to names of the classifier.
  private let theirs: [String: String]

  /// - Parameter source: a classifier under the names of its backbone, `conv1.weight` or
  ///   `_conv_stem.weight`.
  public init(_ source: any WeightSource, _ config: DetectorConfig) {
    self.source = source
    let hasOwnStage = config.regions.head == .lastStage
    var theirs: [String: String] = [:]
    for name in source.names where !Self.isOfTheClassifier(name) {
      let isLast = hasOwnStage && name.hasPrefix("layer4.")
      theirs[(isLast ? "roi_heads.box_head." : "backbone.body.") + name] = name
    }
    self.theirs = theirs
  }

  private static func isOfTheClassifier(_ name: String) -> Bool {
    ["fc.", "_fc.", "_conv_head.", "_bn1."].contains { name.hasPrefix($0) }
      || BatchNorm.isCounter(name)
  }

  /// Whether a detector draws a weight that no classifier has.
  public static func mayLack(_ name: String) -> Bool {
    !name.hasPrefix("backbone.body.") && !name.hasPrefix("roi_heads.box_head.layer4.")
  }

  public var title: String { source.title }
  public var names: [String] { Array(theirs.keys) }
  public func weight(_ name: String) throws -> Tensor? {
    try theirs[name].flatMap { try source.weight($0) }
  }
}
