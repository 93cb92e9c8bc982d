import TandemTorch
import TandemVision
import Testing
import TestSupport

/// Anchors, codes, matches and samples.
@Suite struct BoxArithmeticTests {
  struct Fixture: Decodable {
    struct AnchorCase: Decodable {
      let sizes: [[Double]]
      let ratios: [Double]
      let anchors: [Float]
    }
    struct Coding: Decodable {
      let weights: [Double]
      let boxes: [Float]
      let others: [Float]
      let encoded: [Float]
      let codes: [Float]
      let decoded: [Float]
    }
    struct Match: Decodable {
      let keeps: Bool
      let boxes: [Float]
      let objects: [Float]
      let matches: [Int]
    }
    let anchors: [AnchorCase]
    let codings: [Coding]
    let matches: [Match]
  }

  private func fixture() throws -> Fixture {
    try Fixtures.json(Fixture.self, "detection/boxes.json")
  }

  @Test(arguments: [0, 1]) func anchorsEqualTorchvision(index: Int) throws {
    let example = try fixture().anchors[index]
    let anchors = try Anchors(AnchorSettings(sizes: example.sizes, ratios: example.ratios))
    let picture = (height: 50, width: 70)
    let found =
      anchors.coordinates(level: 0, height: 3, width: 4, stride: 16, picture: picture)
      + anchors.coordinates(level: 1, height: 2, width: 2, stride: 32, picture: picture)
    #expect(found == example.anchors)
  }

  /// The nine anchors that py-faster-rcnn prints for sizes of 8, 16 and 32 times 16 pixels.
  @Test func anchorsInTheFormOfCaffe() throws {
    let anchors = try Anchors(AnchorSettings(sizes: [[8 * 16, 16 * 16, 32 * 16]], form: .caffe))
    let expected: [Float] = [
      -84, -40, 99, 55, -176, -88, 191, 103, -360, -184, 375, 199, -56, -56, 71, 71, -120, -120,
      135, 135, -248, -248, 263, 263, -36, -80, 51, 95, -80, -168, 95, 183, -168, -344, 183, 359,
    ]
    #expect(coordinates(anchors.cell(level: 0)) == expected)
  }

  @Test func anchorsInTheFormOfDetectronHaveTheirSizes() throws {
    let settings = AnchorSettings(
      sizes: [[32, 100]], ratios: [0.5, 2], form: .detectron, offset: 0.5)
    let boxes = try Anchors(settings).cell(level: 0)
    #expect(boxes.count == 4)
    for (box, (size, ratio)) in zip(boxes, [(32, 0.5), (32, 2), (100, 0.5), (100, 2.0)]) {
      #expect(abs(Double(box.area).squareRoot() - Double(size)) < 1e-4)
      #expect(abs(Double(box.height / box.width) - ratio) < 1e-6)
      #expect(box.x1 == -box.x2 && box.y1 == -box.y2)
    }
    let placed = try Anchors(settings).coordinates(
      level: 0, height: 1, width: 2, stride: 16, picture: (height: 16, width: 32))
    #expect(placed[16] + placed[18] == 2 * 24 && placed[17] + placed[19] == 2 * 8)
  }

  @Test(arguments: [0, 1]) func codesEqualTorchvision(index: Int) throws {
    let example = try fixture().codings[index]
    let coding = BoxCoding(weights: example.weights)
    let others = try Tensor(example.others, [6, 4])
    let encoded = try coding.encode(Tensor(example.boxes, [6, 4]), relativeTo: others)
    #expect(difference(try encoded.floats(), example.encoded) < 1e-5)
    let decoded = try coding.decode(Tensor(example.codes, [6, 12]), relativeTo: others)
    #expect(decoded.shape == [6, 3, 4])
    #expect(difference(try decoded.floats(), example.decoded) < 1e-3)
  }

  @Test(arguments: [false, true]) func decodingUndoesEncoding(isInclusive: Bool) throws {
    var stream = RandomStream(seed: 3)
    func some() throws -> Tensor {
      try Tensor(
        (0..<20).flatMap { _ -> [Float] in
          let (x, y) = (Float(stream.uniform() * 50), Float(stream.uniform() * 50))
          return [x, y, x + 2 + Float(stream.uniform() * 40), y + 2 + Float(stream.uniform() * 9)]
        }, [20, 4])
    }
    let (boxes, others) = (try some(), try some())
    let coding = BoxCoding(weights: [10, 10, 5, 5], isInclusive: isInclusive)
    var back = try coding.decode(coding.encode(boxes, relativeTo: others), relativeTo: others)
      .squeezed(1)
    // The published form leaves the last row and column out of what it decodes.
    if isInclusive { back = try back - Tensor([Float](arrayLiteral: 0, 0, 1, 1), [1, 4]) }
    #expect(try difference(back, boxes) < 1e-4)
    #expect(message { try BoxCoding(weights: [1, 1]).check() } != nil)
  }

  @Test(arguments: [0, 1]) func matchesEqualTorchvision(index: Int) throws {
    let example = try fixture().matches[index]
    let matcher = Matcher(foreground: 0.5, background: 0.3, keepsBest: example.keeps)
    let found = matcher.match(example.boxes, to: boxes(example.objects)).map { match in
      switch match {
      case .object(let index): index
      case .background: -1
      case .between: -2
      }
    }
    #expect(found == example.matches)
    #expect(Set(found).count > 3)
    #expect(matcher.match(example.boxes, to: []).allSatisfy { $0 == .background })
  }

  @Test func samplesAreBalancedAndFair() {
    let matches: [Matcher.Match] =
      (0..<40).map { $0 % 4 == 0 ? .object($0) : $0 % 4 == 1 ? .between : .background }
    let sampler = BalancedSampler(count: 12, foreground: 0.25)
    var stream = RandomStream(seed: 1)
    var drawn = [Int](repeating: 0, count: 40)
    for _ in 0..<2000 {
      let sample = sampler.sample(matches, using: &stream)
      #expect(sample.foreground.count == 3 && sample.background.count == 9)
      #expect(sample.foreground == Set(sample.foreground).sorted())
      #expect(sample.background == Set(sample.background).sorted())
      for place in sample.foreground + sample.background { drawn[place] += 1 }
    }
    for place in 0..<40 {
      // Of 10 objects 3 are drawn, of 20 others 9; the deviation of a count is about 22.
      let expected = place % 4 == 0 ? 600.0 : place % 4 == 1 ? 0 : 900
      #expect(abs(Double(drawn[place]) - expected) <= 110, "\(place)")
    }
    // What is missing of one kind is filled from the other, as far as it goes.
    let few = sampler.sample([.object(0)] + matches.filter { $0 == .background }, using: &stream)
    #expect(few.foreground == [0] && few.background.count == 11)
    let all = BalancedSampler(count: 100, foreground: 0.5).sample(matches, using: &stream)
    #expect(all.foreground.count == 10 && all.background.count == 20)
  }
}
