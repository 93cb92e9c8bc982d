internal import TandemTorch

extension RegionSelection {
  /// The places of the boxes that stay, by falling confidence.
  ///
  /// - Parameter probabilities: [K, C + 1], background first.
  func chosen(
    _ boxes: [Box], probabilities: Tensor, isInclusive: Bool
  ) throws -> (places: [Int], confidences: [Float]) {
    guard !boxes.isEmpty else { return ([], []) }
    // Less probable boxes never push out more probable ones: where enough are above the threshold,
    // those below it need not be looked at.
    let threshold = Float(leastConfidence).nextDown
    let sure = try confidences(boxes, probabilities, above: threshold, isInclusive)
    let count = sure.count { $0 > threshold }
    let all =
      count >= least ? sure : try confidences(boxes, probabilities, above: 0, isInclusive)
    let order = all.indices.sorted { all[$0] != all[$1] ? all[$0] > all[$1] : $0 < $1 }
    let kept = order.prefix(max(0, min(most, max(count, least))))
    return (Array(kept), kept.map { all[$0] })
  }

  /// The highest probability of a class in which each box stays; 0 where it stays in none.
  private func confidences(
    _ boxes: [Box], _ probabilities: Tensor, above threshold: Float, _ isInclusive: Bool
  ) throws -> [Float] {
    let classes = probabilities.size(1) - 1
    let scores = try probabilities.narrow(1, from: 1, classes).transposed(0, 1)
    let kept = try Tensor.boxes(boxes, on: probabilities.device).unsqueezed(0)
      .expanded([classes, boxes.count, 4])
      .suppressedByClass(
        scores: scores, above: Double(threshold), overlap: overlap, isInclusive: isInclusive)
    let places = try kept.places.array(of: Int.self)
    let labels = try kept.classes.array(of: Int.self)
    let numbers = try scores.floats()
    var most = [Float](repeating: 0, count: boxes.count)
    for (label, place) in zip(labels, places) {
      most[place] = max(most[place], numbers[label * boxes.count + place])
    }
    return most
  }
}
