public import TandemTorch

extension PreparedPictures {
  /// The pictures with the pixels of some boxes set to 0, after normalisation: what VL-BERT shows
  /// of a masked region, so that nothing of it reaches a feature through the picture (Su et al.
  /// 2020, "VL-BERT"; its code masks rows and columns up to and including the far edge).
  ///
  /// - Parameter boxes: of each picture, in pixels of the original picture.
  /// - Returns: pixels [N, 3, H, W]; those of `self` stay as they are.
  /// - Throws: `DetectionError` for boxes of another number of pictures.
  public func masking(_ boxes: [[Box]]) throws -> Tensor {
    guard boxes.count == count else {
      throw DetectionError("masking: \(count) pictures and the boxes of \(boxes.count) were given")
    }
    let (height, width) = (pixels.size(2), pixels.size(3))
    var kept = [Float](repeating: 1, count: count * height * width)
    for (picture, own) in boxes.enumerated() {
      for box in own {
        let moved = toBatch(box, picture: picture)
        func span(_ first: Float, _ last: Float, _ limit: Int) -> Range<Int> {
          let start = min(max(0, Int(first.rounded(.down))), limit)
          return start..<max(start, min(limit, Int(last.rounded(.down)) + 1))
        }
        let columns = span(moved.x1, moved.x2, width)
        for row in span(moved.y1, moved.y2, height) {
          let start = (picture * height + row) * width
          for column in columns { kept[start + column] = 0 }
        }
      }
    }
    return try pixels * Tensor(kept, [count, 1, height, width]).to(pixels.device)
  }
}
