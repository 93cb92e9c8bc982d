// Objectives that set the pairs of a step against one another: which of them are no negatives.

internal import TandemCore
internal import TandemNN
internal import TandemText
internal import TandemTorch

/// Names the text and the picture of a pair, so that equal ones are known.
public struct PairIdentity: Sendable, Equatable {
  public var text: UInt64
  public var picture: UInt64

  public init(text: UInt64, picture: UInt64) {
    self.text = text
    self.picture = picture
  }

  /// The picture is known by its file: what augmentation makes of it has another key each time.
  init(_ example: Example, _ sequence: InputSequence) {
    text = sequence.text.withUnsafeBytes { stableHash($0) }
    picture = example.record.pictures.first.map { stableHash($0) } ?? sequence.picture?.key ?? 0
  }

  /// The pair as its own group with all others of the step, which is never cut.
  static func prepared(_ example: Example, group: Int) -> [PreparedSequence<PairIdentity>] {
    guard !example.texts.isEmpty, !example.pictures.isEmpty else { return [] }
    let sequence = InputSequence(example)
    return [PreparedSequence(sequence, PairIdentity(example, sequence), group: group)]
  }
}

/// Numbers of groups that hold a whole step; those of single examples are positive.
enum StepGroup {
  static let contrast = -1
  static let triplets = -2
}

extension [PairIdentity] {
  /// Boolean [G, G]: true for two different pairs that share a text or a picture.
  func duplicates(on device: Device) throws -> Tensor {
    func equal(_ names: [Int]) throws -> Tensor {
      let names_G = try Tensor(names, on: device)
      return try names_G.unsqueezed(1).equals(names_G.unsqueezed(0)).to(.float32)
    }
    let shared_GG = try equal(map(\.text.asInt)) + equal(map(\.picture.asInt))
    // Each pair shares both with itself.
    return try (shared_GG - equal(Array<Int>(indices)) * 2).isGreater(than: 0.5)
  }
}

extension UInt64 {
  fileprivate var asInt: Int { Int(truncatingIfNeeded: self) }

  /// 24 bits of a name, which a float32 holds exactly: enough where a rare mistake only leaves out
  /// a negative.
  var short: Float { Float(self >> 40) }
}

extension ModelFacts {
  /// - Throws: `ParameterError` for a model that has no vectors of texts and pictures by themselves.
  func needPairs(for objective: String) throws {
    try need(
      fusesRows ? nil : true, for: objective,
      "reads text and picture together and has no vector of either by itself")
  }
}

extension Encoding {
  /// The vectors of texts and of pictures.
  func needPair(for objective: String) throws -> PairFeatures {
    guard let pair else {
      throw ParameterError(
        "objectives.\(objective): the model gave no vectors of texts and pictures")
    }
    return pair
  }
}
