// The convolution with what follows it, in one call, against one operator of libtorch after another.

import TandemTorch
import TestSupport
import Testing

@Suite struct ConvolutionTests {
  struct Case: Sendable, CustomStringConvertible {
    var channels: Int
    var output: Int
    var size: Int
    var height = 9
    var width = 11
    var stride = 1
    var dilation = 1
    var groups = 1
    var padding = Padding2D()
    var hasBias = false
    var hasResidual = false
    var rectifier = Rectifier.none

    var description: String {
      "\(channels) -> \(output), \(size) x \(size) over \(height) x \(width), stride \(stride), "
        + "dilation \(dilation), groups \(groups), padding \(padding), bias \(hasBias), "
        + "residual \(hasResidual), \(rectifier)"
    }
  }

  static let cases: [Case] =
    [
      Case(channels: 3, output: 8, size: 7, stride: 2, padding: Padding2D(3), rectifier: .relu),
      Case(channels: 8, output: 16, size: 1, hasBias: true, rectifier: .relu6),
      Case(channels: 8, output: 16, size: 1, stride: 2),
      Case(
        channels: 8, output: 12, size: 3, padding: Padding2D(1), hasBias: true, hasResidual: true,
        rectifier: .relu),
      Case(channels: 8, output: 8, size: 1, hasBias: true, hasResidual: true),
      Case(channels: 8, output: 8, size: 1, hasResidual: true, rectifier: .relu6),
      Case(channels: 8, output: 12, size: 3, dilation: 2, padding: Padding2D(2), rectifier: .relu),
      Case(
        channels: 8, output: 12, size: 3, stride: 2,
        padding: Padding2D(top: 0, left: 0, bottom: 1, right: 1), rectifier: .relu6),
      Case(channels: 8, output: 12, size: 3, groups: 4, padding: Padding2D(1)),
    ] + depthwise

  /// One kernel a channel: channel counts that fill a vector and that do not, pictures smaller than
  /// a kernel, every side of the padding.
  static let depthwise: [Case] = [16, 19, 40].flatMap { channels in
    [3, 5, 7].flatMap { size in
      [1, 2, 3].flatMap { stride in
        [
          Case(
            channels: channels, output: channels, size: size, stride: stride, groups: channels,
            padding: Padding2D(size / 2), hasBias: true, rectifier: .relu6),
          Case(
            channels: channels, output: channels, size: size, height: 8, width: 6, stride: stride,
            groups: channels, padding: Padding2D(top: 1, left: 2, bottom: 2, right: 3),
            rectifier: .relu),
          Case(
            channels: channels, output: channels, size: size, height: 2, width: 13, stride: stride,
            groups: channels, padding: Padding2D(top: 3, left: 0, bottom: 4, right: 1)),
        ]
      }
    }
  }

  private func inputs(_ test: Case) throws -> [Tensor] {
    let kernel = try randomTensor(
      [test.output, test.channels / test.groups, test.size, test.size], seed: 2)
    let fan = Double(test.channels / test.groups * test.size * test.size)
    var all = [
      try randomTensor([2, test.channels, test.height, test.width], seed: 1),
      try kernel * (3 / fan.squareRoot()),
    ]
    if test.hasBias { all.append(try randomTensor([test.output], seed: 3)) }
    if test.hasResidual {
      all.append(try randomTensor(plain(test, all, residual: nil).shape, seed: 4))
    }
    for tensor in all { try tensor.setRequiresGradient(true) }
    return all
  }

  private func plain(_ test: Case, _ t: [Tensor], residual: Tensor?) throws -> Tensor {
    let padded = try t[0].padded(
      left: test.padding.left, right: test.padding.right, top: test.padding.top,
      bottom: test.padding.bottom)
    var y = try padded.convolved(
      t[1], test.hasBias ? t[2] : nil, Window2D(stride: test.stride, dilation: test.dilation),
      groups: test.groups)
    if let residual { y = try y + residual }
    switch test.rectifier {
    case .none: return y
    case .relu: return try y.relu()
    case .relu6: return try y.relu6()
    }
  }

  private func fused(_ test: Case, _ t: [Tensor]) throws -> Tensor {
    try t[0].convolved(
      t[1], test.hasBias ? t[2] : nil, stride: test.stride, padding: test.padding,
      dilation: test.dilation, groups: test.groups, adding: test.hasResidual ? t.last : nil,
      rectifier: test.rectifier)
  }

