// What is in a picture: by its annotation, and as a detector found it.

/// An object that somebody has marked in a picture.
public struct AnnotatedObject: Sendable, Equatable, Codable {
  public var box: Box
  /// 1 and up; 0 is background and marks nothing.
  public var label: Int
  /// 1 and up, in any order; 0 is "none". Empty where nobody said.
  public var attributes: [Int]
  /// A box around many that were not told apart: no detector learns from it, and nothing that lies
  /// inside counts as wrong.
  public var isCrowd: Bool
  /// The area of the object's outline in square pixels; that of the box where nobody drew one.
  public var area: Double?

  public init(
    box: Box, label: Int, attributes: [Int] = [], isCrowd: Bool = false, area: Double? = nil
  ) {
    self.box = box
    self.label = label
    self.attributes = attributes
    self.isCrowd = isCrowd
    self.area = area
  }
}

/// An object that a detector found.
public struct DetectedObject: Sendable, Equatable, Codable {
  public var box: Box
  /// 1 and up.
  public var label: Int
  /// The probability of the label, 0 to 1.
  public var score: Float

  public init(box: Box, label: Int, score: Float) {
    self.box = box
    self.label = label
    self.score = score
  }
}
