// The parts a picture's regions can have: each file format holds some of them.

/// One part of a ``RegionRecord``.
public enum RegionField: String, Sendable, CaseIterable, Codable, Comparable {
  /// The picture's width and height in pixels. Without them boxes are fractions of the picture.
  case imageSize
  case boxes
  case features
  case objectIDs
  case objectConfidences
  case attributeIDs
  case attributeConfidences
  /// The detector's distribution over its classes, class 0 being the background.
  case classProbabilities

  /// What every record has, so that a format is of use at all.
  public static let required: Set<RegionField> = [.boxes, .features]

  /// The name that people read.
  public var label: String {
    switch self {
    case .imageSize: "picture size"
    case .boxes: "boxes"
    case .features: "features"
    case .objectIDs: "object ids"
    case .objectConfidences: "object confidences"
    case .attributeIDs: "attribute ids"
    case .attributeConfidences: "attribute confidences"
    case .classProbabilities: "class probabilities"
    }
  }

  public static func < (left: RegionField, right: RegionField) -> Bool {
    left.position < right.position
  }

  private var position: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}

extension Set where Element == RegionField {
  /// "boxes, features and object ids", in the order of the cases.
  public var label: String {
    let names = sorted().map(\.label)
    guard let last = names.last, names.count > 1 else { return names.first ?? "nothing" }
    return names.dropLast().joined(separator: ", ") + " and " + last
  }
}

/// What is lost on the way from one format to another.
public struct FormatLoss: Sendable, Equatable, CustomStringConvertible {
  /// Held by the source, not by the target.
  public let lost: Set<RegionField>
  /// Needed by the target, not held by the source: without them nothing can be written.
  public let missing: Set<RegionField>
  /// What changes in the fields that both hold.
  public let notes: [String]

  public var isEmpty: Bool { lost.isEmpty && missing.isEmpty && notes.isEmpty }

  public var description: String {
    var lines: [String] = []
    if !lost.isEmpty { lines.append("not kept: \(lost.label)") }
    if !missing.isEmpty { lines.append("needed, but not in the source: \(missing.label)") }
    return (lines + notes).joined(separator: "\n")
  }
}
