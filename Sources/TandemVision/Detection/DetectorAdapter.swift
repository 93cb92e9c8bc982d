// Weights of detectors that others have trained, under the names of this one.

public import TandemNN
public import TandemTorch

/// The form in which a detector was published.
public enum DetectorAdapter: String, Sendable, CaseIterable {
  /// torchvision's fasterrcnn: the names of this package; older files name the first convolution of
  /// the proposals without its place.
  case torchvision
  /// The bottom-up attention detector as it was converted to Detectron2: a C4 ResNet with `res2` to
  /// `res4`, `roi_heads.res5` and attributes; background and "none" stand last.
  case detectron2VisualGenome

  /// The form that a file's names look like; nil for neither.
  public static func recognised(_ names: some Sequence<String>) -> DetectorAdapter? {
    for name in names {
      if name.hasPrefix("backbone.stem.") || name.hasPrefix("roi_heads.res5.") {
        return .detectron2VisualGenome
      }
      if name.hasPrefix("backbone.body.") || name.hasPrefix("rpn.head.") { return .torchvision }
    }
    return nil
  }

  /// Where each of a file's tensors belongs.
  ///
  /// - Throws: `DetectionError` for a name that belongs nowhere, two that belong to the same place,
  ///   a tensor that holds no floating-point numbers, or a head of other sizes than the config's.
  public func mapping(
    _ tensors: [StoredTensor], _ config: DetectorConfig
  ) throws -> WeightMapping {
    var entries: [String: WeightMapping.Entry] = [:]
    var unused: [String] = []
    for tensor in tensors.sorted(by: { $0.name < $1.name }) {
      if Self.isOfNoUse(tensor.name) {
        unused.append(tensor.name)
        continue
      }
      guard let name = ours(tensor.name) else {
        throw DetectionError(
          "'\(tensor.name)' is no weight of a detector in the form '\(rawValue)'")
      }
      guard tensor.isFloatingPoint else {
        throw DetectionError(
          "'\(tensor.name)': a weight holds floating-point numbers, found \(tensor.elementType)")
      }
      guard entries[name] == nil else {
        throw DetectionError(
          "'\(tensor.name)' and '\(entries[name]?.source ?? "")' both belong to '\(name)'")
      }
      let change = change(name)
      try Self.check(tensor, change, name, config)
      entries[name] = WeightMapping.Entry(source: tensor.name, change: change)
    }
    return WeightMapping(entries: entries, unused: unused)
  }

  /// Counters, and what the config says already.
  private static func isOfNoUse(_ name: String) -> Bool {
    name.hasSuffix("num_batches_tracked") || name.contains("anchor_generator.")
      || name == "pixel_mean" || name == "pixel_std"
  }

  // MARK: names

  private func ours(_ name: String) -> String? {
    switch self {
    case .torchvision:
      switch name {
      case "rpn.head.conv.weight": return "rpn.head.conv.0.0.weight"
      case "rpn.head.conv.bias": return "rpn.head.conv.0.0.bias"
      default:
        return ["backbone.", "rpn.head.", "roi_heads."].contains { name.hasPrefix($0) }
          ? name : nil
      }
    case .detectron2VisualGenome:
      let parts = name.split(separator: ".").map(String.init)
      if let rest = Self.after(["backbone", "stem"], parts) {
        return Self.layer(rest).map { "backbone.body.\($0)" }
      }
      if parts.count > 3, parts[0] == "backbone", parts[1].hasPrefix("res"),
        let stage = Int(parts[1].dropFirst(3)), (2...5).contains(stage), Int(parts[2]) != nil
      {
        return Self.layer(parts.dropFirst(3)).map {
          "backbone.body.layer\(stage - 1).\(parts[2]).\($0)"
        }
      }
      if let rest = Self.after(["roi_heads", "res5"], parts), let block = rest.first,
        Int(block) != nil
      {
        return Self.layer(rest.dropFirst()).map { "roi_heads.box_head.layer4.\(block).\($0)" }
      }
      if let rest = Self.after(["proposal_generator", "rpn_head"], parts), rest.count == 2,
        let first = rest.first, let last = rest.last, let layer = Self.proposalLayers[first]
      {
        return "rpn.head.\(layer).\(last)"
      }
      if let rest = Self.after(["roi_heads", "box_predictor"], parts), rest.count == 2,
        let first = rest.first, Self.predictorLayers.contains(first)
      {
        return name
      }
      return nil
    }
  }

