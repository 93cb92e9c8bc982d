// What a sentence says of a picture, or of two, as a form that can be evaluated against any scene.

/// How many.
public struct Quantity: Codable, Sendable, Hashable {
  public enum Comparison: String, Codable, Sendable, CaseIterable { case exactly, atLeast, atMost }

  public var comparison: Comparison
  public var number: Int

  public init(_ comparison: Comparison, _ number: Int) {
    self.comparison = comparison
    self.number = number
  }

  public func holds(_ count: Int) -> Bool {
    switch comparison {
    case .exactly: count == number
    case .atLeast: count >= number
    case .atMost: count <= number
    }
  }

  /// What it says of a count between `least` and `most`; nil where that is open.
  func decides(_ least: Int, _ most: Int) -> Bool? {
    switch comparison {
    case .exactly:
      least == most && least == number ? true : number < least || number > most ? false : nil
    case .atLeast: least >= number ? true : most < number ? false : nil
    case .atMost: most <= number ? true : least > number ? false : nil
    }
  }
}

/// A statement about one picture.
public indirect enum SceneClaim: Codable, Sendable, Hashable {
  /// "There are two red cats."
  case count(is: Quantity, of: SceneDescription)
  /// "The cat is to the left of the dog": each must fit exactly one object.
  case relation(subject: SceneDescription, bearing: Bearing, landmark: SceneDescription)
  /// "There are more cats than dogs."
  case more(of: SceneDescription, than: SceneDescription)
  /// "There are as many cats as dogs."
  case asMany(of: SceneDescription, as: SceneDescription)
  /// "The largest animal is a cat": the subject must fit exactly one object.
  case identity(subject: SceneDescription, is: SceneDescription)
  case not(claim: SceneClaim)
  case all(claims: [SceneClaim])
  case any(claims: [SceneClaim])
}

/// Which of two pictures.
public enum PairSide: String, Codable, Sendable, CaseIterable { case left, right }

/// A statement about a pair of pictures (NLVR2: Suhr et al. 2019).
public enum PairClaim: Codable, Sendable, Hashable {
  case one(side: PairSide, claim: SceneClaim)
  case both(claim: SceneClaim)
  case either(claim: SceneClaim)
  case exactlyOne(claim: SceneClaim)
  case neither(claim: SceneClaim)
  /// More in the picture named than in the other.
  case more(side: PairSide, of: SceneDescription)
  case asMany(of: SceneDescription)
  /// In the two pictures together.
  case total(is: Quantity, of: SceneDescription)
}
