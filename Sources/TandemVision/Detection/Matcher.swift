/// Which object each anchor or proposal stands for.
public struct Matcher: Sendable, Equatable, Codable {
  /// What a box is taken for.
  public enum Match: Sendable, Equatable {
    /// The place of the object it overlaps most.
    case object(Int)
    case background
    /// Neither: it teaches nothing.
    case between
  }

  /// From this overlap on a box stands for the object it overlaps most.
  public var foreground: Double
  /// Below this overlap a box is background.
  public var background: Double
  /// The boxes that overlap an object most stand for something even where that is little (Ren et
  /// al. 2015, "Faster R-CNN", 3.1.2).
  public var keepsBest: Bool

  public init(foreground: Double, background: Double, keepsBest: Bool) {
    self.foreground = foreground
    self.background = background
    self.keepsBest = keepsBest
  }

  /// - Parameters:
  ///   - coordinates: x1, y1, x2, y2 of each box.
  ///   - objects: the boxes of the objects, in the same pixels.
  public func match(_ coordinates: [Float], to objects: [Box]) -> [Match] {
    let count = coordinates.count / 4
    guard !objects.isEmpty else { return [Match](repeating: .background, count: count) }
    var most = [Float](repeating: -1, count: count)
    var which = [Int](repeating: 0, count: count)
    // For each object the most that any box overlaps it, and all boxes that overlap it so.
    var keeps = [Bool](repeating: false, count: count)
    var overlaps = [Float](repeating: 0, count: count)
    for (index, object) in objects.enumerated() {
      let best = Self.overlaps(coordinates, object, &overlaps)
      for box in 0..<count where overlaps[box] > most[box] {
        most[box] = overlaps[box]
        which[box] = index
      }
      if keepsBest {
        for box in 0..<count where overlaps[box] == best { keeps[box] = true }
      }
    }
    let high = Float(foreground)
    let low = Float(background)
    return (0..<count).map { box in
      if keeps[box] || most[box] >= high { return .object(which[box]) }
      return most[box] < low ? .background : .between
    }
  }

  /// Writes how much of the union each box shares with `object`, and returns the most.
  private static func overlaps(
    _ coordinates: [Float], _ object: Box, _ result: inout [Float]
  ) -> Float {
    let area = object.width * object.height
    var best = -Float.infinity
    let count = coordinates.count / 4
    coordinates.withUnsafeBufferPointer { from in
      result.withUnsafeMutableBufferPointer { to in
        for box in 0..<count {
          let x1 = from[4 * box]
          let y1 = from[4 * box + 1]
          let x2 = from[4 * box + 2]
          let y2 = from[4 * box + 3]
          let width = max(min(x2, object.x2) - max(x1, object.x1), 0)
          let height = max(min(y2, object.y2) - max(y1, object.y1), 0)
          let shared = width * height
          let union = area + (x2 - x1) * (y2 - y1) - shared
          to[box] = union > 0 ? shared / union : 0
          best = max(best, to[box])
        }
      }
    }
    return best
  }
}
