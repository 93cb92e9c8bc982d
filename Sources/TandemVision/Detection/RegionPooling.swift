// The numbers of boxes, taken from feature maps: K boxes, C channels, S bins a side.

internal import Foundation
internal import TandemTorch

/// Takes equal grids of numbers from boxes of any size.
struct RegionPooling {
  let pooling: RegionSettings.Pooling
  let bins: Int

  /// Maps [N, C, H, W] of falling resolution and boxes, each with the number of its picture
  /// → [K, C, S, S].
  ///
  /// With several maps a box is read from the one that fits its size: one of 224 pixels from the map
  /// of stride 16 (Lin et al. 2017, equation 1).
  func callAsFunction(
    _ maps: [Tensor], strides: [Int], boxes all: [(Int, Box)]
  ) throws -> Tensor {
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
    let count = boxes.count * map.size(1) * bins * bins
    guard isRecordingGradients else {
      var values = [Float](repeating: 0, count: count)
      try eachBin(map, boxes) { bin, value, _ in values[bin] = value }
      return try Tensor(values, [boxes.count, map.size(1), bins, bins], on: map.device)
    }
    // Where in its channel each largest number lies; gathering there also takes the gradient back.
    var places = [Int64](repeating: 0, count: count)
    var isFilled = [Float](repeating: 0, count: count)
    try eachBin(map, boxes) { bin, _, place in
      places[bin] = Int64(place)
      isFilled[bin] = 1
    }
    return try gathered(map, boxes, places, isFilled)
  }

  /// Calls `body` for every bin that has a pixel: its place in the result, its largest number, and
  /// where that lies in its channel.
  private func eachBin(
    _ map: Tensor, _ boxes: [(Int, Box)], _ body: (Int, Float, Int) -> Void
  ) throws {
    let (channels, height, width) = (map.size(1), map.size(2), map.size(3))
    let area = height * width
    try map.detached().withBytes { bytes in
      let numbers = bytes.bindMemory(to: Float.self)
      for (index, (picture, box)) in boxes.enumerated() {
        let rows = spans(box.y1, box.y2, limit: height)
        let columns = spans(box.x1, box.x2, limit: width)
        for channel in 0..<channels {
          let start = (picture * channels + channel) * area
          var bin = (index * channels + channel) * bins * bins
          for span in rows {
            for across in columns {
              var best = -Float.infinity
              var place = -1
              var y = span.start
              while y < span.end {
                var x = across.start
                while x < across.end {
                  let number = numbers[start + y * width + x]
                  if number > best {
                    best = number
                    place = y * width + x
                  }
                  x += 1
                }
                y += 1
              }
              if place >= 0 { body(bin, best, place) }
              bin += 1
            }
          }
        }
      }
    }
  }

  private func gathered(
    _ map: Tensor, _ boxes: [(Int, Box)], _ places: [Int64], _ isFilled: [Float]
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
    let filled = try Tensor(isFilled, [boxes.count, channels, bins * bins], on: map.device)
    return try (Tensor.concatenated(parts) * filled)
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
