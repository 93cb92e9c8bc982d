// The numbers of boxes, taken from feature maps: K boxes, C channels, S bins a side.

internal import Foundation
internal import TandemTorch

/// Takes equal grids of numbers from boxes of any size.
struct RegionPooling {
  let pooling: RegionSettings.Pooling
  let bins: Int

  /// Maps [N, C, H, W] of falling resolution and boxes of each picture in its own pixels
  /// → [K, C, S, S], picture after picture.
  ///
  /// With several maps a box is read from the one that fits its size: one of 224 pixels from the map
  /// of stride 16 (Lin et al. 2017, equation 1).
  func callAsFunction(_ maps: [Tensor], strides: [Int], boxes: [[Box]]) throws -> Tensor {
    let all = boxes.enumerated().flatMap { picture, boxes in boxes.map { (picture, $0) } }
    guard maps.count > 1 else { return try pooled(maps[0], stride: strides[0], all) }
    let levels = all.map { Self.level(of: $0.1, strides: strides) }
    var parts: [Tensor] = []
    var places = [Int](repeating: 0, count: all.count)
    var next = 0
    for (level, map) in maps.enumerated() {
      let members = all.indices.filter { levels[$0] == level }
      guard !members.isEmpty else { continue }
      for index in members {
        places[index] = next
        next += 1
      }
      parts.append(try pooled(map, stride: strides[level], members.map { all[$0] }))
    }
    guard parts.count > 1 else { return try parts.first ?? pooled(maps[0], stride: strides[0], []) }
    return try Tensor.concatenated(parts).rows(Tensor(places, on: maps[0].device))
  }

  static func level(of box: Box, strides: [Int]) -> Int {
    func exponent(_ stride: Int) -> Float { log2(Float(stride)).rounded() }
    let low = exponent(strides.first ?? 1)
    let high = exponent(strides.last ?? 1)
    let side = (box.width * box.height).squareRoot()
    let level = (4 + log2(side / 224) + 1e-6).rounded(.down)
    // A box without area has no logarithm: it belongs to the finest map.
    return Int(max(low, min(high, level.isNaN ? low : level)) - low)
  }

  private func pooled(_ map: Tensor, stride: Int, _ boxes: [(Int, Box)]) throws -> Tensor {
    switch pooling {
    case .align(let samplingRatio, let isAligned):
      let rows = boxes.flatMap { picture, box in
        [Float(picture), box.x1, box.y1, box.x2, box.y2]
      }
      return try map.roiAlign(
        Tensor(rows, [boxes.count, 5], on: map.device), height: bins, width: bins,
        scale: 1 / Double(stride), samplingRatio: samplingRatio, isAligned: isAligned)
    case .max:
      return try RegionMaximum(bins: bins, scale: 1 / Float(stride))(map, boxes)
    }
  }
}

/// The largest number of each bin, pixels whole (RoIPool; Girshick 2015, "Fast R-CNN").
private struct RegionMaximum {
  let bins: Int
  let scale: Float

  /// Rows or columns of a bin.
  private struct Span {
    let start: Int
    let end: Int
  }

  func callAsFunction(_ map: Tensor, _ boxes: [(Int, Box)]) throws -> Tensor {
    let map = try map.to(.float32)
    let (channels, height, width) = (map.size(1), map.size(2), map.size(3))
    let area = height * width
    let cells = bins * bins
    // Where in its channel each largest number lies; gathering there also takes the gradient back.
    var places = [Int64](repeating: 0, count: boxes.count * channels * cells)
    var isEmpty = [Float](repeating: 1, count: boxes.count * cells)
    try map.detached().withBytes { bytes in
      let numbers = bytes.bindMemory(to: Float.self)
      for (index, (picture, box)) in boxes.enumerated() {
        let rows = spans(box.y1, box.y2, limit: height)
        let columns = spans(box.x1, box.x2, limit: width)
        for (row, span) in rows.enumerated() {
          for (column, across) in columns.enumerated()
          where span.start >= span.end || across.start >= across.end {
            isEmpty[index * cells + row * bins + column] = 0
          }
        }
        for channel in 0..<channels {
          let plane = UnsafeBufferPointer(
            rebasing: numbers[
              (picture * channels + channel) * area..<(picture * channels + channel + 1) * area])
          var target = (index * channels + channel) * cells
          for span in rows {
            for across in columns {
              var best = -Float.infinity
              var place = 0
              var y = span.start
              while y < span.end {
                var x = across.start
                while x < across.end {
                  if plane[y * width + x] > best {
                    best = plane[y * width + x]
                    place = y * width + x
                  }
                  x += 1
                }
                y += 1
              }
              places[target] = Int64(place)
              target += 1
            }
          }
        }
      }
    }
    return try gathered(map, boxes, places, isEmpty)
  }

  private func gathered(
    _ map: Tensor, _ boxes: [(Int, Box)], _ places: [Int64], _ isEmpty: [Float]
  ) throws -> Tensor {
    let channels = map.size(1)
    let planes = try map.reshaped([map.size(0), channels, map.size(2) * map.size(3)])
    let size = channels * bins * bins
    var parts: [Tensor] = []
    var start = 0
    while start < boxes.count {
      let picture = boxes[start].0
      var end = start
      while end < boxes.count, boxes[end].0 == picture { end += 1 }
      let count = end - start
      let index = try Tensor(Array(places[start * size..<end * size]), on: map.device)
        .reshaped([count, channels, bins * bins])
      let plane = try planes.narrow(0, from: picture, 1).expanded([count, channels, planes.size(2)])
      parts.append(try plane.gathered(2, index))
      start = end
    }
    guard !parts.isEmpty else {
      return try Tensor.zeros([0, channels, bins, bins], on: map.device)
    }
    let present = try Tensor(isEmpty, [boxes.count, 1, bins * bins], on: map.device)
    return try (Tensor.concatenated(parts) * present)
      .reshaped([boxes.count, channels, bins, bins])
  }

  /// The bins along one side of a box, cut off at the map's edges.
  private func spans(_ low: Float, _ high: Float, limit: Int) -> [Span] {
    let start = Int((low * scale).rounded())
    let end = Int((high * scale).rounded())
    let size = Float(max(end - start + 1, 1)) / Float(bins)
    return (0..<bins).map { bin in
      let from = Int((Float(bin) * size).rounded(.down)) + start
      let to = Int((Float(bin + 1) * size).rounded(.up)) + start
      return Span(start: min(max(from, 0), limit), end: min(max(to, 0), limit))
    }
  }
}
