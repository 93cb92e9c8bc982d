// Boxes that cannot be: reversed, without area, or beyond the picture.

/// What to do with a box that reaches beyond its picture.
public enum BoxPolicy: String, Sendable, CaseIterable, Codable {
  /// The record counts as bad.
  case reject
  /// Corners are moved onto the picture's border; a box wholly outside, or reversed, stays bad.
  case clip
  /// Nothing is checked.
  case keep
}

/// How many boxes of a record are wrong, and in which way.
public struct BoxFaults: Sendable, Equatable {
  public var reversed = 0
  public var outside = 0
  public var empty = 0

  public init() {}

  public var count: Int { reversed + outside + empty }
}

extension RegionRecord {
  /// How far beyond the border a corner may lie and still count as inside: rounding of stored
  /// fractions (fp16 keeps 11 bits) and half a pixel.
  static func tolerance(size: Int) -> Float { size > 1 ? max(0.5, Float(size) * 0.001) : 0.001 }

  /// Counts each wrong box once, under the first of: reversed, empty, outside. A box with a NaN
  /// counts as reversed.
  public var boxFaults: BoxFaults {
    var faults = BoxFaults()
    for row in 0..<count {
      switch fault(row) {
      case .reversed: faults.reversed += 1
      case .empty: faults.empty += 1
      case .outside: faults.outside += 1
      case nil: break
      }
    }
    return faults
  }

  private enum BoxFault: String { case reversed, empty, outside }

  private func fault(_ row: Int) -> BoxFault? {
    let (x1, y1) = (boxes[row * 4], boxes[row * 4 + 1])
    let (x2, y2) = (boxes[row * 4 + 2], boxes[row * 4 + 3])
    guard x2 >= x1, y2 >= y1 else { return .reversed }
    guard x2 > x1, y2 > y1 else { return .empty }
    let (dx, dy) = (Self.tolerance(size: width), Self.tolerance(size: height))
    guard x1 >= -dx, y1 >= -dy, x2 <= Float(width) + dx, y2 <= Float(height) + dy else {
      return .outside
    }
    return nil
  }

  /// The record with its boxes treated by `policy`, and what is wrong with the first bad box.
  func applying(_ policy: BoxPolicy) -> (record: RegionRecord, fault: String?) {
    guard policy != .keep else { return (self, nil) }
    var record = self
    for row in 0..<count {
      guard let found = fault(row) else { continue }
      if found == .outside, policy == .clip {
        for column in 0..<4 {
          let limit = Float(column % 2 == 0 ? width : height)
          record.boxes[row * 4 + column] = min(max(boxes[row * 4 + column], 0), limit)
        }
        if record.fault(row) == nil { continue }
      }
      let corners = boxes[(row * 4)..<(row * 4 + 4)].map { "\($0)" }.joined(separator: ", ")
      let advice =
        found == .outside && policy == .reject
        ? "; clip the boxes, or see whether width and height are exchanged" : ""
      return (
        record,
        "box \(row) is \(found.rawValue): x1, y1, x2, y2 = \(corners) "
          + "in a picture of \(width) × \(height)\(advice)"
      )
    }
    return (record, nil)
  }
}
