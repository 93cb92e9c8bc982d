import TandemCore
import TandemData
import TandemImage
import TandemModels
import TandemNN
import TandemObjectives
import TandemText
import TandemTorch
import Testing
import TestSupport

/// Pictures with several captions each, some with one; captions of different pictures are sometimes
/// the same.
private struct Album: Dataset {
  static let name = "album"
  static let summary = "for tests"
  let root: String
  let captions: [[String]]

  init(root: String, split: Split) throws {
    self.init(
      root: root,
      [
        ["red star", "green playing star", "left of circle"],
        ["blue square", "red star", "jump right"],
        ["green circle above star"],
        ["left left left", "right of red"],
        ["square of squares", "blue square", "star"],
      ])
  }

  init(root: String, _ captions: [[String]]) {
    self.root = root
    self.captions = captions
  }

  var count: Int { captions.joined().count }

  func record(at index: Int) throws -> Record {
    var left = index
    for (picture, own) in captions.enumerated() {
      if left < own.count {
        return Record(
          id: "train/\(index)", pictures: ["\(root)/\(picture).png"], texts: [own[left]])
      }
      left -= own.count
    }
    throw DataError("there is no record \(index)")
  }
}

private func second(
  _ change: (inout ImageTextMatching.Options) -> Void = { _ in }
) -> ImageTextMatching.Options {
  var options = ImageTextMatching.Options()
  options.negatives = .second
  change(&options)
  return options
}

private func keyOf(_ sequence: InputSequence) -> UInt64 { sequence.picture?.key ?? 0 }

