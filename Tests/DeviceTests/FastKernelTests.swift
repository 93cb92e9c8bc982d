// Fifty steps on the fast kernels and on libtorch's own operators, with the same dropout bits.

import TandemNN
import TandemTorch
import TandemTrain
import Testing

@Suite struct FastKernelTests {
  @Test(arguments: [(Precision.float32, 1e-4), (.bfloat16, 1e-2)])
  func fiftySteps(_ precision: Precision, _ limit: Double) throws {
    let runs = try [KernelTable.plain, .oneDNN].map { kernels in
      var settings = LessonSettings()
      settings.precision = precision
      settings.kernels = kernels
      settings.dropout = 0.1
      settings.steps = 50
      settings.rate = 1e-3
      let lesson = try Lesson(settings)
      try lesson.train()
      return lesson.lines.map(\.loss)
    }
    #expect(runs[0].count == 50 && runs[0][49] < 0.9 * runs[0][0])
    for (plain, fast) in zip(runs[0], runs[1]) { #expect(abs(fast - plain) < limit * abs(plain)) }
    #expect(runs[0] != runs[1])
  }
}
