// What a question asks, as a form whose answer any scene gives.

/// What kind of question it is.
public enum QuestionType: String, Codable, Sendable, CaseIterable {
  case existence, counting, what, color, relation, comparison
}

/// A question about a picture, with the answers of ten annotators (VQA: Antol et al. 2015).
public struct SceneQuestion: Codable, Sendable, Equatable {
  public var text: String
  public var type: QuestionType
  public var form: QuestionForm
  /// The true answer, in the form in which the evaluation compares: lower case, digits, no
  /// articles. It is the most frequent one of `answers` too.
  public var answer: String
  /// Ten.
  public var answers: [AnnotatorAnswer]

  public init(
    text: String, type: QuestionType, form: QuestionForm, answer: String, answers: [AnnotatorAnswer]
  ) {
    self.text = text
    self.type = type
    self.form = form
    self.answer = answer
    self.answers = answers
  }
}

/// What one annotator answered.
public struct AnnotatorAnswer: Codable, Sendable, Equatable {
  /// How sure the annotator was.
  public enum Confidence: String, Codable, Sendable { case yes, maybe, no }

  public var answer: String
  public var confidence: Confidence

  public init(answer: String, confidence: Confidence) {
    self.answer = answer
    self.confidence = confidence
  }
}

/// What a question asks for.
public enum QuestionForm: Codable, Sendable, Hashable {
  /// "Is there a cat?": yes or no.
  case truth(of: SceneClaim)
  /// "How many cats are there?"
  case count(of: SceneDescription)
  /// "What is the small red object?": the class of the only one.
  case className(of: SceneDescription)
  /// "What color is the cat?": the tint of the only one; natural colours have no answer.
  case tint(of: SceneDescription)
  /// "Is the cat to the left or to the right of the dog?"
  case side(of: SceneDescription, from: SceneDescription)
}

extension SceneFacts {
  /// The true answer; nil where the picture does not clearly give one.
  public func answer(_ form: QuestionForm) -> String? {
    switch form {
    case .truth(let claim): return truth(claim).map { $0 ? "yes" : "no" }
    case .count(let description): return count(description).map(String.init)
    case .className(let description):
      return only(description).map { VQAAnswer.normalized(className($0)) }
    case .tint(let description): return only(description).flatMap { tint($0)?.rawValue }
    case .side(let subject, let landmark):
      guard let subject = only(subject), let landmark = only(landmark), subject != landmark else {
        return nil
      }
      if scene.clearly(bearing: .leftOf, subject, landmark) == true { return "left" }
      return scene.clearly(bearing: .rightOf, subject, landmark) == true ? "right" : nil
    }
  }
}

extension Wording {
  /// The question, with its mark.
  func question(_ form: QuestionForm, _ random: inout TextRandom) -> String {
    switch form {
    case .truth(let claim): return yesNoQuestion(claim, &random)
    case .count(let description):
      let things = bare(description, .plural, &random)
      return random.chance(0.7)
        ? "How many \(things) are there?" : "How many \(things) are in the picture?"
    case .className(let description): return whatQuestion(description, &random)
    case .tint(let description):
      return random.chance(0.7)
        ? "What color is \(the(description, &random))?"
        : "What is the color of \(the(description, &random))?"
    case .side(let subject, let landmark):
      return "Is \(the(subject, &random)) to the left or to the right of "
        + "\(the(landmark, &random))?"
    }
  }

  private func yesNoQuestion(_ claim: SceneClaim, _ random: inout TextRandom) -> String {
    switch claim {
    case .count(Quantity(.atLeast, 1), let description):
      switch random.below(4) {
      case 0: return "Is there \(a(description, &random)) in the picture?"
      case 1: return "Is there \(a(description, &random))?"
      case 2: return "Are there any \(bare(description, .plural, &random))?"
      default: return "Can you see \(a(description, &random))?"
      }
    case .relation(let subject, let bearing, let landmark):
      return "Is \(the(subject, &random)) \(word(bearing, &random)) \(the(landmark, &random))?"
    case .more(let more, let fewer):
      return random.chance(0.7)
        ? "Are there more \(bare(more, .plural, &random)) than \(bare(fewer, .plural, &random))?"
        : "Are there fewer \(bare(fewer, .plural, &random)) than \(bare(more, .plural, &random))?"
    default: return "Is it true that \(clause(claim, &random))?"
    }
  }

  private func whatQuestion(_ description: SceneDescription, _ random: inout TextRandom) -> String {
    let isAny = description.noun == Lexicon.anything
    let noun = description.noun
    // "Which piece of fruit", but "what animal".
    let which =
      isAny
      ? "What"
      : English.measure(for: noun) == nil ? "What \(noun)" : "Which \(lexicon.singular(noun))"
    var attributes = description
    attributes.relatives = []
    if let relative = description.relatives.first, attributes.isPlain {
      return "\(which) is \(word(relative.bearing, &random)) \(the(relative.landmark, &random))?"
    }
    if description.isPlain, !isAny {
      return random.coin()
        ? "What kind of \(noun) is in the picture?"
        : "Which \(lexicon.singular(noun)) is in the picture?"
    }
    if isAny || random.coin() { return "What is \(the(description, &random))?" }
    return "What kind of \(noun) is the \(adjectives(description, &random)) one?"
  }
}
