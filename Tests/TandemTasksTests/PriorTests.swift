import Foundation
import TandemCore
import TandemNN
import TandemTasks
import TandemTorch
import Testing
import TestSupport

@Suite struct PriorTests {
  private func facts() -> ModelFacts {
    ModelFacts(
      name: "toy", width: 4, layers: 1, vocabulary: 9,
      heads: HeadSpecifications(
        answers: AnswerHead.Specification(
          first: "first", norm: "norm", last: "last", order: .geluThenNorm, epsilon: 1e-12)))
  }

  private func bias(_ options: VisualQuestionAnswering.Options) throws -> [Float] {
    let store = ParameterStore(seed: 1)
    _ = try VisualQuestionAnswering(options, facts(), at: store.root)
    return try #require(store.tensors()["last.bias"]).floats()
  }

  /// The sigmoid, or the softmax, of the bias is the prior.
  @Test func answersStartAsProbableAsTheyAre() throws {
    var options = VisualQuestionAnswering.Options()
    options.answers = ["yes", "no", "blue"]
    options.priors = [0.5, 0.25, 0.01]
    #expect(try bias(options) == [0, 0, 0])
    options.startsAtPriors = true
    options.targets = .soft
    for (logit, prior) in zip(try bias(options), options.priors) {
      #expect(abs(1 / (1 + exp(-Double(logit))) - prior) < 1e-6)
    }
    options.targets = .classes
    let shares = try bias(options).map { exp(Double($0)) }
    for (share, prior) in zip(shares, options.priors) {
      #expect(abs(share / shares.reduce(0, +) - prior / 0.76) < 1e-6)
    }
    options.priors = [0.5, 1, 0.1]
    #expect(throws: (any Error).self) { _ = try bias(options) }
    options.priors = []
    #expect(throws: (any Error).self) { _ = try bias(options) }
  }
}