  private static let proposalLayers = [
    "conv": "conv.0.0", "objectness_logits": "cls_logits", "anchor_deltas": "bbox_pred",
  ]
  private static let predictorLayers: Set<String> = [
    "cls_score", "bbox_pred", "cls_embedding", "fc_attr", "attr_score",
  ]

  private static func after(_ start: [String], _ parts: [String]) -> ArraySlice<String>? {
    parts.starts(with: start) ? parts.dropFirst(start.count) : nil
  }

  /// `conv1.weight` stays, `conv1.norm.bias` is `bn1.bias`, `shortcut` is `downsample`.
  private static func layer(_ parts: ArraySlice<String>) -> String? {
    let parts = Array(parts)
    guard let first = parts.first, let last = parts.last,
      parts.count == 2 || (parts.count == 3 && parts[1] == "norm")
    else { return nil }
    let isNorm = parts.count == 3
    if first == "shortcut" { return "downsample.\(isNorm ? 1 : 0).\(last)" }
    guard first.hasPrefix("conv"), Int(first.dropFirst(4)) != nil else { return nil }
    return isNorm ? "bn\(first.dropFirst(4)).\(last)" : "\(first).\(last)"
  }

  // MARK: rows

  private func change(_ name: String) -> WeightMapping.Change {
    guard self == .detectron2VisualGenome else { return .none }
    let predictor = "roi_heads.box_predictor."
    guard name.hasPrefix(predictor) else { return .none }
    switch name.dropFirst(predictor.count).prefix(while: { $0 != "." }) {
    case "cls_score", "cls_embedding", "attr_score": return .lastRowFirst
    case "bbox_pred": return .zerosFirst(rows: 4)
    default: return .none
    }
  }

  /// The first side of what depends on the numbers of classes and attributes.
  private static func check(
    _ tensor: StoredTensor, _ change: WeightMapping.Change, _ name: String,
    _ config: DetectorConfig
  ) throws {
    let predictor = "roi_heads.box_predictor."
    guard name.hasPrefix(predictor), let rows = tensor.shape.first else { return }
    let expected: Int? =
      switch name.dropFirst(predictor.count).prefix(while: { $0 != "." }) {
      case "cls_score", "cls_embedding": config.classes + 1
      case "attr_score": config.attributes + 1
      case "bbox_pred": config.regions.isClassAgnostic ? 4 : 4 * (config.classes + 1)
      default: nil
      }
    guard let expected else { return }
    let found = change.rows(rows, isClassAgnostic: config.regions.isClassAgnostic)
    guard found == expected else {
      throw DetectionError(
        "'\(tensor.name)' has \(rows) rows, \(expected - found + rows) are needed for "
          + "\(config.classes) classes and \(config.attributes) attributes")
    }
  }
}

/// Which tensor of a file each weight is, and what is done to it.
public struct WeightMapping: Sendable, Equatable {
  public enum Change: Sendable, Equatable {
    case none
    /// Background moves from the end to the beginning.
    case lastRowFirst
    /// Background had no rows of its own; its boxes are never read.
    case zerosFirst(rows: Int)

    func rows(_ count: Int, isClassAgnostic: Bool) -> Int {
      if case .zerosFirst(let rows) = self, !isClassAgnostic { return count + rows }
      return count
    }
  }

  public struct Entry: Sendable, Equatable {
    public let source: String
    public let change: Change
  }

  /// By the weight's name in this package.
  public let entries: [String: Entry]
  /// Tensors of the file that no weight needs.
  public let unused: [String]
}

/// A file's weights under the names of this package.
public struct AdaptedWeights: WeightSource {
  public let mapping: WeightMapping
  private let source: any WeightSource
  private let isClassAgnostic: Bool

  public init(_ source: any WeightSource, _ mapping: WeightMapping, _ config: DetectorConfig) {
    self.source = source
    self.mapping = mapping
    isClassAgnostic = config.regions.isClassAgnostic
  }

  public var title: String { source.title }
  public var names: [String] { Array(mapping.entries.keys) }

  public func weight(_ name: String) throws -> Tensor? {
    guard let entry = mapping.entries[name], let tensor = try source.weight(entry.source) else {
      return nil
    }
    let count = tensor.size(0)
    switch entry.change {
    case .none: return tensor
    case .lastRowFirst:
      return try Tensor.concatenated([
        tensor.narrow(0, from: count - 1, 1), tensor.narrow(0, from: 0, count - 1),
      ])
    case .zerosFirst(let rows):
      guard !isClassAgnostic else { return tensor }
      let zeros = try Tensor.zeros([rows] + tensor.shape.dropFirst(), tensor.dtype)
      return try Tensor.concatenated([zeros, tensor])
    }
  }
}
