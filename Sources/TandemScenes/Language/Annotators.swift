// Ten annotators, who mostly agree.

/// How often an annotator of the ten answers something else than the truth. Part of the card of
/// the data.
public struct AnnotatorRates: Codable, Sendable, Equatable {
  /// Yes for no, left for right, and the other way round.
  public var flip = 0.04
  /// One more or one less, of counts above one; a third of it for none and one.
  public var offByOne = 0.10
  /// Another word for the class.
  public var synonym = 0.12
  /// The animal for the cat.
  public var hypernym = 0.08
  /// A neighbouring colour.
  public var nearColor = 0.08
  /// "Not sure" and the like.
  public var unsure = 0.02
  /// How often a true answer is given with the confidence "maybe".
  public var hesitation = 0.1

  public init() {}

  /// No disagreement at all.
  public static var unanimous: AnnotatorRates {
    var rates = AnnotatorRates()
    (rates.flip, rates.offByOne, rates.synonym) = (0, 0, 0)
    (rates.hypernym, rates.nearColor, rates.unsure, rates.hesitation) = (0, 0, 0, 0)
    return rates
  }
}

extension SceneTextWriter {
  static let annotatorCount = 10
  static let unsureAnswers = ["not sure", "unknown", "i don't know", "can't tell"]

  /// Ten answers, of which the truth is the most frequent one: where chance would have it
  /// otherwise, all answer again, and at last agree.
  func annotators(
    _ form: QuestionForm, truth: String, _ facts: SceneFacts, _ random: inout TextRandom
  ) -> [AnnotatorAnswer] {
    for _ in 0..<8 {
      let answers = (0..<Self.annotatorCount).map { _ in
        annotator(form, truth: truth, facts, &random)
      }
      if Self.mode(answers) == truth { return answers }
    }
    return [AnnotatorAnswer](
      repeating: AnnotatorAnswer(answer: truth, confidence: .yes), count: Self.annotatorCount)
  }

  /// The answer that is more frequent than every other; nil where two are.
  private static func mode(_ answers: [AnnotatorAnswer]) -> String? {
    let counts = Dictionary(answers.map { ($0.answer, 1) }, uniquingKeysWith: +)
    let most = counts.values.max() ?? 0
    let first = counts.filter { $0.value == most }
    return first.count == 1 ? first.first?.key : nil
  }

  private func annotator(
    _ form: QuestionForm, truth: String, _ facts: SceneFacts, _ random: inout TextRandom
  ) -> AnnotatorAnswer {
    if random.chance(options.annotators.unsure) {
      return AnnotatorAnswer(
        answer: random.pick(Self.unsureAnswers) ?? "unknown", confidence: .no)
    }
    if let other = deviation(form, truth: truth, facts, &random) {
      return AnnotatorAnswer(
        answer: VQAAnswer.normalized(other), confidence: random.coin() ? .yes : .maybe)
    }
    let hesitates = random.chance(options.annotators.hesitation)
    return AnnotatorAnswer(answer: truth, confidence: hesitates ? .maybe : .yes)
  }

  /// What the annotator says instead of the truth; nil for the truth.
  private func deviation(
    _ form: QuestionForm, truth: String, _ facts: SceneFacts, _ random: inout TextRandom
  ) -> String? {
    let rates = options.annotators
    switch form {
    case .truth: return random.chance(rates.flip) ? (truth == "yes" ? "no" : "yes") : nil
    case .side: return random.chance(rates.flip) ? (truth == "left" ? "right" : "left") : nil
    case .count:
      let count = Int(truth) ?? 0
      guard random.chance(count > 1 ? rates.offByOne : rates.offByOne / 3) else { return nil }
      return String(count == 0 || random.coin() ? count + 1 : count - 1)
    case .tint:
      guard random.chance(rates.nearColor) else { return nil }
      return random.pick(Self.nearColors[truth] ?? [])
    case .className(let description):
      guard let place = facts.only(description) else { return nil }
      let one = facts.lexicon.classes[facts.classes[place]]
      if random.chance(rates.synonym) { return random.pick(one.synonyms) }
      // Asked what animal it is, nobody answers "an animal".
      let wider = one.hypernyms.filter { $0 != description.noun && $0 != Lexicon.anything }
      return random.chance(rates.hypernym) ? wider.first : nil
    }
  }

  private static let nearColors = [
    "red": ["pink", "orange", "maroon"], "green": ["teal", "lime", "yellow"],
    "blue": ["light blue", "teal", "purple"], "yellow": ["gold", "orange", "tan"],
    "purple": ["violet", "pink", "blue"], "gray": ["grey", "silver", "black"],
  ]
}
