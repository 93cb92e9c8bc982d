// Weights and pictures that the script beside the fixtures and these tests compute alike, from a
// name and an index.

import Foundation
import TandemImage
import TandemNN
import TandemTorch
import TandemVision
import TestSupport

/// `count` numbers of -1 to 1 that belong to a name.
func namedNumbers(_ name: String, _ count: Int) -> [Double] {
  var stream = RandomStream(seed: stableHash(name))
  return (0..<count).map { _ in Double(stream.next() >> 40) / Double(1 << 23) - 1 }
}

/// Weights by name and shape, as the script's `weight` makes them.
struct NamedWeights: WeightSource {
  let title = "named"
  let shapes: [String: [Int]]
  /// Small weights that are written out.
  let given: [String: [Float]]

  var names: [String] { Array(shapes.keys) }

  func weight(_ name: String) throws -> Tensor? {
    guard let shape = shapes[name] else { return nil }
    if let values = given[name] { return try Tensor(values, shape) }
    let count = shape.reduce(1, *)
    let inputs = Double(shape.dropFirst().reduce(1, *))
    let (scale, centre): (Double, Double) =
      if name.hasSuffix("running_var") {
        (0.5, 1)
      } else if shape.count == 1 {
        name.hasSuffix("weight") ? (0.2, 0.6) : (0.1, 0)
      } else if name.hasSuffix("bbox_pred.weight") {
        ((0.05 / inputs).squareRoot(), 0)
      } else if name.hasSuffix("cls_score.weight") {
        (0.2, 0)
      } else {
        ((6 / inputs).squareRoot(), 0)
      }
    return try Tensor(namedNumbers(name, count).map { Float(centre + scale * $0) }, shape)
  }
}

/// A picture by its name, as the script's `picture` makes it.
func namedPicture(_ name: String, _ width: Int, _ height: Int) throws -> Image {
  let (rows, columns) = ((height + 7) / 8, (width + 7) / 8)
  let coarse = namedNumbers(name, rows * columns * 3)
  let fine = namedNumbers(name + "/fine", height * width * 3)
  var pixels = [UInt8](repeating: 0, count: 3 * width * height)
  for place in pixels.indices {
    let (row, column, channel) = (place / 3 / width, place / 3 % width, place % 3)
    let block = coarse[((row / 8) * columns + column / 8) * 3 + channel]
    pixels[place] = UInt8((128 + 96 * block + 31 * fine[place]).rounded(.down))
  }
  return try Image(width: width, height: height, pixels: pixels)
}

func boxes(_ numbers: [Float]) -> [Box] {
  stride(from: 0, to: numbers.count, by: 4).map {
    Box(x1: numbers[$0], y1: numbers[$0 + 1], x2: numbers[$0 + 2], y2: numbers[$0 + 3])
  }
}

func coordinates(_ boxes: [Box]) -> [Float] { boxes.flatMap { [$0.x1, $0.y1, $0.x2, $0.y2] } }