@Suite struct SecondCaptionTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  private func loader(
    _ objectives: [ObjectiveDefinition], _ album: Album? = nil, textLength: Int = 16
  ) throws -> StepLoader {
    let dataset = try album ?? Album(root: folder.path, split: .train)
    for place in dataset.captions.indices {
      let image = try #require(Toy.picture(16, 16, key: UInt64(place)).image)
      _ = try folder.file("\(place).png", image.pngData())
    }
    let input = Toy.input(textLength: textLength)
    return try StepLoader(
      streams: [
        ExampleStream(
          builder: ExampleBuilder(
            dataset: dataset, tokenizer: Toy.tokenizer(),
            reading: PictureReading(resize: .square(side: 16)), textPieces: input.textPieces),
          order: SampleOrder(count: dataset.count, seed: 5), examplesPerStep: 12,
          readsSecondText: true)
      ],
      mixture: Mixture(objectives), input: input, specials: Toy.specials, rowBudget: 2000, seed: 9)
  }

  /// The pictures that some record shows with a text.
  private func pictures(of text: [Int32]) throws -> Set<UInt64> {
    let album = try Album(root: folder.path, split: .train)
    var found: Set<UInt64> = []
    for index in 0..<album.count {
      let record = try album.record(at: index)
      if try Toy.tokenizer().encode(record.texts[0]).ids == text {
        found.insert(stableHash(record.pictures[0]))
      }
    }
    return found
  }

  /// The first caption is always true; the second one is another of the picture, or no caption of
  /// it at all.
  private func check(_ sequences: [InputSequence]) throws {
    for sequence in sequences {
      let key = try #require(sequence.picture?.key)
      let other = try #require(sequence.second)
      #expect(try pictures(of: sequence.text).contains(key))
      #expect(other != sequence.text)
      #expect(try pictures(of: other).contains(key) == sequence.isTruePair)
      #expect(sequence.secondWords.count == other.count)
    }
  }

  @Test func halfAreTrueAndNoFalsePairIsTrue() throws {
    let loader = try loader([ObjectiveDefinition(ImageTextMatching.self, typed: second())])
    let single = stableHash("\(folder.path)/2.png")
    var truths = 0
    var all: [InputSequence] = []
    for step in 0..<40 {
      let prepared = try loader.prepared(step)
      let sequences = prepared.microbatches.flatMap(\.sequences).map(\.sequence)
      try check(sequences)
      #expect(prepared.denominators == [Double(sequences.count)] && prepared.skipped.isEmpty)
      // A picture with one caption is not asked about.
      let keys = sequences.map(keyOf)
      #expect(!keys.contains(single))
      truths += sequences.count { $0.isTruePair == true }
      all += sequences
    }
    // 12 records of which one is passed over; neighbours are exactly half.
    #expect(all.count == 40 * 11)
    #expect(abs(truths - all.count / 2) <= 20)
    // Every other caption of a picture comes up.
    let first = stableHash("\(folder.path)/0.png")
    let own = all.filter { $0.isTruePair == true && keyOf($0) == first }
    #expect(Set(own.map(\.second)).count == 3)
  }

  @Test func typesAndPlacesRunOn() throws {
    let loader = try loader([ObjectiveDefinition(ImageTextMatching.self, typed: second())])
    let microbatch = try #require(try loader.prepared(0).microbatches.first)
    for (place, item) in microbatch.sequences.enumerated() {
      let (text, other) = (item.sequence.text, try #require(item.sequence.second))
      let rows = microbatch.batch.textLayout.rows(of: place)
      #expect(
        Array(microbatch.batch.tokens[rows])
          == ([2] + text + [3] + other + [3]).map(Int.init))
      #expect(
        Array(microbatch.batch.tokenTypes[rows])
          == [Int](repeating: 0, count: text.count + 2)
          + [Int](repeating: 1, count: other.count + 1))
      #expect(Array(microbatch.batch.textPlaces[rows]) == Array(0..<rows.count))
    }
  }

  /// Masked words in both captions, with their own labels, in the sequence that matching asks about.
  @Test(arguments: [true, false]) func wordsOfBothAreMasked(_ wholeWords: Bool) throws {
    var masking = MaskedLanguageModeling.Options()
    masking.wholeWords = wholeWords
    masking.probability = 0.5
    masking.atLeastOne = true
    var definitions = [
      ObjectiveDefinition(ImageTextMatching.self, typed: second()),
      ObjectiveDefinition(MaskedLanguageModeling.self, typed: masking),
    ]
    for place in definitions.indices { definitions[place].pass = "shared" }
    let together = try loader(definitions)
    let alone = try loader([definitions[0]])
    var inFirst = 0
    var inSecond = 0
    for step in 0..<6 {
      let sequences = try together.prepared(step).microbatches.flatMap(\.sequences)
      // The picture with one caption has masked words alone.
      #expect(sequences.count == 12)
      // Matching draws what it draws by itself, so these are the same captions unmasked.
      let plain = try alone.prepared(step).microbatches.flatMap(\.sequences)
      for item in sequences where item.sequence.second != nil {
        let sequence = item.sequence
        let original = try #require(plain.first { $0.sequence.key == sequence.key })
        #expect(original.sequence.isTruePair == sequence.isTruePair)
        let asked = item.targets.first { $0.objective == 1 }?.target
        guard let target = asked as? MaskedLanguageModeling.Target else {
          #expect(
            sequence.text == original.sequence.text && sequence.second == original.sequence.second)
          continue
        }
        let rows = [2] + original.sequence.text + [3] + (original.sequence.second ?? []) + [3]
        // Places are counted behind [CLS]; the labels are what stood there, never a [SEP].
        #expect(target.labels == target.pieces.map { rows[1 + $0] })
        #expect(!target.labels.contains(3))
        let border = sequence.text.count
        inFirst += target.pieces.count { $0 < border }
        inSecond += target.pieces.count { $0 > border }
        let now = [2] + sequence.text + [3] + (sequence.second ?? []) + [3]
        for place in rows.indices where !target.pieces.contains(place - 1) {
          #expect(now[place] == rows[place])
        }
        // A word is hidden as a whole, in the second caption too.
        guard wholeWords else { continue }
        for word in TokenizedText.ranges(ofWords: sequence.secondWords) {
          let inside = word.count { target.pieces.contains(sequence.firstOfSecond + $0) }
          #expect(inside == 0 || inside == word.count)
        }
      }
    }
    #expect(inFirst > 40 && inSecond > 40)
  }

  /// One forward for both, in VisualBERT: each sequence alone says what it says in a batch, and the
  /// heads hear of rows in both captions.
  @Test func oneForwardInVisualBERT() throws {
    var config = try #require(VisualBERT.presets["tiny"])
    config.vocabulary = Toy.specials.vocabularyCount
    config.textLength = 20
    let store = ParameterStore(seed: 3, productInitialization: .fanIn)
    let model = try VisualBERT(config, at: store.root)
    let input = VisualBERT.input(config, Toy.specials)
    var masking = MaskedLanguageModeling.Options()
    masking.probability = 0.4
    var definitions = [
      ObjectiveDefinition(MaskedLanguageModeling.self, typed: masking),
      ObjectiveDefinition(ImageTextMatching.self, typed: second()),
    ]
    for place in definitions.indices { definitions[place].pass = "shared" }
    let runners = try definitions.map { try $0.built(model.facts, at: store.root) }
    let mixture = try Mixture(definitions)
    let sequences = try (0..<6).flatMap { position in
      let picture = try Toy.picture(input, units: (1, 2 + position), key: UInt64(position))
      return try mixture.sequences(
        mixture.passes,
        Toy.example(position, ["red star", "playing of blue circles"][position % 2], picture),
        Toy.context(
          input, position: position, pair: UInt64(position / 2), other: picture,
          secondText: "jumping above squares"),
        RandomStream(seed: UInt64(position)))
    }
    #expect(sequences.count == 6)
    let whole = try model.encode(PackedBatch(sequences.map(\.sequence), input), .inference)
    var apart = [0.0, 0.0]
    let denominators = mixture.denominators(sequences)
    for (place, item) in sequences.enumerated() {
      let alone = try model.encode(PackedBatch([item.sequence], input), .inference)
      #expect(
        try difference(alone.pooled([0]), whole.pooled([place])) < Tolerance.output)
      #expect(
        try difference(
          alone.text(Array(alone.text.rows(of: 0))), whole.text(Array(whole.text.rows(of: place))))
          < Tolerance.output)
      for (objective, runner) in runners.enumerated() {
        apart[objective] +=
          try runner.loss(
            alone, [item], place: objective, denominator: denominators[objective])?
          .total.item() ?? 0
      }
    }
    var totals: [Tensor] = []
    for (objective, runner) in runners.enumerated() {
      let report = try #require(
        try runner.loss(
          whole, sequences, place: objective, denominator: denominators[objective]))
      let loss = try report.total.item()
      #expect(loss > 0 && abs(loss - apart[objective]) < Tolerance.output * loss)
      totals.append(report.total)
    }
    try Tensor.backward(totals, totals.map { _ in try .ones([]) })
    // Rows of type 1 learn, and the row is heard of.
    let types = try #require(store["visual_bert.embeddings.token_type_embeddings.weight"])
    #expect(try largest(types.value.gradient()?.narrow(0, from: 1, 1) ?? .zeros([1])) > 0)
    var other = sequences[0].sequence
    other.second = other.second.map { Array($0.reversed()) }
    let changed = try model.encode(PackedBatch([other], input), .inference)
    #expect(try difference(changed.pooled([0]), whole.pooled([0])) > 1e-3)
  }

  // MARK: lengths

  /// The longer one loses its end first.
  @Test(
    arguments: [
      (7, 3, 20, 7, 3), (7, 3, 8, 5, 3), (7, 3, 6, 3, 3), (3, 7, 6, 3, 3), (5, 5, 7, 4, 3),
      (2, 9, 5, 2, 3), (1, 1, 0, 0, 0),
    ])
  func bothAreCut(_ first: Int, _ last: Int, _ room: Int, _ a: Int, _ b: Int) throws {
    let text = try Toy.tokenizer().encode(
      "playing red star above blue circles of green".split(separator: " ").joined(separator: " "))
    let other = try Toy.tokenizer().encode("jumping left of squares above the red star of circles")
    var sequence = InputSequence(text: [], picture: nil)
    sequence.replaceText(by: text.prefix(first))
    sequence.append(second: other.prefix(last), within: room)
    #expect(sequence.text == Array(text.ids.prefix(a)))
    #expect(sequence.words == Array(text.words.prefix(a)))
    #expect(sequence.second == Array(other.ids.prefix(b)))
    #expect(sequence.secondWords == Array(other.words.prefix(b)))
  }

  @Test func shortModelsTakeWhatFits() throws {
    let loader = try loader(
      [ObjectiveDefinition(ImageTextMatching.self, typed: second())], textLength: 7)
    let batch = try #require(try loader.prepared(0).microbatches.first).batch
    let longest = (0..<batch.sequenceCount).map { batch.textLayout.rows(of: $0).count }.max()
    #expect(longest == 7)
    // With a place for an answer there is less room.
    var input = Toy.input(textLength: 10)
    #expect(input.pairPieces == 7)
    input.hasAnswerSlot = true
    #expect(input.pairPieces == 5)
  }

  // MARK: with candidates

  /// Captions of other pictures of the step, never one of the picture itself.
  @Test func candidatesAreSecondCaptions() throws {
    let loader = try loader([
      ObjectiveDefinition(
        ImageTextMatching.self,
        typed: second { ($0.hardNegatives, $0.candidates) = (5, .batch) })
    ])
    var seen = 0
    for step in 0..<10 {
      let open = try #require(try loader.prepared(step).candidates)
      let settled = open.settled.map(\.sequence)
      #expect(settled.allSatisfy { $0.isTruePair == true })
      try check(settled)
      for group in open.groups {
        #expect(Set(group.map(\.sequence.text)).count == 1 && (2...5).contains(group.count))
        #expect(group.allSatisfy { $0.sequence.isTruePair == false })
        try check(group.map(\.sequence))
        seen += group.count
      }
    }
    #expect(seen > 100)
  }

  // MARK: what cannot be had

  @Test func dataWithoutSecondCaptionsAreRefused() throws {
    let objective = ObjectiveDefinition(ImageTextMatching.self, typed: second())
    #expect(objective.readsSecondText)
    #expect(!ObjectiveDefinition(ImageTextMatching.self, typed: .init()).readsSecondText)
    let found = message {
      // The same caption twice is no second one.
      _ = try loader([objective], Album(root: folder.path, [["red"], ["blue", "blue"], ["star"]]))
    }
    #expect(found?.contains("itm with negatives=second") == true)
    #expect(found?.contains("these 4 records") == true)
  }

  @Test func alignmentHasOneText() throws {
    let definitions = [
      ObjectiveDefinition(ImageTextMatching.self, typed: second()),
      ObjectiveDefinition(WordPatchAlignment.self, typed: .init()),
    ]
    let found = message { _ = try loader(definitions) }
    #expect(found?.hasPrefix("objectives.wpa aligns one text with its picture, and 'itm'") == true)
    var apart = definitions
    apart[1].pass = "wpa"
    #expect(try loader(apart).prepared(0).skipped.isEmpty)
  }

  /// A record may hold several texts itself.
  @Test func recordsOfSeveralTexts() throws {
    struct Captions: Dataset {
      static let name = "captions"
      static let summary = "for tests"
      var root = ""
      init(root: String, split: Split) throws { self.root = root }
      let count = 2
      func record(at index: Int) throws -> Record {
        Record(
          id: "train/\(index)", pictures: ["\(root)/\(index).png"],
          texts: [["red", "blue", "red", "star"], ["star", "left"]][index])
      }
    }
    let dataset = try Captions(root: folder.path, split: .train)
    let index = try PairIndex(dataset, groupsPictures: true) { $0.texts[0] }
    #expect(index.hasSecondTexts)
    // The first text of record 1 is a further one of record 0.
    #expect(index.belongs(picture: 0, text: 1) && !index.belongs(picture: 1, text: 0))
    let example = Example(
      index: 0, record: try dataset.record(at: 0), pictures: [try Toy.picture(8, 8, key: 1)],
      texts: try dataset.record(at: 0).texts.map { try Toy.tokenizer().encode($0) })
    for place in 0..<2 {
      let image = try #require(Toy.picture(16, 16, key: UInt64(place)).image)
      _ = try folder.file("\(place).png", image.pngData())
    }
    #expect(example.texts.count == 4)
    let stream = try ExampleStream(
      builder: ExampleBuilder(
        dataset: dataset, tokenizer: Toy.tokenizer(),
        reading: PictureReading(resize: .square(side: 16)), textPieces: 6),
      order: SampleOrder(count: 2, seed: 5), examplesPerStep: 2, readsSecondText: true)
    let loader = try StepLoader(
      streams: [stream],
      mixture: Mixture([
        ObjectiveDefinition(
          ImageTextMatching.self,
          typed: second { ($0.hardNegatives, $0.candidates) = (1, .batch) })
      ]),
      input: Toy.input(textLength: 12), specials: Toy.specials, rowBudget: 200, seed: 9)
    let first = stableHash("\(folder.path)/0.png")
    var seconds: Set<[Int32]> = []
    for step in 0..<30 {
      for item in try loader.prepared(step).microbatches.flatMap(\.sequences) {
        guard item.sequence.isTruePair == true, keyOf(item.sequence) == first else { continue }
        seconds.insert(item.sequence.second ?? [])
      }
    }
    let tokenizer = try Toy.tokenizer()
    #expect(seconds == Set(["blue", "star"].map { tokenizer.encode($0).ids }))
  }
}
