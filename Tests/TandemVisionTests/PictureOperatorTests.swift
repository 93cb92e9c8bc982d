// Operators over pictures and choices among numbers, against their definitions on small cases.

import TandemTorch
import TestSupport
import Testing

@Suite struct PictureOperatorTests {
  /// 0, 1, 2 … as a picture [1, 1, 3, 4].
  private func ramp() throws -> Tensor { try Tensor((0..<12).map(Float.init), [1, 1, 3, 4]) }

  @Test func pools() throws {
    let x = try ramp()
    #expect(try x.maxPooled(2, Window2D(stride: 2)).floats() == [5, 7])
    #expect(try x.maxPooled(3, Window2D(stride: 2, padding: 1)).floats() == [5, 7, 9, 11])
    #expect(try (-x).maxPooled(3, Window2D(stride: 2, padding: 1)).floats() == [0, -1, -4, -5])
    #expect(try x.maxPooled(2, Window2D(dilation: 2)).floats() == [10, 11])
    #expect(try x.averagePooled(2, Window2D(stride: 2)).floats() == [2.5, 4.5])
    // Zeros of the padding count.
    #expect(try x.averagePooled(2, Window2D(stride: 2, padding: 1)).floats().first == 0)
    #expect(try x.averagePooled(2, Window2D(stride: 3, padding: 1)).floats() == [0, 1.25, 2, 5.25])
    #expect(try x.averagePooled(toHeight: 1, width: 2).floats() == [4.5, 6.5])
  }

  @Test func resizes() throws {
    let x = try Tensor([Float(0), 1, 2, 3], [1, 1, 2, 2])
    #expect(
      try x.resizedNearest(height: 4, width: 4).floats()
        == [0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 3, 3, 2, 2, 3, 3])
    // Pixel centres on pixel centres: outside them the border pixel.
    #expect(
      try x.resizedBilinear(height: 2, width: 4).floats()
        == [0, 0.25, 0.75, 1, 2, 2.25, 2.75, 3])
  }

  @Test func paddingAndLayout() throws {
    let x = try Tensor([Float(1), 2, 3, 4], [1, 2, 1, 2])
    let padded = try x.padded(left: 1, bottom: 1, value: 9)
    #expect(padded.shape == [1, 2, 2, 3])
    #expect(try padded.floats() == [9, 1, 2, 9, 9, 9, 9, 3, 4, 9, 9, 9])
    let last = try padded.laidOut(.channelsLast)
    #expect(!last.isContiguous)
    #expect(try last.floats() == padded.floats())
    #expect(try last.laidOut(.channelsFirst).isContiguous)
  }

  @Test func batchNorms() throws {
    let x = try randomTensor([3, 2, 2, 2], seed: 1)
    let weight = try Tensor([Float(2), 3])
    let bias = try Tensor([Float(-1), 1])
    let mean = try Tensor([Float(0.5), -0.25])
    let variance = try Tensor([Float(4), 0.25])
    let values = try x.floats()
    let fixed = try x.batchNormed(weight, bias, mean: mean, variance: variance, epsilon: 0)
    let expected = values.enumerated().map { place, value in
      (place / 4) % 2 == 0 ? (value - 0.5) / 2 * 2 - 1 : (value + 0.25) / 0.5 * 3 + 1
    }
    #expect(try difference(fixed.floats(), expected) < Tolerance.output)
    let own = try x.batchNormed(
      weight, bias, movingMean: mean, movingVariance: variance, momentum: 0.25, epsilon: 1e-5)
    for channel in 0..<2 {
      let mine = values.enumerated().filter { ($0.offset / 4) % 2 == channel }.map(\.element)
      let centre = mine.reduce(0, +) / 12
      let spread = mine.reduce(0) { $0 + ($1 - centre) * ($1 - centre) }
      let found = try own.narrow(1, from: channel, 1).floats()
      let (scale, shift): (Float, Float) = channel == 0 ? (2, -1) : (3, 1)
      let wanted = mine.map { ($0 - centre) / (spread / 12 + 1e-5).squareRoot() * scale + shift }
      #expect(difference(found, wanted) < Tolerance.output)
      let start: (Float, Float) = channel == 0 ? (0.5, 4) : (-0.25, 0.25)
      #expect(abs(try mean.floats()[channel] - (0.75 * start.0 + 0.25 * centre)) < 1e-6)
      // The kept variance is not biased.
      #expect(abs(try variance.floats()[channel] - (0.75 * start.1 + 0.25 * spread / 11)) < 1e-6)
    }
  }

  @Test func rectifiers() throws {
    let x = try Tensor([Float(-1), 0, 3, 6, 7])
    #expect(try x.relu6().floats() == [0, 0, 3, 6, 6])
    let here = try x.clone()
    try here.applyReLU()
    #expect(try here.floats() == [0, 0, 3, 6, 7])
    try here.applyReLU6()
    #expect(try here.floats() == [0, 0, 3, 6, 6])
  }

  @Test func choices() throws {
    let x = try Tensor([Float(2), 5, 2, -1, 7, 0], [2, 3])
    let rising = try x.sorted()
    #expect(try rising.values.floats() == [2, 2, 5, -1, 0, 7])
    #expect(try rising.indices.array(of: Int64.self) == [0, 2, 1, 0, 2, 1])
    let falling = try x.sorted(descending: true)
    #expect(try falling.values.floats() == [5, 2, 2, 7, 0, -1])
    #expect(try falling.indices.array(of: Int64.self) == [1, 0, 2, 1, 2, 0])
    #expect(try x.sorted(0).values.floats() == [-1, 5, 0, 2, 7, 2])
    let most = try x.max(1)
    #expect(try most.values.floats() == [5, 7])
    #expect(try most.indices.array(of: Int64.self) == [1, 1])
    let y = try Tensor([Float(3), 3, 3, 3, 3, 3], [2, 3])
    #expect(try x.minimum(y).floats() == [2, 3, 2, -1, 3, 0])
    #expect(try x.maximum(y).floats() == [3, 5, 3, 3, 7, 3])
    #expect(try x.clamped(from: 1).floats() == [2, 5, 2, 1, 7, 1])
    let flat = try x.reshaped([6])
    let both = try flat.isGreater(than: -1).and(flat.isAtLeast(2))
    #expect(try both.array(of: Bool.self) == [true, true, true, false, true, false])
    #expect(try flat.isGreater(than: 2).array(of: Bool.self).count { $0 } == 2)
    #expect(try both.places().array(of: Int64.self) == [0, 1, 2, 4])
    #expect(message { _ = try x.places() }?.contains("needs a vector") == true)
  }

  @Test func smoothL1() throws {
    let x = try leaf(Tensor([Float(0), 0.25, -2, 5]))
    let loss = try x.smoothL1Sum(Tensor([Float(0), 0, 0, 1]), beta: 0.5)
    // 0.25² / (2 · 0.5) + (2 − 0.25) + (4 − 0.25)
    #expect(abs(try loss.item() - (0.0625 + 1.75 + 3.75)) < Tolerance.loss)
    #expect(try loss.gradients(of: [x])[0]?.floats() == [0, 0.5, -1, 1])
  }
}