  @Test(arguments: cases) func equalsOneOperatorAfterAnother(_ test: Case) throws {
    func results(_ make: ([Tensor]) throws -> Tensor) throws -> [Tensor] {
      let leaves = try inputs(test)
      let y = try make(leaves)
      let total = try (y * randomTensor(y.shape, seed: 9)).sum()
      return [y] + (try total.gradients(of: leaves).map { try #require($0) })
    }
    let fast = try results { try fused(test, $0) }
    let slow = try results { try plain(test, $0, residual: test.hasResidual ? $0.last : nil) }
    #expect(fast.count == slow.count)
    for (place, (found, expected)) in zip(fast, slow).enumerated() {
      #expect(
        try relativeDifference(found, expected) < Tolerance.gradient, "\(test), result \(place)")
    }
    let quiet = try withoutGradients { try fused(test, inputs(test)) }
    #expect(try quiet.floats() == fast[0].floats())
  }

  @Test(arguments: [3, 5], [1, 2]) func theOrderOfMemoryChangesNothing(
    _ size: Int, _ stride: Int
  ) throws {
    let x = try randomTensor([2, 16, 9, 11], seed: 1)
    let kernel = try randomTensor([16, 1, size, size], seed: 2)
    func result(_ layout: PictureLayout) throws -> [Float] {
      try x.laidOut(layout).convolved(
        kernel, nil, stride: stride, padding: Padding2D(1), groups: 16
      ).floats()
    }
    #expect(try result(.channelsFirst) == result(.channelsLast))
  }

  @Test func bfloat16IsClose() throws {
    for groups in [1, 16] {
      let x = try randomTensor([2, 16, 9, 11], seed: 1)
      let kernel = try randomTensor([16, 16 / groups, 3, 3], seed: 2)
      let bias = try randomTensor([16], seed: 3)
      let wide = try x.convolved(
        kernel, bias, padding: Padding2D(1), groups: groups, rectifier: .relu)
      let narrow = try x.to(.bfloat16).convolved(
        kernel.to(.bfloat16), bias.to(.bfloat16), padding: Padding2D(1), groups: groups,
        rectifier: .relu)
      #expect(narrow.dtype == .bfloat16)
      let gap = try relativeDifference(narrow.to(.float32), wide)
      #expect(gap > 0 && gap < Tolerance.bfloat16, "\(groups): \(gap)")
    }
  }

  @Test func whatDoesNotFitIsRefused() throws {
    let x = try randomTensor([1, 4, 5, 5], seed: 1)
    let kernel = try randomTensor([6, 4, 3, 3], seed: 2)
    let bad: [() throws -> Tensor] = [
      { try x.convolved(kernel, nil, padding: Padding2D(-1)) },
      { try x.convolved(kernel, nil, stride: 0, padding: Padding2D(1)) },
      { try x.convolved(kernel, nil, padding: Padding2D(0), dilation: 3) },
      { try x.convolved(kernel, nil, padding: Padding2D(1), groups: 2) },
      { try x.convolved(kernel, randomTensor([5], seed: 1), padding: Padding2D(1)) },
      { try x.convolved(kernel, nil, padding: Padding2D(1), adding: x) },
      { try x.to(.bfloat16).convolved(kernel, nil, padding: Padding2D(1)) },
      { try randomTensor([4, 5, 5], seed: 1).convolved(kernel, nil, padding: Padding2D(1)) },
    ]
    for (place, make) in bad.enumerated() {
      let found = message { _ = try make() }
      #expect(found?.contains("convolved([") == true, "\(place): \(found ?? "nothing thrown")")
    }
  }

  @Test func aSingleChannelOrAnEmptyBatch() throws {
    let x = try randomTensor([2, 1, 6, 6], seed: 1)
    let kernel = try randomTensor([1, 1, 3, 3], seed: 2)
    let found = try x.convolved(kernel, nil, padding: Padding2D(1))
    let expected = try x.convolved(kernel, nil, Window2D(padding: 1))
    #expect(try difference(found, expected) < Tolerance.output)
    let none = try x.narrow(0, from: 0, 0).convolved(kernel, nil, padding: Padding2D(1))
    #expect(none.shape == [0, 1, 6, 6])
  }
}
