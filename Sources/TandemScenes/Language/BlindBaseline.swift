// What a model gets that never looks at a picture: if much, the texts give their answers away.

/// Results of text-only guesses, each a part of one, for the card of the data.
public struct BlindFigures: Codable, Sendable, Equatable {
  /// VQA accuracy of the most frequent training answer of the question's type.
  public var questionsByType: Double
  /// The same of the exact text of the question, or of its type where the text is new.
  public var questionsByText: Double
  /// `questionsByType` of each type alone.
  public var questionTypes: [String: Double]
  /// `questionsByText` of each type alone.
  public var questionTypesByText: [String: Double]
  /// Statements about pairs: the majority answer of the text, or of all where it is new or even.
  public var statements: Double
  /// The same by the words of the text and their pairs (naive Bayes).
  public var statementsByWords: Double
  /// Entailment: the majority label of the hypothesis, or of all where it is new or even.
  public var entailment: Double
  /// The same by the words of the hypothesis and their pairs (naive Bayes).
  public var entailmentByWords: Double
  /// Referring expressions: the largest box, right from an overlap (IoU) of one half.
  public var expressionsLargestBox: Double
  /// Reasoned choices: the first of the longest answers, and the first answer.
  public var longestAnswer: Double
  public var firstAnswer: Double
  public var longestRationale: Double
  public var firstRationale: Double
  /// What was scored: questions, statements, entailments, expressions, choices.
  public var counts: [String: Int]
}

/// Learns from training texts and scores test texts, one at a time, in constant memory.
public struct BlindBaseline: Sendable {
  /// How many different texts of each kind are remembered; later ones fall back to their type.
  public let textLimit: Int

  public init(textLimit: Int = 1 << 18) { self.textLimit = textLimit }

  private var questionTypes: [QuestionType: Votes] = [:]
  private var questionTexts: [UInt64: Votes] = [:]
  private var statementTexts: [UInt64: Votes] = [:]
  private var allStatements = Votes()
  private var hypotheses: [UInt64: Votes] = [:]
  private var allHypotheses = Votes()
  private var statementWords = WordVotes()
  private var hypothesisWords = WordVotes()

  private var byType: [QuestionType: Mean] = [:]
  private var byText: [QuestionType: Mean] = [:]
  private var statements = Mean()
  private var statementsByWords = Mean()
  private var entailment = Mean()
  private var entailmentByWords = Mean()
  private var largestBox = Mean()
  private var answers = (longest: Mean(), first: Mean())
  private var rationales = (longest: Mean(), first: Mean())

  // MARK: Training

  public mutating func learn(_ question: SceneQuestion) {
    questionTypes[question.type, default: Votes()].add(question.answer)
    learn(question.answer, of: question.text, in: \.questionTexts)
  }

  public mutating func learn(_ statement: PairStatement) {
    allStatements.add(String(statement.answer))
    statementWords.add(statement.text, String(statement.answer), limit: textLimit)
    learn(String(statement.answer), of: statement.text, in: \.statementTexts)
  }

  public mutating func learn(_ triple: EntailmentTriple) {
    allHypotheses.add(triple.label.rawValue)
    hypothesisWords.add(triple.hypothesis, triple.label.rawValue, limit: textLimit)
    learn(triple.label.rawValue, of: triple.hypothesis, in: \.hypotheses)
  }

  /// The questions of a training scene.
  public mutating func learn(_ texts: SceneTexts) { for one in texts.questions { learn(one) } }

  private mutating func learn(
    _ answer: String, of text: String, in table: WritableKeyPath<BlindBaseline, [UInt64: Votes]>
  ) {
    let key = BlindHash.of(text)
    guard self[keyPath: table][key] != nil || self[keyPath: table].count < textLimit else { return }
    self[keyPath: table][key, default: Votes()].add(answer)
  }

  // MARK: Test

  public mutating func score(_ question: SceneQuestion) {
    let typed = questionTypes[question.type]?.winner
    let texted = questionTexts[BlindHash.of(question.text)]?.winner ?? typed
    let humans = question.answers.map(\.answer)
    let score = { (guess: String?) in guess.map { VQAAnswer.accuracy($0, among: humans) } ?? 0 }
    byType[question.type, default: Mean()].add(score(typed))
    byText[question.type, default: Mean()].add(score(texted))
  }

  public mutating func score(_ statement: PairStatement) {
    let own = statementTexts[BlindHash.of(statement.text)]?.clearWinner
    let guess = own ?? allStatements.winner ?? "false"
    statements.add(guess == String(statement.answer) ? 1 : 0)
    let worded = statementWords.winner(statement.text)
    statementsByWords.add(worded == String(statement.answer) ? 1 : 0)
  }

  public mutating func score(_ triple: EntailmentTriple) {
    let own = hypotheses[BlindHash.of(triple.hypothesis)]?.clearWinner
    let guess = own ?? allHypotheses.winner ?? ""
    entailment.add(guess == triple.label.rawValue ? 1 : 0)
    let worded = hypothesisWords.winner(triple.hypothesis)
    entailmentByWords.add(worded == triple.label.rawValue ? 1 : 0)
  }

  public mutating func score(_ expression: ReferringExpression, in scene: Scene) {
    let largest = scene.objects.max { $0.box.area < $1.box.area }?.box
    largestBox.add(largest.map { 2 * Self.overlap($0, expression.box) >= 1 ? 1 : 0 } ?? 0)
  }

  public mutating func score(_ choice: ReasonedChoice) {
    let longest = { (options: [ReasonedChoice.Option]) in
      let lengths = options.map { $0.text.text.count }
      return lengths.firstIndex(of: lengths.max() ?? 0)
    }
    answers.longest.add(longest(choice.answers) == choice.answer ? 1 : 0)
    answers.first.add(choice.answer == 0 ? 1 : 0)
    rationales.longest.add(longest(choice.rationales) == choice.rationale ? 1 : 0)
    rationales.first.add(choice.rationale == 0 ? 1 : 0)
  }

  /// The questions, expressions and choices of a test scene.
  public mutating func score(_ texts: SceneTexts, of scene: Scene) {
    for one in texts.questions { score(one) }
    for one in texts.expressions { score(one, in: scene) }
    for one in texts.choices { score(one) }
  }

  /// The results so far.
  public var figures: BlindFigures {
    let total = { (means: [QuestionType: Mean]) in
      means.values.reduce(into: Mean()) { $0.add($1) }
    }
    let named = { (means: [QuestionType: Mean]) in
      Dictionary(uniqueKeysWithValues: means.map { ($0.key.rawValue, $0.value.value) })
    }
    return BlindFigures(
      questionsByType: total(byType).value, questionsByText: total(byText).value,
      questionTypes: named(byType), questionTypesByText: named(byText),
      statements: statements.value, statementsByWords: statementsByWords.value,
      entailment: entailment.value, entailmentByWords: entailmentByWords.value,
      expressionsLargestBox: largestBox.value, longestAnswer: answers.longest.value,
      firstAnswer: answers.first.value, longestRationale: rationales.longest.value,
      firstRationale: rationales.first.value,
      counts: [
        "questions": total(byType).count, "statements": statements.count,
        "entailments": entailment.count, "expressions": largestBox.count,
        "choices": answers.first.count,
      ])
  }

  private static func overlap(_ a: SceneBox, _ b: SceneBox) -> Double {
    let width = min(a.x2, b.x2) - max(a.x1, b.x1)
    let height = min(a.y2, b.y2) - max(a.y1, b.y1)
    guard width > 0, height > 0 else { return 0 }
    return Double(width * height) / Double(a.area + b.area - width * height)
  }
}
