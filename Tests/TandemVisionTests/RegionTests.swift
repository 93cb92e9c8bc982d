// Features of boxes, and which boxes stay, against make_vision.py and against their definitions.

import TandemTorch
import TestSupport
import Testing

@Suite struct RegionTests {
  @Test(arguments: [false, true], [0, 2])
  func roiAlignAgainstTheReference(_ isAligned: Bool, _ ratio: Int) throws {
    let file = try Fixtures.tensors("vision/roi_align.safetensors")
    let name = "\(isAligned ? "aligned" : "plain").\(ratio)"
    for layout in PictureLayout.allCases {
      let features = try leaf(ruled("roi.features", [2, 5, 9, 12]).laidOut(layout))
      let pooled = try features.roiAlign(
        file.tensor("boxes"), height: 3, width: 2, scale: 0.25, samplingRatio: ratio,
        isAligned: isAligned)
      #expect(try difference(pooled, file.tensor(name + ".output")) < Tolerance.output)
      try (pooled * ruled("roi.cotangent", pooled.shape)).sum().backward()
      let gradient = try #require(try features.gradient())
      #expect(
        try relativeDifference(gradient, file.tensor(name + ".gradient")) < Tolerance.gradient)
    }
  }

  private func someBoxes(_ count: Int, pictures: Int) throws -> Tensor {
    var stream = RandomStream(seed: 8)
    return try Tensor(
      (0..<count).flatMap { place -> [Float] in
        let x = stream.uniform() * 50 - 5
        let y = stream.uniform() * 40 - 5
        return [
          Float(place % pictures), Float(x), Float(y), Float(x + stream.uniform() * 30),
          Float(y + stream.uniform() * 30),
        ]
      }, [count, 5])
  }

  /// Channels know nothing of each other: many at once are the same as one at a time, forward and
  /// backward, whatever the number of threads and the widths of vectors.
  @Test(arguments: PictureLayout.allCases) func channelsAreServedAlike(
    _ layout: PictureLayout
  ) throws {
    let boxes = try someBoxes(23, pictures: 2)
    let whole = try leaf(randomTensor([2, 150, 11, 13], seed: 1).laidOut(layout))
    let pooled = try whole.roiAlign(boxes, height: 4, width: 3, scale: 0.25)
    let weights = try randomTensor(pooled.shape, seed: 2)
    try (pooled * weights).sum().backward()
    let gradient = try #require(try whole.gradient())
    for channel in [0, 1, 63, 64, 127, 149] {
      let one = try leaf(whole.narrow(1, from: channel, 1).contiguous())
      let own = try one.roiAlign(boxes, height: 4, width: 3, scale: 0.25)
      #expect(try difference(own, pooled.narrow(1, from: channel, 1)) < Tolerance.rounding)
      try (own * weights.narrow(1, from: channel, 1)).sum().backward()
      #expect(
        try relativeDifference(
          #require(try one.gradient()), gradient.narrow(1, from: channel, 1))
          < Tolerance.gradient)
    }
    let again = try leaf(whole)
    try (again.roiAlign(boxes, height: 4, width: 3, scale: 0.25) * weights).sum().backward()
    #expect(try again.gradient()?.floats() == gradient.floats())
  }

  @Test func theFeaturesLayoutIsKept() throws {
    let boxes = try someBoxes(3, pictures: 1)
    let features = try randomTensor([1, 6, 11, 13], seed: 1)
    let first = try features.roiAlign(boxes, height: 4, width: 3, scale: 0.25)
    let last = try features.laidOut(.channelsLast).roiAlign(
      boxes, height: 4, width: 3, scale: 0.25)
    #expect(first.isContiguous && !last.isContiguous)
    #expect(try first.floats() == last.floats())
  }

  @Test func finiteDifferencesOfRoIAlign() throws {
    let boxes = try someBoxes(7, pictures: 2)
    let weights = try randomTensor([7, 5, 3, 3], seed: 3)
    func value(_ x: Tensor) throws -> Tensor {
      try (x.roiAlign(boxes, height: 3, width: 3, scale: 0.25) * weights).sum()
    }
    let x = try leaf(randomTensor([2, 5, 11, 13], seed: 1))
    let gradient = try #require(try value(x).gradients(of: [x])[0])
    let (slope, found) = try slopes(at: x, gradient: gradient, seed: 4) { try value($0).item() }
    #expect(abs(slope - found) < Tolerance.finiteDifference * max(abs(found), 1))
  }

  @Test func bfloat16FeaturesAreWidened() throws {
    let boxes = try someBoxes(5, pictures: 2)
    let narrow = try leaf(randomTensor([2, 5, 11, 13], seed: 1).to(.bfloat16))
    let wide = try leaf(narrow.to(.float32))
    let found = try narrow.roiAlign(boxes, height: 2, width: 2, scale: 0.25)
    let expected = try wide.roiAlign(boxes, height: 2, width: 2, scale: 0.25)
    #expect(try found.dtype == .float32 && found.floats() == expected.floats())
    try found.sum().backward()
    try expected.sum().backward()
    let gradient = try #require(try narrow.gradient())
    #expect(gradient.dtype == .bfloat16)
    let gap = try relativeDifference(gradient.to(.float32), #require(try wide.gradient()))
    #expect(gap < 0.01)
  }

  @Test func badBoxesAreRefused() throws {
    let features = try randomTensor([2, 3, 8, 8], seed: 1)
    func refusal(
      _ box: [Float], shape: [Int] = [1, 5], height: Int = 2, scale: Double = 0.25, ratio: Int = 0
    ) -> String {
      message {
        _ = try features.roiAlign(
          Tensor(box, shape), height: height, width: 2, scale: scale, samplingRatio: ratio)
      } ?? "nothing thrown"
    }
    let good: [Float] = [0, 1, 1, 8, 8]
    #expect(refusal(good) == "nothing thrown")
    #expect(refusal([2, 1, 1, 8, 8]).contains("box 0 lies in picture 2 of 2"))
    #expect(refusal([0.5, 1, 1, 8, 8]).contains("box 0"))
    #expect(refusal([-1, 1, 1, 8, 8]).contains("box 0"))
    #expect(refusal([0, .nan, 1, 8, 8]).contains("coordinate"))
    #expect(refusal([0, 1, 1, .infinity, 8]).contains("coordinate"))
    #expect(refusal([1, 1, 8, 8], shape: [1, 4]).contains("[K, 5]"))
    #expect(refusal(good, height: 0).contains("bins"))
    #expect(refusal(good, scale: -1).contains("scale"))
    #expect(refusal(good, ratio: -1).contains("samples"))
    let found = message {
      _ = try randomTensor([3, 8, 8], seed: 1).roiAlign(
        Tensor(good, [1, 5]), height: 2, width: 2, scale: 1)
    }
    #expect(found?.contains("[N, C, H, W]") == true)
    #expect(try features.roiAlign(Tensor.zeros([0, 5]), height: 2, width: 2, scale: 1).count == 0)
  }
}

