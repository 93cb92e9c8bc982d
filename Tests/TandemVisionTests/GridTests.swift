import TandemNN
import TandemTorch
import TandemVision
import TestSupport
import Testing

@Suite struct GridTests {
  /// The picture itself, as a backbone of stride 1.
  private struct Mirror: Backbone {
    let levels = [FeatureLevel(channels: 3, stride: 1)]
    func callAsFunction(_ pictures: Tensor, _ mode: Mode) -> [Tensor] { [pictures] }
  }

  @Test(arguments: PictureLayout.allCases) func cellsLieWhereTheySay(
    _ layout: PictureLayout
  ) throws {
    let pictures = try randomTensor([2, 3, 4, 5], seed: 1).laidOut(layout)
    let grid = try GridFeatures(Mirror())(pictures, .inference)
    #expect(grid.rows.shape == [40, 3] && grid.counts == [20, 20])
    #expect(grid.height == 4 && grid.width == 5)
    let values = try pictures.floats()
    let rows = try grid.rows.floats()
    for (place, cell) in grid.cells.enumerated() {
      for channel in 0..<3 {
        #expect(
          rows[place * 3 + channel]
            == values[((cell.picture * 3 + channel) * 4 + cell.row) * 5 + cell.column])
      }
    }
  }

  @Test func pooledCellsHoldTheLargest() throws {
    let pictures = try Tensor((0..<3 * 5 * 4).map(Float.init), [1, 3, 5, 4])
    let features = try GridFeatures(Mirror(), pooling: 2)
    let grid = try features(pictures, .inference)
    #expect(features.stride == 2 && features.channels == 3)
    #expect(grid.height == 2 && grid.width == 2 && grid.cells.count == 4)
    #expect(try grid.rows.narrow(1, from: 0, 1).floats() == [5, 7, 13, 15])
    #expect(throws: VisionError.self) { try GridFeatures(Mirror(), pooling: 0) }
    #expect(throws: VisionError.self) { try Grid(Tensor.zeros([2, 3])) }
  }

  @Test(arguments: [PixelSampler.Order.sorted, .shuffled]) func someCellsOfEachPicture(
    _ order: PixelSampler.Order
  ) throws {
    let pictures = try randomTensor([3, 3, 4, 5], seed: 1)
    let grid = try Grid(pictures)
    let sampler = PixelSampler(most: 7, order: order)
    var stream = RandomStream(seed: 2)
    let some = try grid.sampled(sampler, using: &stream)
    #expect(some.counts == [7, 7, 7] && some.rows.shape == [21, 3])
    #expect(Set(some.cells).count == 21)
    #expect(some.cells.map(\.picture) == (0..<21).map { $0 / 7 })
    let rows = try some.rows.floats()
    let all = try grid.rows.floats()
    for (place, cell) in some.cells.enumerated() {
      let from = cell.picture * 20 + cell.row * 5 + cell.column
      #expect(Array(rows[place * 3..<place * 3 + 3]) == Array(all[from * 3..<from * 3 + 3]))
    }
    let places = some.cells.prefix(7).map { $0.row * 5 + $0.column }
    #expect((places == places.sorted()) == (order == .sorted))
    var same = RandomStream(seed: 2)
    #expect(try grid.sampled(sampler, using: &same).cells == some.cells)
    #expect(try grid.sampled(sampler, using: &same).cells != some.cells)
  }

  @Test func everyCellIsAsLikely() {
    let sampler = PixelSampler(most: 3)
    var stream = RandomStream(seed: 3)
    var counts = [Int](repeating: 0, count: 10)
    for _ in 0..<20_000 {
      for place in sampler.places(of: 10, using: &stream) { counts[place] += 1 }
    }
    // 20 000 draws of probability 0.3: a deviation of 65.
    for count in counts { #expect(abs(count - 6000) < 5 * 65) }
  }

  @Test func fewCellsAllStay() {
    var stream = RandomStream(seed: 4)
    #expect(PixelSampler(most: 5).places(of: 3, using: &stream) == [0, 1, 2])
    #expect(PixelSampler(most: 0).places(of: 3, using: &stream) == [])
    #expect(PixelSampler(most: -1).places(of: 3, using: &stream) == [])
    #expect(PixelSampler().places(of: 0, using: &stream) == [])
    let shuffled = PixelSampler(most: 90, order: .shuffled).places(of: 50, using: &stream)
    #expect(shuffled.sorted() == Array(0..<50) && shuffled != Array(0..<50))
  }
}
