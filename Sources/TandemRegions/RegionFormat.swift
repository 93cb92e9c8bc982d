// The formats in which region features are about, what each holds, and how to tell them apart.

import Glibc
import TandemFiles

/// A layout of region features on disk.
public enum RegionFormat: String, Sendable, CaseIterable, Codable {
  /// This software's own: ``FeatureStore``.
  case store
  /// LXMERT's TSV of ten columns.
  case lxmert
  /// The original bottom-up attention TSV of six columns.
  case butd
  /// VL-BERT: a JSON file for each picture, in a folder or a zip archive.
  case vlbert
  /// UNITER: an LMDB of msgpack or npz values under names that end in `.npz`.
  case uniter
  /// VOLTA and ViLBERT: an LMDB of pickles, with the list of names under `keys`.
  case volta
  /// Oscar and VinVL: a TSV of JSON, with `.lineidx` and `label.tsv`.
  case oscar
  /// UNIMO's retrieval lines of seven tab-separated fields.
  case unimoRetrieval
  /// UNIMO's captioning lines of sixteen fields with semicolons between.
  case unimoCaptioning

  /// The name that people read.
  public var label: String {
    switch self {
    case .store: "a Tandem region store"
    case .lxmert: "an LXMERT TSV"
    case .butd: "a bottom-up attention TSV"
    case .vlbert: "VL-BERT JSON"
    case .uniter: "an LMDB of UNITER's layout"
    case .volta: "an LMDB of VOLTA's layout"
    case .oscar: "an Oscar TSV"
    case .unimoRetrieval: "UNIMO retrieval lines"
    case .unimoCaptioning: "UNIMO captioning lines"
    }
  }

  /// What the format can hold.
  public var fields: Set<RegionField> {
    switch self {
    case .store: Set(RegionField.allCases)
    case .lxmert:
      [
        .imageSize, .boxes, .features, .objectIDs, .objectConfidences, .attributeIDs,
        .attributeConfidences,
      ]
    case .butd: [.imageSize, .boxes, .features]
    case .vlbert, .unimoRetrieval, .unimoCaptioning:
      [.imageSize, .boxes, .features, .classProbabilities]
    case .uniter: [.boxes, .features, .objectConfidences, .classProbabilities]
    case .volta: Set(RegionField.allCases)
    case .oscar: [.imageSize, .boxes, .features, .objectIDs, .objectConfidences]
    }
  }

  /// What the format cannot be written without.
  public var neededFields: Set<RegionField> {
    switch self {
    case .store, .uniter: RegionField.required
    case .butd, .volta: [.imageSize, .boxes, .features]
    case .vlbert, .unimoRetrieval, .unimoCaptioning:
      [.imageSize, .boxes, .features, .classProbabilities]
    case .oscar: [.imageSize, .boxes, .features, .objectIDs, .objectConfidences]
    case .lxmert: fields
    }
  }

  /// What is lost, missing or changed between a source that holds `fields` and `target`.
  ///
  /// - Parameter derivingObjects: whether object ids and confidences are taken from class
  ///   probabilities where only those are there (``RegionRecord/derivingObjects()``).
  public static func lossReport(
    from fields: Set<RegionField>, to target: RegionFormat, derivingObjects: Bool = true
  ) -> FormatLoss {
    var held = fields
    if derivingObjects, fields.contains(.classProbabilities) {
      held.formUnion([.objectIDs, .objectConfidences])
    }
    var notes: [String] = []
    if target == .uniter {
      notes.append("features, boxes, confidences and class probabilities are rounded to fp16")
      if fields.contains(.imageSize) {
        notes.append("boxes become fractions of the picture, whose size is not kept")
      }
    }
    if target == .unimoCaptioning {
      notes.append("caption, tokens, attribute probabilities and label are left empty")
    }
    if !fields.contains(.imageSize), target.neededFields.contains(.imageSize) {
      notes.append("give the pictures' sizes: the source has boxes as fractions only")
    }
    return FormatLoss(
      lost: fields.subtracting(target.fields),
      missing: target.neededFields.subtracting(held), notes: notes)
  }

  /// As `lossReport(from:to:derivingObjects:)`, for everything that the format `source` can hold.
  public static func lossReport(from source: RegionFormat, to target: RegionFormat) -> FormatLoss {
    lossReport(from: source.fields, to: target)
  }
}

/// What a reader needs to be told where the file does not say it.
public struct RegionReadingOptions: Sendable {
  /// Oscar: the names of the object classes, in the order of their ids. Without it ids are given in
  /// the order in which names turn up.
  public var classNames: [String]?
  /// UNITER's `all` databases: keep the regions that this selects; all of them without it.
  public var selection: ConfidenceSelection?
  /// UNIMO's retrieval lines: which of width and height comes first. Without it the boxes of the
  /// first lines tell.
  public var unimoSizeOrder: UNIMOSizeOrder?

  public init(
    classNames: [String]? = nil, selection: ConfidenceSelection? = nil,
    unimoSizeOrder: UNIMOSizeOrder? = nil
  ) {
    self.classNames = classNames
    self.selection = selection
    self.unimoSizeOrder = unimoSizeOrder
  }
}

/// What a writer needs to be told.
public struct RegionWritingOptions: Sendable {
  /// The store's header; without it one that fits the first record, with `featureType`.
  public var header: FeatureStoreHeader?
  public var featureType: FeatureType
  /// The store's note of the detector and its settings, where `header` is nil.
  public var detector: [String: String]
  /// Oscar: names for the object ids; without them the ids themselves are written.
  public var classNames: [String]?
  /// Whether a file that is there is replaced. A store is always gone on with.
  public var replaces: Bool

  public init(
    header: FeatureStoreHeader? = nil, featureType: FeatureType = .float16,
    detector: [String: String] = [:], classNames: [String]? = nil, replaces: Bool = false
  ) {
    self.header = header
    self.featureType = featureType
    self.detector = detector
    self.classNames = classNames
    self.replaces = replaces
  }
}

/// The regions that UNITER's scripts keep of a fixed number: those above a confidence, at least
/// `minimum`, at most `maximum`; regions lie by falling confidence.
public struct ConfidenceSelection: Sendable, Equatable {
  public var threshold: Float
  public var minimum: Int
  public var maximum: Int

  public init(threshold: Float = 0.2, minimum: Int = 10, maximum: Int = 100) {
    self.threshold = threshold
    self.minimum = minimum
    self.maximum = maximum
  }

  /// How many of the first regions are kept.
  public func count(_ confidences: [Float]) -> Int {
    let above = confidences.reduce(0) { $1 > threshold ? $0 + 1 : $0 }
    return min(confidences.count, maximum, max(minimum, above))
  }
}

/// Which of a UNIMO retrieval line's second and third field is the width: the published reader for
/// training takes the second, the one for testing the third.
public enum UNIMOSizeOrder: String, Sendable, CaseIterable, Codable {
  case widthHeight, heightWidth
}
