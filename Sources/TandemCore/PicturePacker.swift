internal import TandemImage
internal import TandemTorch

/// Copies what a model reads of pictures, pixels or features, end to end.
struct PicturePacker {
  let specification: InputSpecification
  let isPinned: Bool

  /// Where each picture's units lie; throws for one that the model cannot read.
  func places(of distinct: [SeenPicture]) throws -> [PackedBatch.PackedPicture] {
    var count = 0
    var numbers = 0
    return try distinct.map { seen in
      let picture = seen.picture
      let units = specification.units(picture)
      try check(picture, units)
      let size = specification.regions?.pixels == nil ? nil : picture.image?.size
      let (width, height) = (size?.width ?? 0, size?.height ?? 0)
      defer {
        count += units
        numbers += 3 * width * height
      }
      return PackedBatch.PackedPicture(
        grid: specification.grid(picture), firstUnit: count, unitCount: units,
        width: picture.regions?.width ?? picture.image?.width ?? 0,
        height: picture.regions?.height ?? picture.image?.height ?? 0, pixelWidth: width,
        pixelHeight: height, firstPixel: numbers, cells: picture.cells)
    }
  }

  private func check(_ picture: Picture, _ units: Int) throws {
    guard let input = specification.regions else {
      guard let image = picture.image else {
        throw DataError("the model reads pixels, and the picture has none")
      }
      guard units > 0 else {
        throw DataError(
          "a picture of \(image.width)×\(image.height) is smaller than a patch of "
            + "\(specification.patches?.size ?? 0)")
      }
      return
    }
    if let pixels = input.pixels { try check(picture, pixels) }
    guard input.cells == nil else { return }
    guard let regions = picture.regions else {
      throw DataError("the model reads regions, and the picture has none: name data.regions")
    }
    guard units > 0 else { throw DataError("the picture has no region") }
    guard input.pixels != nil || regions.featureWidth == input.featureWidth else {
      throw DataError(
        "the model reads features of width \(input.featureWidth), the regions have "
          + "\(regions.featureWidth)")
    }
  }

  func patches(
    of distinct: [SeenPicture], _ packed: [PackedBatch.PackedPicture]
  ) throws -> FloatBuffer {
    guard specification.regions == nil, let input = specification.patches else {
      return try FloatBuffer(count: 0) { _ in }
    }
    let width = 3 * input.size * input.size
    let count = packed.reduce(0) { $0 + $1.unitCount }
    return try FloatBuffer(count: count * width, isPinned: isPinned) { buffer in
      for (seen, place) in zip(distinct, packed) {
        let first = place.firstUnit * width
        try seen.picture.image?.patches(
          size: input.size, mean: input.mean, std: input.deviation,
          into: UnsafeMutableBufferPointer(
            rebasing: buffer[first..<first + place.unitCount * width]))
      }
    }
  }

  func regions(
    of distinct: [SeenPicture], _ packed: [PackedBatch.PackedPicture]
  ) throws -> (features: FloatBuffer, boxes: FloatBuffer) {
    guard let input = specification.regions, input.cells == nil else {
      return (try FloatBuffer(count: 0) { _ in }, try FloatBuffer(count: 0) { _ in })
    }
    let count = packed.reduce(0) { $0 + $1.unitCount }
    func laid(_ width: Int, _ values: @escaping (Regions) -> [Float]) throws -> FloatBuffer {
      try FloatBuffer(count: count * width, isPinned: isPinned) { buffer in
        for (seen, place) in zip(distinct, packed) {
          guard let regions = seen.picture.regions else { continue }
          let first = place.firstUnit * width
          _ = UnsafeMutableBufferPointer(
            rebasing: buffer[first..<first + place.unitCount * width]
          ).update(fromContentsOf: values(regions))
        }
      }
    }
    let boxes = try laid(4, \.boxes)
    guard input.pixels == nil else { return (try FloatBuffer(count: 0) { _ in }, boxes) }
    return (try laid(input.featureWidth, \.features), boxes)
  }

  func replacements(_ sequences: [InputSequence]) throws -> FloatBuffer {
    let all = sequences.flatMap { $0.replaced.map(\.feature) }
    let width = specification.regions?.featureWidth ?? 0
    guard all.isEmpty || specification.regions?.pixels == nil else {
      throw DataError(
        "a feature stands in for another, and the model makes its features of pixels: "
          + "masking.otherShare must be 0")
    }
    guard all.allSatisfy({ $0.count == width }) else {
      throw DataError("a feature that stands in for another has not the width \(width)")
    }
    return try FloatBuffer(count: all.count * width, isPinned: isPinned) { buffer in
      for (place, feature) in all.enumerated() {
        _ = UnsafeMutableBufferPointer(
          rebasing: buffer[place * width..<(place + 1) * width]
        ).update(fromContentsOf: feature)
      }
    }
  }
}
