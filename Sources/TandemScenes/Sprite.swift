// A cut-out drawn at one size, turn and tint.

import Foundation

/// How a cut-out is drawn.
public struct CutoutPose: Sendable, Equatable {
  /// The length that the longer side of the solid part gets before it is turned, in pixels.
  public var longestSide: Double
  /// Degrees, clockwise.
  public var turn: Int
  /// Left and right are swapped, before the turn.
  public var isMirrored: Bool
  public var tint: SceneTint

  public init(
    longestSide: Double, turn: Int = 0, isMirrored: Bool = false, tint: SceneTint = .natural
  ) {
    self.longestSide = longestSide
    self.turn = turn
    self.isMirrored = isMirrored
    self.tint = tint
  }
}

/// A drawn cut-out, to be laid over a picture at whole pixels.
public struct Sprite: Sendable {
  public let image: AlphaImage
  /// The box around its solid pixels, inside `image`.
  public let box: SceneBox
  /// How many pixels are solid.
  public let solidCount: Int

  /// Nil for a picture without solid pixels.
  public init?(_ image: AlphaImage) {
    guard let box = image.box(alpha: AlphaImage.solidAlpha) else { return nil }
    self.image = image
    self.box = box
    solidCount = image.count(alpha: AlphaImage.solidAlpha)
  }
}

extension Cutout {
  /// Draws the cut-out: bilinear samples of the level just above the size asked for, in 16.16 fixed
  /// point with weights of 8 bits, on premultiplied colours. Nil when nothing solid is left.
  public func drawn(_ pose: CutoutPose) -> Sprite? {
    let scale = pose.longestSide / longestSide
    // The smallest level that need not be enlarged.
    var index = 0
    while index + 1 < levels.count, pow(Cutout.levelStep, Double(index + 1)) >= scale { index += 1 }
    let level = levels[index]
    let plan = SamplingPlan(self, level: level, scale: scale, pose)
    var pixels = plan.sample(level)
    pose.tint.apply(to: &pixels)
    return Sprite(AlphaImage(checkedWidth: plan.width, height: plan.height, pixels: pixels))
  }
}

/// Where each pixel of a sprite comes from.
private struct SamplingPlan {
  let width: Int
  let height: Int
  /// Source position of target pixel (0, 0), minus half a pixel: where its left upper neighbour is.
  let startX: Double
  let startY: Double
  /// Steps of the source position along a row and down a column.
  let alongX: Double
  let alongY: Double
  let downX: Double
  let downY: Double

  init(_ cutout: Cutout, level: AlphaImage, scale: Double, _ pose: CutoutPose) {
    let base = cutout.levels[0]
    // Without their borders of one pixel.
    let (baseWidth, baseHeight) = (Double(base.width - 2), Double(base.height - 2))
    let fitX = Double(level.width - 2) / baseWidth
    let fitY = Double(level.height - 2) / baseHeight
    let angle = Double(pose.turn) * .pi / 180
    let (c, s) = (cos(angle), sin(angle))
    let flip = pose.isMirrored ? -1.0 : 1.0
    // Quarter turns must not leave a rest.
    let (cosine, sine) = (abs(c) < 1e-12 ? 0 : c, abs(s) < 1e-12 ? 0 : s)

    let (w, h) = (baseWidth * scale, baseHeight * scale)
    width = Int((w * abs(cosine) + h * abs(sine)).rounded(.up)) + 2
    height = Int((w * abs(sine) + h * abs(cosine)).rounded(.up)) + 2
    // Back from the target: against the turn, to the cut-out's own pixels, against the mirror.
    alongX = flip * cosine / scale * fitX
    downX = flip * sine / scale * fitX
    alongY = -sine / scale * fitY
    downY = cosine / scale * fitY
    let (middleX, middleY) = (Double(width) / 2 - 0.5, Double(height) / 2 - 0.5)
    startX = (baseWidth / 2) * fitX + 1 - 0.5 - middleX * alongX - middleY * downX
    startY = (baseHeight / 2) * fitY + 1 - 0.5 - middleX * alongY - middleY * downY
  }

  func sample(_ level: AlphaImage) -> [UInt8] {
    func fixed(_ value: Double) -> Int { Int((value * 65536).rounded()) }
    let stride = level.width * 4
    let (maximumX, maximumY) = (level.width - 1, level.height - 1)
    let count = width * height * 4
    return level.pixels.withUnsafeBufferPointer { source in
      [UInt8](unsafeUninitializedCapacity: count) { target, filled in
        var place = 0
        for row in 0..<height {
          var x = fixed(startX + Double(row) * downX)
          var y = fixed(startY + Double(row) * downY)
          let (stepX, stepY) = (fixed(alongX), fixed(alongY))
          for _ in 0..<width {
            let (left, top) = (x >> 16, y >> 16)
            // Outside, and on the last column or row, lies only the empty border.
            if left >= 0, top >= 0, left < maximumX, top < maximumY {
              let from = top * stride + left * 4
              let (fx, fy) = ((x >> 8) & 255, (y >> 8) & 255)
              for channel in 0..<4 {
                let a = from + channel
                let upper = Int(source[a]) * (256 - fx) + Int(source[a + 4]) * fx
                let lower =
                  Int(source[a + stride]) * (256 - fx) + Int(source[a + stride + 4]) * fx
                target[place + channel] = UInt8(
                  truncatingIfNeeded: (upper * (256 - fy) + lower * fy + 32768) >> 16)
              }
            } else {
              for channel in 0..<4 { target[place + channel] = 0 }
            }
            place += 4
            x += stepX
            y += stepY
          }
        }
        filled = count
      }
    }
  }
}
