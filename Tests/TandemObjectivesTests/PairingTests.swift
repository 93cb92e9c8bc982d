import TandemCore
import TandemData
import TandemImage
import TandemNN
import TandemObjectives
import TandemText
import TandemTorch
import Testing
import TestSupport

/// Few pictures and few texts, so that chance would often make a true pair.
private struct Crowd: Dataset {
  static let name = "crowd"
  static let summary = "for tests"
  let pictures: [String]
  let count = 40

  init(root: String, split: Split) throws {
    pictures = (0..<5).map { "\(root)/\($0).png" }
  }

  func record(at index: Int) throws -> Record {
    Record(
      id: "train/\(index)", pictures: [pictures[index % 5]],
      texts: [Toy.words[(index / 5) % 4 + (index % 2)]])
  }
}

@Suite struct PairingTests {
  private func loader(
    _ folder: TemporaryFolder, _ objectives: [ObjectiveDefinition], rowBudget: Int = 200
  ) throws -> StepLoader {
    for place in 0..<5 {
      let image = try #require(Toy.picture(16, 16, key: UInt64(place)).image)
      _ = try folder.file("\(place).png", image.pngData())
    }
    let dataset = try Crowd(root: folder.path, split: .train)
    return try StepLoader(
      streams: [
        ExampleStream(
          builder: ExampleBuilder(
            dataset: dataset, tokenizer: Toy.tokenizer(),
            reading: PictureReading(resize: .square(side: 16)), textPieces: 6),
          order: SampleOrder(count: dataset.count, seed: 5), examplesPerStep: 12)
      ],
      mixture: Mixture(objectives), input: Toy.input(), specials: Toy.specials,
      rowBudget: rowBudget, seed: 9)
  }

  @Test func halfAreTrueAndNoFalsePairIsTrue() throws {
    let folder = try TemporaryFolder()
    let loader = try loader(
      folder, [ObjectiveDefinition(ImageTextMatching.self, typed: .init())])
    let dataset = try Crowd(root: folder.path, split: .train)
    var pairs: Set<String> = []
    for index in 0..<dataset.count {
      let record = try dataset.record(at: index)
      let id = try Toy.tokenizer().encode(record.texts[0]).ids
      pairs.insert("\(id) \(stableHash(record.pictures[0]))")
    }
    #expect(pairs.count > 10 && pairs.count < 25)
    var firstIsTrue = 0
    for step in 0..<30 {
      let prepared = try loader.prepared(step)
      #expect(prepared.denominators == [12])
      let sequences = prepared.microbatches.flatMap(\.sequences)
      #expect(sequences.count == 12)
      let truth = sequences.map { item in
        pairs.contains("\(item.sequence.text) \(item.sequence.picture?.key ?? 0)")
      }
      #expect(truth.count { $0 } == 6, "step \(step)")
      if truth[0] { firstIsTrue += 1 }
    }
    #expect(firstIsTrue > 3 && firstIsTrue < 27)
  }

  @Test func stepsDoNotDependOnTheCut() throws {
    let folder = try TemporaryFolder()
    let objectives = [
      ObjectiveDefinition(MaskedLanguageModeling.self, typed: .init()),
      ObjectiveDefinition(ImageTextMatching.self, typed: .init()),
      ObjectiveDefinition(WordPatchAlignment.self, weight: 0.1, typed: .init()),
    ]
    let wide = try loader(folder, objectives, rowBudget: 100_000).prepared(3)
    let narrow = try loader(folder, objectives, rowBudget: 30).prepared(3)
    #expect(wide.microbatches.count == 1)
    #expect(narrow.microbatches.count > 3)
    #expect(wide.denominators == narrow.denominators)
    #expect(wide.denominators[1] == 12 && wide.denominators[2] == 12)
    #expect(narrow.microbatches.allSatisfy { $0.batch.layout.rowCount <= 30 })
    func seen(_ step: PreparedStep) -> [String] {
      step.microbatches.flatMap(\.sequences).map {
        "\($0.sequence.key) \($0.targets.map(\.objective)) \($0.sequence.text) \($0.sequence.picture?.key ?? 0)"
      }.sorted()
    }
    #expect(seen(wide) == seen(narrow))
    #expect(
      Set(wide.microbatches.flatMap(\.sequences).map(\.sequence.key)).count
        == wide.rowCountOfSequences)
    #expect(try seen(loader(folder, objectives).prepared(4)) != seen(wide))
  }

  /// Many threads give what one call gives.
  @Test func prefetchedStepsAreTheSame() throws {
    let folder = try TemporaryFolder()
    let loader = try loader(
      folder, [ObjectiveDefinition(MaskedLanguageModeling.self, typed: .init())])
    let prefetch = loader.prefetching(2..<10, workers: 3)
    for step in 2..<10 {
      let found = try #require(try prefetch.next())
      #expect(found.step == step)
      let expected = try loader.prepared(step)
      #expect(
        found.microbatches.map(\.batch.tokens) == expected.microbatches.map(\.batch.tokens))
      #expect(
        try found.microbatches.map { try $0.batch.patches.values() }
          == expected.microbatches.map { try $0.batch.patches.values() })
    }
    #expect(try prefetch.next() == nil)
  }
}

extension PreparedStep {
  fileprivate var rowCountOfSequences: Int { microbatches.reduce(0) { $0 + $1.sequences.count } }
}