@Suite struct SuppressionTests {
  @Test(arguments: ["0.0", "0.3", "0.5", "1.0"], [false, true])
  func againstTheDefinition(_ overlap: String, _ isInclusive: Bool) throws {
    let file = try Fixtures.tensors("vision/suppression.safetensors")
    let kept = try file.tensor("boxes").suppressed(
      scores: file.tensor("scores"), overlap: #require(Double(overlap)), isInclusive: isInclusive)
    let expected = try file.integers("kept.\(isInclusive ? "inclusive." : "")\(overlap)")
    #expect(try kept.array(of: Int64.self).map(Int.init) == expected)
    #expect(overlap == "1.0" || (expected.count > 1 && expected.count < 90))
  }

  @Test func groupsDoNotTouchEachOther() throws {
    let file = try Fixtures.tensors("vision/suppression.safetensors")
    let kept = try file.tensor("boxes").suppressed(
      scores: file.tensor("scores"), overlap: 0.3, groups: file.tensor("groups"))
    #expect(
      try kept.array(of: Int64.self).map(Int.init) == file.integers("kept.groups"))
  }

  @Test func classByClass() throws {
    let file = try Fixtures.tensors("vision/suppression.safetensors")
    let boxes = try file.tensor("many")
    let scores = try file.tensor("chance")
    let classes = try file.integers("many.classes")
    let places = try file.integers("many.places")
    // Of any strides: the classes side by side, as a network gives them.
    let turned = (
      try boxes.permuted([1, 0, 2]).contiguous().permuted([1, 0, 2]),
      try scores.transposed(0, 1).contiguous().transposed(0, 1)
    )
    for (boxes, scores) in [(boxes, scores), turned, (boxes, turned.1)] {
      let kept = try boxes.suppressedByClass(scores: scores, above: 0.05, overlap: 0.4)
      #expect(try kept.classes.array(of: Int64.self).map(Int.init) == classes)
      #expect(try kept.places.array(of: Int64.self).map(Int.init) == places)
    }
    let two = try boxes.suppressedByClass(
      scores: scores, above: 0.05, overlap: 0.4, mostPerClass: 2)
    var seen: [Int: Int] = [:]
    let expected = zip(classes, places).filter { owner, _ in
      seen[owner, default: 0] += 1
      return seen[owner, default: 0] <= 2
    }
    #expect(try two.classes.array(of: Int64.self).map(Int.init) == expected.map(\.0))
    #expect(try two.places.array(of: Int64.self).map(Int.init) == expected.map(\.1))
  }

