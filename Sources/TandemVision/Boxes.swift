/// A box in pixels of its picture; the right and bottom edges lie outside: `x2 - x1` is its width.
public struct Box: Sendable, Equatable, Codable {
  public var x1: Float
  public var y1: Float
  public var x2: Float
  public var y2: Float

  public init(x1: Float, y1: Float, x2: Float, y2: Float) {
    self.x1 = x1
    self.y1 = y1
    self.x2 = x2
    self.y2 = y2
  }

  public var width: Float { x2 - x1 }
  public var height: Float { y2 - y1 }
  public var area: Float { max(0, width) * max(0, height) }

  /// The part of the union of both that both cover, 0 to 1.
  public func overlap(_ other: Box) -> Float {
    let shared =
      max(0, min(x2, other.x2) - max(x1, other.x1)) * max(0, min(y2, other.y2) - max(y1, other.y1))
    let union = area + other.area - shared
    return union > 0 ? shared / union : 0
  }
}
