// Whole pictures as a network in the model reads them: normalised, and dark where a sequence must
// not see. Shapes: H rows and W columns of one picture.

public import TandemImage
public import TandemTorch

/// A picture as a sequence sees it.
struct SeenPicture {
  let picture: Picture
  /// Regions whose pixels are not to be seen; none where masks are elsewhere.
  let hidden: [Int]
  /// Equal for equal content: the same picture with other regions hidden is another one.
  let key: UInt64

  init(_ picture: Picture, hidden: [Int], _ specification: InputSpecification) {
    self.picture = picture
    self.hidden =
      specification.regions?.masksPixels == true ? Array(Set(hidden)).sorted() : []
    key =
      self.hidden.isEmpty
      ? picture.key
      : self.hidden.reduce(mixed(picture.key ^ 0x51DE)) { mixed($0 ^ UInt64($1)) }
  }
}

extension PicturePacker {
  /// Throws for a picture that a network in the model cannot read.
  func check(_ picture: Picture, _ input: PixelInput) throws {
    guard let image = picture.image else {
      throw DataError(
        "the model makes features of pixels, and the picture has none: its file must be read")
    }
    guard let cells = input.cells else {
      try picture.regions?.check(over: image.size)
      return
    }
    try cells.check(image.size)
    let count = cells.grid(image.size).count
    guard let drawn = picture.cells else { return }
    guard let last = drawn.last, drawn[0] >= 0, last < count,
      zip(drawn, drawn.dropFirst()).allSatisfy({ $0 < $1 })
    else {
      throw DataError(
        "cells of a picture must be one or more of 0..<\(count) in rising order, found \(drawn)")
    }
  }

  func pixels(
    of distinct: [SeenPicture], _ packed: [PackedBatch.PackedPicture]
  ) throws -> FloatBuffer {
    guard let input = specification.regions?.pixels else {
      return try FloatBuffer(count: 0) { _ in }
    }
    let tables = input.tables
    let count = packed.reduce(0) { $0 + 3 * $1.pixelHeight * $1.pixelWidth }
    return try FloatBuffer(count: count, isPinned: isPinned) { buffer in
      for (seen, place) in zip(distinct, packed) {
        guard let image = seen.picture.image else { continue }
        let numbers = UnsafeMutableBufferPointer(
          rebasing: buffer[place.firstPixel..<place.firstPixel + 3 * image.width * image.height])
        input.lay(image, tables, into: numbers)
        guard let regions = seen.picture.regions else { continue }
        for region in seen.hidden {
          guard (0..<regions.count).contains(region) else {
            throw DataError("region \(region) is hidden, the picture has \(regions.count)")
          }
          darken(Array(regions.boxes[4 * region..<4 * region + 4]), image.size, numbers)
        }
      }
    }
  }

  /// Sets the pixels of a box [4], over the picture's size, to 0: rows and columns from the one it
  /// begins in up to and including the one it ends in, as the published code has it (Su et al.
  /// 2020).
  private func darken(
    _ box: [Float], _ size: PixelSize, _ numbers: UnsafeMutableBufferPointer<Float>
  ) {
    func span(_ first: Float, _ last: Float, _ side: Int) -> Range<Int> {
      // What was divided by a picture's side and multiplied by another is a little off.
      func pixel(_ share: Float) -> Int {
        Int(min(max(share * Float(side) + 1e-3, 0), Float(side - 1)).rounded(.down))
      }
      return pixel(first)..<max(pixel(first), pixel(last)) + 1
    }
    let columns = span(box[0], box[2], size.width)
    let rows = span(box[1], box[3], size.height)
    for channel in 0..<3 {
      for row in rows {
        let start = (channel * size.height + row) * size.width
        for column in columns { numbers[start + column] = 0 }
      }
    }
  }
}

extension PixelInput {
  /// Every byte's number of every channel.
  fileprivate var tables: [[Float]] {
    (0..<3).map { channel in
      (0..<256).map { (Float($0) * scale - mean[channel]) / deviation[channel] }
    }
  }

  /// A picture's numbers, [3, H, W].
  fileprivate func lay(
    _ image: Image, _ tables: [[Float]], into numbers: UnsafeMutableBufferPointer<Float>
  ) {
    let count = image.width * image.height
    image.pixels.withUnsafeBufferPointer { pixels in
      for channel in 0..<3 {
        let source = isBlueFirst ? 2 - channel : channel
        tables[channel].withUnsafeBufferPointer { table in
          for pixel in 0..<count {
            numbers[channel * count + pixel] = table[Int(pixels[3 * pixel + source])]
          }
        }
      }
    }
  }
}

extension Regions {
  /// Whether these may be laid over a picture's pixels: boxes of numbers, and the same picture.
  ///
  /// - Throws: `DataError`.
  public func check(over size: PixelSize) throws {
    guard boxes.allSatisfy(\.isFinite) else {
      throw DataError("a box of the picture's regions is not made of numbers")
    }
    // Each side of a picture that was resized is up to a pixel off.
    let skew = abs(size.width * height - size.height * width)
    guard skew <= width + height else {
      throw DataError(
        "the picture's pixels are \(size.width)×\(size.height), its regions are those of a "
          + "picture of \(width)×\(height): extract them again")
    }
  }
}

extension CellInput {
  /// - Throws: `DataError` for a picture without a cell.
  public func check(_ size: PixelSize) throws {
    guard grid(size).count > 0 else {
      throw DataError(
        "a picture of \(size.width)×\(size.height) is smaller than a cell: \(leastSide) pixels a "
          + "side are the least")
    }
  }

  /// A picture with at most so many of its cells, drawn by `stream` and in rising order; the
  /// picture itself where it has no more. Pixel-BERT draws 100 in pre-training (Huang et al. 2020).
  public func sampled(
    _ picture: Picture, most: Int, using stream: inout RandomStream
  ) -> Picture {
    guard let image = picture.image else { return picture }
    let count = grid(image.size).count
    guard most > 0, count > most else { return picture }
    let draw = stream.next()
    var own = RandomStream(seed: draw)
    var places = Array(0..<count)
    for place in 0..<most { places.swapAt(place, place + own.below(count - place)) }
    return Picture(
      key: mixed(picture.key ^ draw), image: image, regions: picture.regions,
      cells: places.prefix(most).sorted())
  }
}
