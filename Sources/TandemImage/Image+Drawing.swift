extension Image {
  /// The picture under a heat map, for reports: where a network looks.
  ///
  /// The picture is shown in grey, so that its own colours are not taken for heat. The grid is
  /// stretched over the whole picture, bilinearly between cell centres; numbers become colours of
  /// `ColorMap`.
  ///
  /// - Parameters:
  ///   - heat: `gridHeight` rows of `gridWidth` finite numbers.
  ///   - range: the numbers that get the first and the last colour; the smallest and largest of
  ///     `heat` when nil. A map of equal numbers then gets the first colour throughout.
  ///   - opacity: 0 (only the picture) to 1 (only the colours).
  ///   - keepsColor: shows the picture in its own colours instead of grey.
  /// - Throws: `ImageError` when the count, a number, the range or the opacity is wrong.
  public func overlaid(
    heat: [Float], gridWidth: Int, gridHeight: Int, range: ClosedRange<Float>? = nil,
    opacity: Float = 0.55, keepsColor: Bool = false
  ) throws -> Image {
    let operation = "overlaid(heat:gridWidth:gridHeight:)"
    guard gridWidth >= 1, gridHeight >= 1,
      gridWidth <= Image.maximumSide, gridHeight <= Image.maximumSide,
      heat.count == gridWidth * gridHeight
    else {
      throw ImageError(
        .argument, operation,
        "a grid of \(gridWidth)x\(gridHeight) was named, \(heat.count) numbers were given")
    }
    guard heat.allSatisfy(\.isFinite), opacity >= 0, opacity <= 1 else {
      throw ImageError(
        .argument, operation, "heat must be finite and opacity 0 to 1 (found \(opacity))")
    }
    let low = range?.lowerBound ?? heat.min() ?? 0
    let high = range?.upperBound ?? heat.max() ?? 0
    guard low.isFinite, high.isFinite, (high - low).isFinite else {
      throw ImageError(.argument, operation, "the range \(low) to \(high) is too wide to show")
    }
    let scale: Float = high > low ? 1 / (high - low) : 0
    let shares = heat.map { min(max(($0 - low) * scale, 0), 1) }
    let columns = (0..<width).map { GridPosition($0, of: width, cells: gridWidth) }
    let rows = (0..<height).map { GridPosition($0, of: height, cells: gridHeight) }
    var result = keepsColor ? self : saturated(by: 0)
    result.pixels.withUnsafeMutableBufferPointer { target in
      var position = 0
      for row in rows {
        for column in columns {
          func between(_ y: Int) -> Float {
            let left = shares[y * gridWidth + column.first]
            let right = shares[y * gridWidth + column.second]
            return left + (right - left) * column.share
          }
          let upper = between(row.first)
          let color = ColorMap.color(upper + (between(row.second) - upper) * row.share)
          Image.mix(color, opacity, into: target, at: position)
          position += 3
        }
      }
    }
    return result
  }

  /// Draws the outline of a box, inside its edges; the parts outside the picture are left out.
  ///
  /// - Parameters:
  ///   - x, y: the top left corner, in pixels; may be outside.
  ///   - width, height: in pixels; nothing is drawn when below 1.
  ///   - thickness: of the line, in pixels.
  public mutating func drawBox(
    x: Int, y: Int, width: Int, height: Int, color: RGB, thickness: Int = 2
  ) {
    let columns = Image.span(x, width, limit: self.width)
    let rows = Image.span(y, height, limit: self.height)
    guard width >= 1, height >= 1, thickness >= 1 else { return }
    let stride = self.width
    pixels.withUnsafeMutableBufferPointer { target in
      for row in rows {
        // Written so that no sum can overflow: row - y and column - x are inside the box.
        let isEdgeRow = row - y < thickness || height - 1 - (row - y) < thickness
        for column in columns {
          let isEdgeColumn = column - x < thickness || width - 1 - (column - x) < thickness
          if isEdgeRow || isEdgeColumn {
            Image.mix(color, 1, into: target, at: (row * stride + column) * 3)
          }
        }
      }
    }
  }

  /// `start ..< start + length` cut to `0 ..< limit`, empty when nothing is left.
  private static func span(_ start: Int, _ length: Int, limit: Int) -> Range<Int> {
    let (end, overflows) = start.addingReportingOverflow(max(length, 0))
    let lower = min(max(start, 0), limit)
    return lower..<max(lower, overflows ? limit : min(end, limit))
  }

  @inline(__always)
  private static func mix(
    _ color: RGB, _ opacity: Float, into target: UnsafeMutableBufferPointer<UInt8>, at start: Int
  ) {
    func mixed(_ below: UInt8, _ above: UInt8) -> UInt8 {
      UInt8(Float(below) + (Float(above) - Float(below)) * opacity + 0.5)
    }
    target[start] = mixed(target[start], color.red)
    target[start + 1] = mixed(target[start + 1], color.green)
    target[start + 2] = mixed(target[start + 2], color.blue)
  }
}

/// Where a pixel lies between the centres of two grid cells; beyond the outermost centres both are
/// the outermost cell.
private struct GridPosition {
  let first: Int
  let second: Int
  /// 0 at the first centre, 1 at the second.
  let share: Float

  init(_ pixel: Int, of length: Int, cells: Int) {
    let place = (Float(pixel) + 0.5) / Float(length) * Float(cells) - 0.5
    let clamped = min(max(place, 0), Float(cells - 1))
    first = min(Int(clamped), cells - 1)
    second = min(first + 1, cells - 1)
    share = clamped - Float(first)
  }
}
