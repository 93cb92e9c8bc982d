import TandemCore
import TandemImage
import TandemObjectives
import TandemText
import TandemTorch
import Testing
import TestSupport

private let input = Toy.input(textLength: 200)

/// Five standard deviations of a binomial count.
private func bound(_ trials: Int, _ share: Double) -> Double {
  5 * (Double(trials) * share * (1 - share)).squareRoot()
}

@Suite struct MaskedLanguageModelingTests {
  private static let text = "playing red stars above the blue circles of green squares"

  /// What was prepared from many draws of one text, with the original ids.
  private func draws(
    _ options: MaskedLanguageModeling.Options, _ count: Int = 6000
  ) throws -> (original: TokenizedText, drawn: [PreparedSequence<MaskedLanguageModeling.Target>]) {
    let example = try Toy.example(0, Self.text, Toy.picture(16, 16, key: 1))
    let context = try Toy.context(input, other: Toy.picture(16, 16, key: 2))
    var stream = RandomStream(seed: 17)
    let drawn = try (0..<count).flatMap { _ in
      try MaskedLanguageModeling.prepare(example, options, context, using: &stream)
    }
    return (example.texts[0], drawn)
  }

  @Test(arguments: [true, false]) func shares(_ wholeWords: Bool) throws {
    var options = MaskedLanguageModeling.Options()
    options.wholeWords = wholeWords
    let (original, drawn) = try draws(options)
    let ids = Array(original.ids)
    let units = wholeWords ? original.wordRanges().count : ids.count
    #expect(original.wordRanges().count < ids.count)
    var chosen = 0
    var masked = 0
    var kept = 0
    var replaced: [Int32] = []
    for item in drawn {
      let pieces = item.target.pieces
      #expect(item.target.labels == pieces.map { ids[$0] })
      for piece in ids.indices where !pieces.contains(piece) {
        #expect(item.sequence.text[piece] == ids[piece])
      }
      for piece in pieces {
        let id = item.sequence.text[piece]
        if id == Toy.specials.mask {
          masked += 1
        } else if id == ids[piece] {
          kept += 1
        } else {
          replaced.append(id)
        }
      }
      chosen += pieces.count
      guard wholeWords else { continue }
      for word in original.wordRanges() {
        let inside = word.count { pieces.contains($0) }
        #expect(inside == 0 || inside == word.count)
      }
    }
    #expect(abs(Double(masked) - 0.8 * Double(chosen)) < bound(chosen, 0.8))
    // A random token is the old one in one of 14 draws that are allowed.
    let changed = 0.1 * 13 / 14
    #expect(abs(Double(replaced.count) - changed * Double(chosen)) < bound(chosen, changed))
    #expect(abs(Double(kept) - (0.2 - changed) * Double(chosen)) < bound(chosen, 0.2 - changed))
    #expect(Set(replaced).isDisjoint(with: Toy.specials.reserved))
    #expect(Set(replaced).isSuperset(of: 7...18))
    #expect(replaced.allSatisfy { $0 < Int32(Toy.specials.vocabularyCount) })
    let rate = Double(chosen) / Double(6000 * ids.count)
    #expect(abs(rate - 0.15) < 5 * (0.15 * 0.85 / Double(6000 * units)).squareRoot() * 1.5)
  }

  @Test func atLeastOneWord() throws {
    var options = MaskedLanguageModeling.Options()
    options.probability = 0.01
    #expect(try draws(options, 500).drawn.count < 250)
    options.atLeastOne = true
    let drawn = try draws(options, 500).drawn
    #expect(drawn.count == 500)
    #expect(drawn.allSatisfy { !$0.target.pieces.isEmpty })
    options.probability = 0
    options.atLeastOne = false
    #expect(try draws(options, 50).drawn.isEmpty)
  }
}

@Suite struct MaskedPatchPredictionTests {
  private let grey = RGB(10, 200, 77)

  private func prepared(
    _ image: Image, _ kind: MaskedPatchPrediction.Kind
  ) throws -> PreparedSequence<MaskedPatchPrediction.Target> {
    var options = MaskedPatchPrediction.Options()
    options.kind = kind
    options.probability = 1
    let example = try Toy.example(0, "red star", Picture(key: 1, image: image))
    var stream = RandomStream(seed: 1)
    let context = try Toy.context(input, other: Toy.picture(8, 8, key: 2))
    let all = try MaskedPatchPrediction.prepare(example, options, context, using: &stream)
    return try #require(all.first)
  }

  @Test func aConstantPictureHasItsColour() throws {
    let image = try Image(width: 24, height: 16, color: grey)
    let one = try prepared(image, .colour)
    #expect(one.sequence.hidden == Array(0..<6))
    #expect(
      one.target
        == .colours(
          places: Array(0..<6), classes: [[Int]](repeating: [10, 200, 77], count: 6).flatMap { $0 })
    )
    guard case .pixels(let places, let values) = try prepared(image, .pixels).target else {
      Issue.record("expected pixels")
      return
    }
    #expect(places == Array(0..<6))
    let colour = [10, 200, 77].map { (Float($0) / 255 - 0.5) / 0.5 }
    let expected = colour.flatMap { [Float](repeating: $0, count: 64) }
    for patch in 0..<6 {
      #expect(
        difference(Array(values[patch * 192..<(patch + 1) * 192]), expected) < Tolerance.rounding)
    }
  }

  /// Two colours, side by side in each patch: their mean, rounded half up.
  @Test func meansAreRounded() throws {
    var pixels: [UInt8] = []
    for _ in 0..<8 { for x in 0..<8 { pixels += x < 4 ? [0, 10, 255] : [1, 20, 255] } }
    let one = try prepared(Image(width: 8, height: 8, pixels: pixels), .colour)
    #expect(one.target == .colours(places: [0], classes: [1, 15, 255]))
  }

  @Test func theShareIsRight() throws {
    let example = try Toy.example(0, "red", Toy.picture(80, 80, key: 3))
    let context = try Toy.context(input, other: Toy.picture(8, 8, key: 2))
    var stream = RandomStream(seed: 4)
    var hidden = 0
    for _ in 0..<200 {
      for item in try MaskedPatchPrediction.prepare(example, .init(), context, using: &stream) {
        #expect(item.sequence.hidden == item.target.places)
        #expect(MaskedPatchPrediction.weight(of: item.target) == Double(item.target.places.count))
        hidden += item.target.places.count
      }
    }
    #expect(abs(Double(hidden) - 0.15 * 20_000) < bound(20_000, 0.15))
  }
}
