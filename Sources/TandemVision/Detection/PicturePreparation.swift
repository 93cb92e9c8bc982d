internal import Foundation
public import TandemImage
public import TandemTorch

/// What is done to pictures before a detector sees them: colours are normalised, the picture is
/// resized, and all are laid into one batch with zeros to the right and below.
public struct PicturePreparation: Sendable, Equatable, Codable {
  public enum Filter: String, Sendable, Codable, CaseIterable {
    /// Between four pixels, however much smaller the result is: torchvision, OpenCV.
    case plain
    /// Widened when shrinking, on bytes: Pillow, Detectron2.
    case smooth
  }

  /// How a side that is no whole number becomes one.
  public enum Rounding: String, Sendable, Codable, CaseIterable { case down, nearest }

  /// What the shorter side becomes; training draws one of them, inference takes the last.
  public var shorter: [Int]
  /// The most that the longer side may become: the shorter one gives way.
  public var longer: Int
  public var filter: Filter
  public var rounding: Rounding
  /// What a byte is multiplied with first: 1/255 for numbers from 0 to 1.
  public var scale: Double
  /// Of the three channels in the order that the network has them.
  public var mean: [Double]
  public var deviation: [Double]
  /// The network wants blue first.
  public var isBlueFirst: Bool
  /// Sides of the batch are multiples of this.
  public var multiple: Int

  public init(
    shorter: [Int] = [800], longer: Int = 1333, filter: Filter = .plain,
    rounding: Rounding = .down, scale: Double = 1.0 / 255, mean: [Double] = [0.485, 0.456, 0.406],
    deviation: [Double] = [0.229, 0.224, 0.225], isBlueFirst: Bool = false, multiple: Int = 32
  ) {
    self.shorter = shorter
    self.longer = longer
    self.filter = filter
    self.rounding = rounding
    self.scale = scale
    self.mean = mean
    self.deviation = deviation
    self.isBlueFirst = isBlueFirst
    self.multiple = multiple
  }

  /// - Throws: `DetectionError` for numbers that fit no picture.
  public func check() throws {
    let sides = 1...Image.maximumSide
    guard !shorter.isEmpty, shorter.allSatisfy({ sides.contains($0) }), sides.contains(longer),
      sides.contains(multiple),
      mean.count == 3, deviation.count == 3, deviation.allSatisfy({ $0 > 0 })
    else {
      throw DetectionError(
        "preparation: needs sides and a multiple of 1 to \(sides.upperBound), three means and three deviations "
          + "above 0, found shorter \(shorter), longer \(longer), multiple \(multiple), "
          + "mean \(mean), deviation \(deviation)")
    }
  }

  /// The size a picture gets when its shorter side is to be `shorter`.
  public func size(for size: PixelSize, shorter: Int) -> PixelSize {
    let scale = min(
      Double(shorter) / Double(min(size.width, size.height)),
      Double(longer) / Double(max(size.width, size.height)))
    func side(_ pixels: Int) -> Int {
      let exact = Double(pixels) * scale
      return max(1, Int(rounding == .down ? exact.rounded(.down) : (exact + 0.5).rounded(.down)))
    }
    return PixelSize(width: side(size.width), height: side(size.height))
  }

  /// A batch of pictures at the size of inference.
  public func batch(_ images: [Image], on device: Device = .cpu) throws -> PreparedPictures {
    try batch(images, shorter: images.map { _ in shorter.last ?? longer }, on: device)
  }

  /// A batch of pictures, each at one of the sizes of training.
  public func batch(
    _ images: [Image], on device: Device = .cpu, using rng: inout some RandomNumberGenerator
  ) throws -> PreparedPictures {
    try batch(
      images,
      shorter: images.map { _ in
        shorter.count == 1 ? shorter[0] : shorter.randomElement(using: &rng) ?? longer
      }, on: device)
  }

  private func batch(
    _ images: [Image], shorter: [Int], on device: Device
  ) throws -> PreparedPictures {
    try check()
    guard !images.isEmpty else { throw DetectionError("preparation: no pictures were given") }
    let sizes = zip(images, shorter).map { size(for: $0.size, shorter: $1) }
    func padded(_ side: Int) -> Int { (side + multiple - 1) / multiple * multiple }
    let height = padded(sizes.map(\.height).max() ?? 1)
    let width = padded(sizes.map(\.width).max() ?? 1)
    let pictures = try withoutGradients {
      try zip(images, sizes).map { image, size in
        try resized(image, size).padded(
          right: width - size.width, bottom: height - size.height)
      }
    }
    return PreparedPictures(
      pixels: try Tensor.concatenated(pictures).to(device), sizes: sizes,
      originals: images.map(\.size))
  }

  /// [1, 3, height, width], normalised.
  private func resized(_ image: Image, _ size: PixelSize) throws -> Tensor {
    if filter == .smooth || image.size == size {
      return try numbers(
        image.resized(width: size.width, height: size.height, filter: .bilinear))
    }
    return try numbers(image).resizedBilinear(height: size.height, width: size.width)
  }

  private func numbers(_ image: Image) throws -> Tensor {
    let count = image.width * image.height
    // Every byte's number of every channel.
    let tables = (0..<3).map { channel in
      (0..<256).map { byte in
        (Float(byte) * Float(scale) - Float(mean[channel])) / Float(deviation[channel])
      }
    }
    let values = [Float](unsafeUninitializedCapacity: 3 * count) { buffer, initialized in
      image.pixels.withUnsafeBufferPointer { pixels in
        for channel in 0..<3 {
          let source = isBlueFirst ? 2 - channel : channel
          tables[channel].withUnsafeBufferPointer { table in
            for pixel in 0..<count {
              buffer[channel * count + pixel] = table[Int(pixels[3 * pixel + source])]
            }
          }
        }
      }
      initialized = 3 * count
    }
    return try Tensor(values, [1, 3, image.height, image.width])
  }
}

/// Pictures as a detector takes them.
public struct PreparedPictures {
  /// float32 [N, 3, H, W].
  public let pixels: Tensor
  /// The part of the batch that each picture fills.
  public let sizes: [PixelSize]
  /// Before they were resized.
  public let originals: [PixelSize]

  public init(pixels: Tensor, sizes: [PixelSize], originals: [PixelSize]) {
    self.pixels = pixels
    self.sizes = sizes
    self.originals = originals
  }

  public var count: Int { sizes.count }

  /// A box of the original picture in the pixels of the batch.
  package func toBatch(_ box: Box, picture: Int) -> Box {
    box.scaled(
      x: Float(sizes[picture].width) / Float(originals[picture].width),
      y: Float(sizes[picture].height) / Float(originals[picture].height))
  }

  /// A box of the batch in the pixels of the original picture.
  package func toOriginal(_ box: Box, picture: Int) -> Box {
    box.scaled(
      x: Float(originals[picture].width) / Float(sizes[picture].width),
      y: Float(originals[picture].height) / Float(sizes[picture].height))
  }
}
