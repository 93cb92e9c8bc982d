import Foundation
import TandemCore
import TandemNN
import TandemObjectives
import TandemText
import TandemTorch
import Testing
import TestSupport

/// Matching that chooses the hardest of several false partners.
@Suite struct HardNegativeTests {
  private func options(_ count: Int) -> ImageTextMatching.Options {
    var options = ImageTextMatching.Options()
    options.hardNegatives = count
    options.negatives = .either
    return options
  }

  private func prepared(_ count: Int) throws -> [PreparedSequence<ImageTextMatching.Match>] {
    try RegionToy.prepared(
      ImageTextMatching.self, options(count), examples: RegionToy.examples())
  }

  @Test func candidatesAreGroups() throws {
    let items = try prepared(4)
    #expect(items.count == 3 + 3 * 4)
    #expect(items.reduce(0) { $0 + ImageTextMatching.weight(of: $1.target) } == 6)
    for item in items {
      #expect(item.group == item.target.group)
      #expect(item.target.isMatch == (item.group == 0))
      #expect(item.sequence.isTruePair == item.target.isMatch)
    }
    let groups = Dictionary(grouping: items.filter { $0.group != 0 }, by: \.group)
    #expect(groups.count == 3)
    for group in groups.values {
      #expect(group.count == 4)
      #expect(group.count { $0.target.isCounted } == 1)
      // Either half of a pair is foreign, never both.
      for item in group {
        let isForeign = item.sequence.picture?.key == 999
        let text = try Toy.tokenizer().encode("left of star").ids
        #expect(isForeign != (item.sequence.text == text))
      }
    }
    // One candidate, or no choice at all, is the pair it always was.
    #expect(try prepared(1).count == 6 && prepared(0).count == 6)
    #expect(
      try prepared(0).map { $0.sequence.picture?.key }
        == prepared(1).map { $0.sequence.picture?.key })
    #expect(try prepared(0).allSatisfy { $0.group == 0 })
  }

  /// The loss is that of the true pairs and of the false ones that look most true.
  @Test func theHardestIsLearned() throws {
    let store = ParameterStore(seed: 3, productInitialization: .fanIn)
    defer { withExtendedLifetime(store) {} }
    let objective = try ImageTextMatching(options(4), RegionToy.facts(), at: store.root)
    let items = try prepared(4)
    let weight = try table(#require(store["matching.weight"]).value)
    func logits(_ item: PreparedSequence<ImageTextMatching.Match>) throws -> [Double] {
      let x = try randomTensor([1, RegionToy.width], seed: item.sequence.key ^ 77)
      let row = try table(x)[0]
      return weight.map { zip($0, row).reduce(0) { $0 + $1.0 * $1.1 } }
    }
    var expected = 0.0
    var worst: [Int: Double] = [:]
    for item in items {
      let scores = logSoftmax(try logits(item))
      if item.target.isMatch {
        expected -= scores[1]
      } else {
        worst[item.group] = max(worst[item.group] ?? 0, -scores[0])
      }
    }
    #expect(worst.count == 3)
    expected = (expected + worst.values.reduce(0, +)) / 6
    let whole = try RegionToy.loss(objective, items, cut: [items.count])
    #expect(abs(whole.total - expected) < Tolerance.output * expected)
    // Cut between groups, never in one.
    var sizes: [Int] = []
    var last: Int?
    for item in items {
      if let group = last, group == item.group, group != 0 {
        sizes[sizes.count - 1] += 1
      } else {
        sizes.append(1)
      }
      last = item.group
    }
    #expect(sizes.reduce(0, +) == items.count && sizes.count == 6)
    let parts = try RegionToy.loss(objective, items, cut: sizes)
    #expect(abs(parts.total - whole.total) < Tolerance.output)
    #expect(parts.gradients.allSatisfy { $0.isFinite })
  }

  /// Whichever class says that a pair is true.
  @Test func theOtherClassOfAMatch() throws {
    var facts = RegionToy.facts()
    facts.heads.matching = MatchingHead.Specification(path: "matching", matchClass: 0)
    let store = ParameterStore(seed: 3, productInitialization: .fanIn)
    defer { withExtendedLifetime(store) {} }
    let objective = try ImageTextMatching(options(4), facts, at: store.root)
    let swapped = ParameterStore(seed: 3)
    defer { withExtendedLifetime(swapped) {} }
    let other = try ImageTextMatching(options(4), RegionToy.facts(), at: swapped.root)
    try withoutGradients {
      for name in ["matching.weight", "matching.bias"] {
        let value = try #require(store[name]).value
        try #require(swapped[name]).value.copy(from: value.rows(Tensor([1, 0])))
      }
    }
    let items = try prepared(4)
    let one = try RegionToy.loss(objective, items, cut: [15]).total
    let two = try RegionToy.loss(other, items, cut: [15]).total
    #expect(abs(one - two) < Tolerance.rounding)
  }

  @Test func sharedPassesAreRefused() throws {
    let example = try RegionToy.example(0, RegionToy.picture(3, key: 1))
    var sequence = InputSequence(example)
    var stream = RandomStream(seed: 1)
    let found = message {
      _ = try ImageTextMatching.join(
        &sequence, example, options(4), RegionToy.context(), using: &stream)
    }
    #expect(found?.hasPrefix("objectives.itm.options.hardNegatives is 4: several false") == true)
    let negative = message {
      _ = try ImageTextMatching(
        options(-1), RegionToy.facts(), at: ParameterStore(seed: 1).root)
    }
    #expect(negative == "objectives.itm.options.hardNegatives is -1, expected 0 or more")
  }
}
