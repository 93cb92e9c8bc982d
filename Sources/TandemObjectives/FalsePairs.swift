// How a true pair becomes a false one.

internal import TandemCore
internal import TandemTorch

/// A part of a pair that can come from elsewhere.
private enum Half {
  case picture, text, second
}

extension ImageTextMatching.Negatives {
  fileprivate var halves: [Half] {
    switch self {
    case .picture: [.picture]
    case .text: [.text]
    case .either: [.picture, .text]
    case .second: [.second]
    }
  }
}

extension ImageTextMatching {
  /// A false pair with something from anywhere in the data.
  static func falsePair(
    of truth: InputSequence, _ example: Example, _ options: Options,
    _ context: PreparationContext, using stream: inout RandomStream
  ) throws -> InputSequence {
    let halves = options.negatives.halves
    let half = halves.count == 1 ? halves[0] : halves[Int(stream.next() & 1)]
    var pair = truth
    switch half {
    case .picture: pair.picture = try context.otherPicture(example, &stream)
    case .text: pair.replaceText(by: try context.otherText(example, &stream))
    case .second:
      pair.append(
        second: try context.otherText(example, &stream), within: context.input.pairPieces)
    }
    return pair
  }

  /// False pairs with something of other pairs of the step, as many as are asked for; fewer where
  /// too many belong together.
  static func falsePairs(
    of truth: InputSequence, _ example: Example, inStep options: Options,
    _ context: PreparationContext, using stream: inout RandomStream
  ) throws -> [InputSequence] {
    guard context.examplesOfStep.count > 1 else {
      throw DataError(
        "objectives.itm.options.candidates is batch, but a step has one example: --set "
          + "batch.examples=64, or candidates=data")
    }
    var open = options.negatives.halves.flatMap { half in context.examplesOfStep.map { (half, $0) }
    }
    var pairs: [InputSequence] = []
    while pairs.count < options.hardNegatives, !open.isEmpty {
      open.swapAt(stream.below(open.count), open.count - 1)
      let (half, other) = open.removeLast()
      guard let text = other.texts.first, let picture = other.pictures.first else { continue }
      let isTrue =
        half == .picture ? context.belong(other, example) : context.belong(example, other)
      guard !isTrue else { continue }
      var pair = truth
      switch half {
      case .picture: pair.picture = picture
      case .text: pair.replaceText(by: text)
      case .second: pair.append(second: text, within: context.input.pairPieces)
      }
      pairs.append(pair)
    }
    return pairs
  }
}
