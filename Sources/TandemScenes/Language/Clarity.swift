// When a relation clearly holds, clearly does not, and when nobody should be asked.

extension Scene {
  /// Whether `relation` holds of two objects; nil in the grey zone between, where people differ.
  ///
  /// True exactly where `holds` is. False only with room to spare: not left of means the centre is
  /// no further left, not larger means no larger area, not on means the boxes do not touch or the
  /// subject's foot is no higher than the object's, and not next to means a gap of three tenths of
  /// the width or of the height.
  public func clearly(_ relation: SceneRelation, _ subject: Int, _ object: Int) -> Bool? {
    guard subject != object else { return false }
    if holds(relation, subject, object) { return true }
    let a = objects[subject].box
    let b = objects[object].box
    let across = max(a.x1, b.x1) - min(a.x2, b.x2)
    let down = max(a.y1, b.y1) - min(a.y2, b.y2)
    let isFalse =
      switch relation {
      case .leftOf: a.x1 + a.x2 >= b.x1 + b.x2
      case .above: a.y1 + a.y2 >= b.y1 + b.y2
      case .largerThan: a.area <= b.area
      case .on: across > 0 || down > 0 || a.y2 >= b.y2
      case .nextTo: 10 * across >= 3 * width || 10 * down >= 3 * height
      }
    return isFalse ? false : nil
  }

  /// Whether a bearing holds of two objects; nil in the grey zone.
  public func clearly(bearing: Bearing, _ subject: Int, _ object: Int) -> Bool? {
    let (relation, isConverse) = bearing.relation
    return isConverse ? clearly(relation, object, subject) : clearly(relation, subject, object)
  }

  /// Whether one object clearly leads another in what a superlative compares: an area 1.2 times
  /// the other, or a centre a twelfth of the picture further with an edge at least as far.
  func leads(_ extreme: SceneDescription.Extreme, _ leader: Int, _ other: Int) -> Bool {
    let a = objects[leader].box
    let b = objects[other].box
    switch extreme {
    case .largest: return 5 * a.area >= 6 * b.area
    case .smallest: return 5 * b.area >= 6 * a.area
    case .leftmost: return 6 * ((b.x1 + b.x2) - (a.x1 + a.x2)) >= width && a.x1 <= b.x1
    case .rightmost: return 6 * ((a.x1 + a.x2) - (b.x1 + b.x2)) >= width && a.x2 >= b.x2
    case .highest: return 6 * ((b.y1 + b.y2) - (a.y1 + a.y2)) >= height && a.y1 <= b.y1
    case .lowest: return 6 * ((a.y1 + a.y2) - (b.y1 + b.y2)) >= height && a.y2 >= b.y2
    }
  }
}
