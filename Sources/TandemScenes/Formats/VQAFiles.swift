// Questions and answers in the format of VQA v2 (Goyal et al. 2017):
// "v2_OpenEnded_mscoco_*_questions.json" and "v2_mscoco_*_annotations.json".

internal import TandemFiles

/// A question of a VQA v2 file.
public struct VQAQuestion: Sendable, Equatable {
  public var id: Int
  public var imageID: Int
  public var question: String

  public init(id: Int, imageID: Int, question: String) {
    self.id = id
    self.imageID = imageID
    self.question = question
  }
}

/// The answers to a question of a VQA v2 file.
public struct VQAAnnotation: Sendable, Equatable {
  public var questionID: Int
  public var imageID: Int
  /// The first words of the question in the official files, the type of question in ours.
  public var questionType: String
  /// "yes/no", "number" or "other".
  public var answerType: String
  /// The most frequent answer.
  public var multipleChoiceAnswer: String
  /// Ten in the official files.
  public var answers: [AnnotatorAnswer]

  public init(
    questionID: Int, imageID: Int, questionType: String, answerType: String,
    multipleChoiceAnswer: String, answers: [AnnotatorAnswer]
  ) {
    self.questionID = questionID
    self.imageID = imageID
    self.questionType = questionType
    self.answerType = answerType
    self.multipleChoiceAnswer = multipleChoiceAnswer
    self.answers = answers
  }
}

/// The two kinds of VQA v2 files.
public enum VQAFiles {
  /// Passes on the questions of a file in its order, in constant memory.
  ///
  /// - Throws: `SceneFormatError` with the key, what was expected and what was found; `FileError`;
  ///   or what `body` throws.
  public static func readQuestions(path: String, _ body: (VQAQuestion) throws -> Void) throws {
    try OfficialFile.read(path, needs: ["questions"]) { scanner, _ in
      var (id, imageID): (Int?, Int?)
      var question: String?
      try scanner.object { scanner, key in
        switch key {
        case "question_id": id = try scanner.int()
        case "image_id": imageID = try scanner.int()
        case "question": question = try scanner.string()
        default: try scanner.skip()
        }
      }
      try body(
        VQAQuestion(
          id: try scanner.need(id, "question_id"), imageID: try scanner.need(imageID, "image_id"),
          question: try scanner.need(question, "question")))
    }
  }

  /// Passes on the annotations of a file in its order, in constant memory.
  ///
  /// - Throws: as `readQuestions`.
  public static func readAnnotations(path: String, _ body: (VQAAnnotation) throws -> Void) throws {
    try OfficialFile.read(path, needs: ["annotations"]) { scanner, _ in
      try body(VQAAnnotation(from: &scanner))
    }
  }

  /// Writes a file of questions in constant memory: `body` adds them through the function it gets.
  ///
  /// - Throws: `FileError`, or what `body` throws; then an earlier file stays as it was.
  public static func writeQuestions(
    to path: String, subset: String = "", _ body: ((VQAQuestion) throws -> Void) throws -> Void
  ) throws {
    try write(to: path, list: "questions", subset, body) { question, sink in
      try sink.raw("{\"image_id\":\(question.imageID),\"question\":")
      try sink.string(question.question)
      try sink.raw(",\"question_id\":\(question.id)}")
    }
  }

  /// Writes a file of annotations in constant memory, as `writeQuestions`.
  public static func writeAnnotations(
    to path: String, subset: String = "", _ body: ((VQAAnnotation) throws -> Void) throws -> Void
  ) throws {
    try write(to: path, list: "annotations", subset, body) { try $0.write(to: $1) }
  }

  private static func write<Record>(
    to path: String, list: String, _ subset: String,
    _ body: ((Record) throws -> Void) throws -> Void,
    _ record: @escaping (Record, JSONSink) throws -> Void
  ) throws {
    try AtomicFile.write(to: path) { file in
      let sink = JSONSink { try file.write($0) }
      try sink.raw(
        "{\"info\":{},\"license\":{},\"task_type\":\"Open-Ended\","
      )
      try sink.raw("\"data_type\":\"composed scenes\",\"data_subtype\":")
      try sink.string(subset)
      try sink.raw(",\"\(list)\":[")
      var isFirst = true
      try body { one in
        try sink.raw(isFirst ? "\n" : ",\n")
        isFirst = false
        try record(one, sink)
      }
      try sink.raw("]}\n")
      try sink.flush()
    }
  }
}

extension VQAAnnotation {
  init(from scanner: inout JSONScanner) throws {
    var (questionID, imageID): (Int?, Int?)
    var (questionType, answerType, choice): (String?, String?, String?)
    var answers: [AnnotatorAnswer]?
    try scanner.object { scanner, key in
      switch key {
      case "question_id": questionID = try scanner.int()
      case "image_id": imageID = try scanner.int()
      case "question_type": questionType = try scanner.string()
      case "answer_type": answerType = try scanner.string()
      case "multiple_choice_answer": choice = try scanner.string()
      case "answers":
        var found: [AnnotatorAnswer] = []
        try scanner.array { scanner, _ in found.append(try AnnotatorAnswer(from: &scanner)) }
        answers = found
      default: try scanner.skip()
      }
    }
    self.init(
      questionID: try scanner.need(questionID, "question_id"),
      imageID: try scanner.need(imageID, "image_id"),
      questionType: questionType ?? "", answerType: answerType ?? "other",
      multipleChoiceAnswer: try scanner.need(choice, "multiple_choice_answer"),
      answers: try scanner.need(answers, "answers"))
  }

  func write(to sink: JSONSink) throws {
    try sink.raw("{\"question_id\":\(questionID),\"image_id\":\(imageID),\"question_type\":")
    try sink.string(questionType)
    try sink.raw(",\"answer_type\":")
    try sink.string(answerType)
    try sink.raw(",\"multiple_choice_answer\":")
    try sink.string(multipleChoiceAnswer)
    try sink.raw(",\"answers\":[")
    for (place, one) in answers.enumerated() {
      try sink.raw((place > 0 ? "," : "") + "{\"answer_id\":\(place + 1),\"answer\":")
      try sink.string(one.answer)
      try sink.raw(",\"answer_confidence\":\"\(one.confidence.rawValue)\"}")
    }
    try sink.raw("]}")
  }
}

extension AnnotatorAnswer {
  init(from scanner: inout JSONScanner) throws {
    var answer: String?
    var confidence = Confidence.yes
    try scanner.object { scanner, key in
      switch key {
      case "answer": answer = try scanner.string()
      case "answer_confidence":
        let text = try scanner.string()
        guard let known = Confidence(rawValue: text) else {
          throw scanner.error("expected yes, maybe or no, found '\(text)'")
        }
        confidence = known
      default: try scanner.skip()
      }
    }
    self.init(answer: try scanner.need(answer, "answer"), confidence: confidence)
  }
}
