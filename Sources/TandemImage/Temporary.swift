public struct Image: Sendable {
  public let width: Int
  public let height: Int
  public let pixels: [UInt8]
  public init(width: Int, height: Int, pixels: [UInt8]) {
    self.width = width
    self.height = height
    self.pixels = pixels
  }
  public func writePatches(
    size: Int, mean: [Float], deviation: [Float], into: UnsafeMutableBufferPointer<Float>
  ) throws {}
}
public enum ResizeRule: Codable, Sendable, Equatable {
  case shorterSide(Int, multipleOf: Int)
}
public struct PixelSize: Sendable { public var width: Int; public var height: Int
  public init(width: Int, height: Int) { self.width = width; self.height = height } }
public struct DecodeOptions: Sendable { public init(scaledDecode: PixelSize) {} }
public struct RandAugment: Sendable {
  public func apply(to image: Image, using rng: inout some RandomNumberGenerator) throws -> Image { image } }
extension Image {
  public init(contentsOfFile: String, options: DecodeOptions = .init(scaledDecode: .init(width: 0, height: 0))) throws { self.init(width: 0, height: 0, pixels: []) }
  public static func size(ofFile: String) throws -> PixelSize { .init(width: 0, height: 0) }
  public func resized(to: ResizeRule) throws -> Image { self }
}
extension ResizeRule { public func size(for: PixelSize) throws -> PixelSize { `for` } }
