// Pictures as rows of a grid (Huang et al. 2020, "Pixel-BERT"): the cells of a backbone's coarsest
// map are what the transformer reads, and in pre-training only some of them, chosen at random.

public import TandemNN
public import TandemTorch

/// A place in a batch of grids.
public struct GridCell: Hashable, Sendable {
  public let picture: Int
  public let row: Int
  public let column: Int

  public init(picture: Int, row: Int, column: Int) {
    self.picture = picture
    self.row = row
    self.column = column
  }
}

/// Cells of pictures, picture after picture.
public struct Grid {
  /// [cells of all pictures, C].
  public let rows: Tensor
  /// Where each row lies.
  public let cells: [GridCell]
  /// Cells of each picture.
  public let counts: [Int]
  /// Rows and columns of each picture's grid.
  public let height: Int
  public let width: Int

  init(rows: Tensor, cells: [GridCell], counts: [Int], height: Int, width: Int) {
    self.rows = rows
    self.cells = cells
    self.counts = counts
    self.height = height
    self.width = width
  }

  /// All cells of a map [N, C, H, W], row by row.
  public init(_ map: Tensor) throws {
    guard map.rank == 4 else {
      throw VisionError("a grid is made of a map [N, C, H, W], found \(map.shape)")
    }
    let (pictures, height, width) = (map.size(0), map.size(2), map.size(3))
    self.init(
      rows: try map.permuted([0, 2, 3, 1]).reshaped([pictures * height * width, map.size(1)]),
      cells: (0..<pictures).flatMap { picture in
        (0..<height * width).map {
          GridCell(picture: picture, row: $0 / width, column: $0 % width)
        }
      },
      counts: Array(repeating: height * width, count: pictures), height: height, width: width)
  }

  /// The cells that a sampler leaves of each picture.
  public func sampled(
    _ sampler: PixelSampler, using random: inout some RandomNumberGenerator
  ) throws -> Grid {
    var chosen: [Int] = []
    var left: [Int] = []
    var start = 0
    for count in counts {
      let places = sampler.places(of: count, using: &random)
      chosen += places.map { start + $0 }
      left.append(places.count)
      start += count
    }
    guard chosen != Array(0..<start) else { return self }
    return Grid(
      rows: try rows.rows(Tensor(chosen.map(Int64.init), on: rows.device)),
      cells: chosen.map { cells[$0] }, counts: left, height: height, width: width)
  }
}

/// Chooses cells of a picture at random, each at most once: a transformer that reads different ones
/// every time relies on no single one, and pre-training costs less.
public struct PixelSampler: Hashable, Sendable, Codable {
  public enum Order: String, Hashable, Sendable, Codable {
    /// As they lie in the picture.
    case sorted
    case shuffled
  }

  /// The most cells of a picture; Pixel-BERT takes 100.
  public var most: Int
  public var order: Order

  public init(most: Int = 100, order: Order = .sorted) {
    self.most = most
    self.order = order
  }

  /// Places in 0..<`count`: `most` of them, or all where there are fewer.
  public func places(
    of count: Int, using random: inout some RandomNumberGenerator
  ) -> [Int] {
    let wanted = max(0, min(most, count))
    guard wanted < count || order == .shuffled else { return Array(0..<max(0, count)) }
    var places = Array(0..<max(0, count))
    // The first steps of a shuffle (Fisher & Yates).
    for place in 0..<wanted {
      places.swapAt(place, place + Int(random.next(upperBound: UInt64(count - place))))
    }
    let chosen = places.prefix(wanted)
    return order == .sorted ? chosen.sorted() : Array(chosen)
  }
}

/// A backbone whose coarsest map is read cell by cell.
public struct GridFeatures<Body: Backbone> {
  public let body: Body
  /// Cells a side whose largest numbers become one cell; 1 leaves the map as it is.
  public let pooling: Int

  /// - Parameter pooling: Pixel-BERT halves a ResNet's map: 2.
  public init(_ body: Body, pooling: Int = 1) throws {
    guard pooling >= 1, !body.levels.isEmpty else {
      throw VisionError(
        "a grid needs a backbone with a map and a pooling of 1 or more, found "
          + "\(body.levels.count) maps and \(pooling)")
    }
    self.body = body
    self.pooling = pooling
  }

  public var channels: Int { body.levels.last?.channels ?? 0 }
  /// Pixels of a picture a side of a cell.
  public var stride: Int { (body.levels.last?.stride ?? 1) * pooling }

  /// Pictures [N, 3, H, W] → their cells.
  public func callAsFunction(_ pictures: Tensor, _ mode: Mode) throws -> Grid {
    guard let map = try body(pictures, mode).last else {
      throw VisionError("the backbone made no map")
    }
    return try Grid(
      pooling == 1 ? map : map.maxPooled(pooling, Window2D(stride: pooling)))
  }
}