  /// The same boxes for every class, without a copy of them.
  @Test func sharedBoxes() throws {
    let file = try Fixtures.tensors("vision/suppression.safetensors")
    let boxes = try file.tensor("boxes")
    let scores = try Tensor.stacked([file.tensor("scores"), file.tensor("scores") * 0.5])
    let kept = try boxes.unsqueezed(0).expanded([2, 90, 4]).suppressedByClass(
      scores: scores, above: -1, overlap: 0.3)
    let once = try file.integers("kept.0.3")
    #expect(try kept.places.array(of: Int64.self).map(Int.init) == once + once)
  }

  @Test func scoresThatAreNoNumbersComeLast() throws {
    let boxes = try Tensor(
      [Float](repeating: 0, count: 0) + [0, 0, 2, 2, 0, 0, 2, 2, 5, 5, 6, 6], [3, 4])
    let scores = try Tensor([Float.nan, -3, -.infinity])
    let kept = try boxes.suppressed(scores: scores, overlap: 0.5)
    #expect(try kept.array(of: Int64.self) == [1, 2])
    let classes = try boxes.unsqueezed(0).suppressedByClass(
      scores: scores.unsqueezed(0), above: -10, overlap: 0.5)
    #expect(try classes.places.array(of: Int64.self) == [1])
  }

  @Test func whatDoesNotFitIsRefused() throws {
    let boxes = try Tensor.zeros([3, 4])
    let scores = try Tensor.zeros([3])
    let bad: [() throws -> Void] = [
      { _ = try boxes.suppressed(scores: Tensor.zeros([2]), overlap: 0.5) },
      { _ = try boxes.suppressed(scores: scores, overlap: 1.5) },
      { _ = try boxes.suppressed(scores: scores.to(.float64), overlap: 0.5) },
      { _ = try boxes.suppressed(scores: scores, overlap: 0.5, groups: scores) },
      { _ = try scores.suppressed(scores: scores, overlap: 0.5) },
      { _ = try boxes.suppressedByClass(scores: scores, above: 0, overlap: 0.5) },
      {
        _ = try boxes.unsqueezed(0).suppressedByClass(
          scores: Tensor.zeros([2, 3]), above: 0, overlap: 0.5)
      },
    ]
    for make in bad { #expect(throws: TorchError.self) { try make() } }
    #expect(
      try Tensor.zeros([0, 4]).suppressed(scores: Tensor.zeros([0]), overlap: 0.5).count == 0)
  }
}
