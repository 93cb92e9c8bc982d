// Which false pair is learned: the one that looks most true, or one drawn by how true they look
// (Chen et al. 2020; Li et al. 2021). Shapes: C candidates, P pairs that are encoded, E width of the
// vectors of texts and pictures.

internal import Glibc
public import TandemCore
public import TandemTorch

extension ImageTextMatching {
  public func choose(
    _ groups: [[InputSequence]], _ scout: Scout, using stream: inout RandomStream
  ) throws -> [Int] {
    let candidates = Array(groups.joined())
    let scores =
      try (comparesVectors ? similarities(candidates, scout) : logits(candidates, scout)).floats()
    var end = 0
    return groups.map { group in
      let own = Array(scores[end..<end + group.count])
      end += group.count
      return switch options.choice {
      case .hardest: own.indices.max { own[$0] < own[$1] } ?? 0
      case .sampled: Self.drawn(own, using: &stream)
      }
    }
  }

  /// The logarithm of the odds that the head gives a match, [C].
  private func logits(_ candidates: [InputSequence], _ scout: Scout) throws -> Tensor {
    try scout(candidates) { encoding in
      let logits_C2 = try head(encoding.pooled_SD)
      return try logits_C2.narrow(1, from: head.matchClass, 1).squeezed(1)
        - logits_C2.narrow(1, from: 1 - head.matchClass, 1).squeezed(1)
    }
  }

  /// The scaled similarity of each candidate's text and picture, [C]. Their vectors know nothing of
  /// one another, so each text and each picture is encoded once, whoever stands beside it.
  private func similarities(_ candidates: [InputSequence], _ scout: Scout) throws -> Tensor {
    let texts = Distinct(candidates.map { [$0.text, $0.second ?? []] })
    let pictures = Distinct(candidates.map { $0.picture?.key ?? 0 })
    let pairs = (0..<max(texts.first.count, pictures.first.count)).map { place in
      var pair = candidates[texts.first[place % texts.first.count]]
      pair.picture = candidates[pictures.first[place % pictures.first.count]].picture
      return pair
    }
    let vectors_PE = try scout(pairs) { encoding in
      let pair = try encoding.needPair(for: Self.name)
      return try Tensor.concatenated(
        [pair.text_SE.to(.float32), pair.picture_SE.to(.float32) * pair.scale.to(.float32)], 1)
    }
    let width = vectors_PE.size(1) / 2
    func rows(_ places: [Int], from start: Int) throws -> Tensor {
      try vectors_PE.narrow(1, from: start, width)
        .rows(Tensor(places, on: vectors_PE.device))
    }
    return try (rows(texts.places, from: 0) * rows(pictures.places, from: width)).sum([1])
  }

  /// A place drawn with the chances that the softmax of these scores gives.
  private static func drawn(_ scores: [Float], using stream: inout RandomStream) -> Int {
    let top = Double(scores.max() ?? 0)
    let weights = scores.map { exp(Double($0) - top) }
    var left = stream.uniform() * weights.reduce(0, +)
    for (place, weight) in weights.enumerated() {
      left -= weight
      if left < 0 { return place }
    }
    return scores.count - 1
  }
}

/// Equal values counted once.
private struct Distinct {
  /// Where each distinct value comes first.
  private(set) var first: [Int] = []
  /// For each value which of the distinct ones it is.
  private(set) var places: [Int] = []

  init<Value: Hashable>(_ values: [Value]) {
    var known: [Value: Int] = [:]
    for (place, value) in values.enumerated() {
      if known[value] == nil {
        known[value] = first.count
        first.append(place)
      }
      places.append(known[value] ?? 0)
    }
  }
}
