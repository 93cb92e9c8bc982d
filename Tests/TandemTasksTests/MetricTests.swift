import TandemTasks
import Testing
import TestSupport

/// Against values of the reference implementations, see make_training.py.
@Suite struct MetricTests {
  private struct Expected: Decodable {
    struct Question: Decodable {
      let answers: [String]
      let prediction: String
      let score: Double
    }
    struct Recall: Decodable {
      let caption_image: [Int]
      let scores: [[Float]]
      let text_retrieval: [String: Double]
      let image_retrieval: [String: Double]
    }
    let vqa: [Question]
    let recall: [String: Recall]
  }

  @Test func vqaAccuracy() throws {
    let questions = try Fixtures.json(Expected.self, "training/metrics.json").vqa
    #expect(questions.count == 16)
    for question in questions {
      let found = AnswerAccuracy.score(question.prediction, question.answers)
      #expect(abs(found - question.score) < Tolerance.double, "\(question)")
    }
  }

  @Test func oneHumanAnswerIsComparedAsItIs() {
    #expect(AnswerAccuracy.score("red", ["red"]) == 1)
    #expect(AnswerAccuracy.score("Red", ["red"]) == 0)
    #expect(AnswerAccuracy.score("", []) == 0)
  }

  @Test(arguments: ["contiguous", "shuffled"]) func recall(_ name: String) throws {
    let expected = try #require(
      try Fixtures.json(Expected.self, "training/metrics.json").recall[name])
    let found = RecallAtK(
      scores: expected.scores.flatMap { $0 }, pictures: expected.scores.count,
      picturesOfText: expected.caption_image.map { [$0] })
    #expect(found.cutoffs == [1, 5, 10])
    for (place, cutoff) in found.cutoffs.enumerated() {
      let text = try #require(expected.text_retrieval["\(cutoff)"])
      let image = try #require(expected.image_retrieval["\(cutoff)"])
      let scale = max(text, image) > 1 ? 100.0 : 1
      #expect(abs(found.textRetrieval[place] * scale - text) < Tolerance.double)
      #expect(abs(found.imageRetrieval[place] * scale - image) < Tolerance.double)
    }
  }

  @Test func aConstantScorerGainsNothing() {
    let found = RecallAtK(
      scores: [Float](repeating: 1, count: 12), pictures: 3,
      picturesOfText: [[0], [1], [2], [0]], cutoffs: [1, 4])
    #expect(found.textRetrieval == [0, 1])
    #expect(found.imageRetrieval == [0, 1])
  }

  /// By hand: pictures 0 and 1 share text 0; text 1 is picture 2's.
  @Test func aTextOfSeveralPicturesIsFoundByAnyOfThem() {
    let scores: [Float] = [
      0.9, 0.1,
      0.2, 0.5,
      0.8, 0.7,
    ]
    let found = RecallAtK(
      scores: scores, pictures: 3, picturesOfText: [[0, 1], [2]], cutoffs: [1, 2])
    // Picture 0 finds its text at once; 1 and 2 rank the other one first.
    #expect(found.textRetrieval == [1.0 / 3, 1])
    // Text 0 finds picture 0 first, text 1 picture 2.
    #expect(found.imageRetrieval == [1, 1])
  }

  /// Examples of the official evaluation's rules (vqaEval.py).
  @Test(arguments: [
    ("  The Dog\n", "dog"), ("two", "2"), ("none", "0"), ("a cat, an owl", "cat owl"),
    ("dont know", "don't know"), ("Yes!", "yes"), ("ice-cream", "ice cream"), ("3.5", "3.5"),
    ("mr. smith", "mr smith"), ("1,000", "1000"), ("black/white", "black white"), ("", ""),
    ("it's", "it's"), ("ten", "10"), ("[left]", "left"),
  ])
  func answersAreCleaned(answer: String, expected: String) {
    #expect(AnswerText.cleaned(answer) == expected)
  }
}
