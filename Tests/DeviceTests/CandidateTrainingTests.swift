import TandemCore
import TandemObjectives
import TandemTorch
import TandemTrain
import Testing
import TestSupport

/// Training on the candidates that are chosen on the way.
@Suite struct CandidateTrainingTests {
  private func settings(_ count: Int, _ choice: ImageTextMatching.Choice) -> LessonSettings {
    var settings = LessonSettings()
    settings.matching.hardNegatives = count
    settings.matching.candidates = .batch
    settings.matching.choice = choice
    // Alignment shares matching's pass by default.
    settings.hasAlignment = false
    // The look has no dropout; without any the kept pair's loss is the one it was kept for.
    settings.dropout = choice == .sampled ? 0.1 : 0
    return settings
  }

  @Test(arguments: [ImageTextMatching.Choice.hardest, .sampled])
  func stepsAreTheSameAgain(_ choice: ImageTextMatching.Choice) throws {
    let runs = try (0..<2).map { _ in
      let lesson = try Lesson(settings(4, choice))
      try lesson.train()
      return lesson.lines
    }
    #expect(runs[0].map(\.loss) == runs[1].map(\.loss))
    #expect(runs[0].count == 4 && runs[0].allSatisfy { $0.loss.isFinite && $0.rows > 0 })
    // As many pairs are learned as without a choice, and harder ones.
    let plain = try Lesson(settings(1, .hardest))
    try plain.train()
    #expect(plain.lines.map(\.loss) != runs[0].map(\.loss))
    #expect(Set(plain.lines[0].metrics.keys) == Set(runs[0][0].metrics.keys))
    if choice == .hardest {
      let hard = try #require(runs[0][0].metrics["itm.loss"])
      let easy = try #require(plain.lines[0].metrics["itm.loss"])
      #expect(hard > easy)
    }
  }
}
