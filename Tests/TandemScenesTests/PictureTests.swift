import Foundation
import TandemScenes
import Testing

@Suite struct PictureTests {
  /// Pillow reads the same PNG files; a premultiplied channel is (c * a + 127) / 255.
  @Test(arguments: ["rgba", "rgb", "grey", "grey-alpha", "palette"])
  func formats(_ name: String) throws {
    let expected = try #require(try Expected.read().formats[name])
    let image = try AlphaImage(png: contents(fixture("format-\(name).png")), name: name)
    #expect(image.width == 7 && image.height == 5)
    #expect(image.pixels == Array(expected))
  }

  @Test func brokenFilesAreNamed() throws {
    let whole = contents(fixture("disc-0.png"))
    for bytes in [[], Array("no picture".utf8), Array(whole.dropLast(40))] {
      let error = #expect(throws: SceneError.self) {
        try AlphaImage(png: bytes, name: "some/disc.png")
      }
      #expect(error?.description.contains("some/disc.png") == true)
    }
    #expect(throws: SceneError.self) {
      try AlphaImage(png: whole, name: "large", maximumPixels: 100)
    }
    #expect(throws: SceneError.self) {
      try AlphaImage(width: 2, height: 2, premultiplied: [0, 0, 0])
    }
  }

  /// Weights of 8 bits against Pillow's floating point, and one rounding of the level.
  private static let largestDifference = 4
  private static let meanDifference = 0.6

  @Test(arguments: 0..<7)
  func drawingIsPillows(_ index: Int) throws {
    let pose = try Expected.read().poses[index]
    let candidates = (0..<3).map {
      CutoutCandidate(
        name: "soft/\($0)", source: "soft", caption: "soft", path: fixture("soft.png"))
    }
    let rule = SceneClassRule("soft", "softs", [], [], ["soft"])
    let cutout = try #require(CutoutLibrary(candidates, rules: [rule]).cutouts.first)
    #expect(cutout.longestSide == 48)
    let sprite = try #require(
      cutout.drawn(
        CutoutPose(longestSide: pose.side, turn: pose.turn, isMirrored: pose.mirrored)))
    #expect(sprite.image.width == pose.width && sprite.image.height == pose.height)
    let differences = zip(sprite.image.pixels, pose.pixels).map { abs(Int($0) - Int($1)) }
    #expect(differences.count == pose.pixels.count)
    #expect(differences.max() ?? 255 <= Self.largestDifference)
    #expect(Double(differences.reduce(0, +)) / Double(differences.count) < Self.meanDifference)
  }

  @Test func layingOverIsPorterAndDuffs() throws {
    // A pixel of half-seen red, one of solid blue, one empty.
    let image = try AlphaImage(
      width: 3, height: 1, premultiplied: [128, 0, 0, 128, 0, 0, 255, 255, 0, 0, 0, 0])
    let sprite = try #require(Sprite(image))
    var canvas = try Canvas(
      width: 4, height: 2, background: [UInt8](repeating: 100, count: 24))
    canvas.lay(sprite, x: 1, y: 1)
    // 128 + 100 * 127 / 255 and 100 * 127 / 255, to the nearest.
    let half: [UInt8] = [178, 50, 50]
    let rest = [UInt8](repeating: 100, count: 15)
    #expect(canvas.pixels == rest + half + [0, 0, 255] + [100, 100, 100])
    #expect(canvas.owners == [0, 0, 0, 0, 0, 1, 1, 0])
    #expect(canvas.runLengths(of: 0) == [3, 1, 1, 1, 2])

    // The second covers the first's right pixel; its own right half lies outside.
    canvas.lay(sprite, x: 2, y: 1)
    let sightings = canvas.sightings()
    #expect(sightings[0]?.box == SceneBox(x1: 1, y1: 1, x2: 2, y2: 2))
    #expect(sightings[0]?.visible == 0.5)
    #expect(sightings[1]?.box == SceneBox(x1: 2, y1: 1, x2: 4, y2: 2))
    #expect(sightings[1]?.visible == 1)
    canvas.lay(sprite, x: 3, y: 0)
    #expect(canvas.sightings()[2]?.visible == 0.5)
    canvas.lay(sprite, x: 40, y: -9)
    #expect(canvas.sightings()[3] == nil)
    #expect(canvas.runLengths(of: 3) == [8])
  }

  /// Red of 350 to 10 degrees and so on: the hue circle's usual names, with room to spare.
  private static let hues: [SceneTint: ClosedRange<Double>] = [
    .red: -12...14, .yellow: 44...64, .green: 95...150, .blue: 200...240, .purple: 265...305,
  ]

  /// The mean hue of what is drawn, by the hexagon's projection (not by the code under test).
  @Test(arguments: SceneTint.allCases)
  func tintsAreRecognised(_ tint: SceneTint) throws {
    for cutout in try Shapes.library().cutouts {
      let sprite = try #require(cutout.drawn(CutoutPose(longestSide: 60, tint: tint)))
      let pixels = sprite.image.pixels
      var (x, y, chroma, count) = (0.0, 0.0, 0.0, 0.0)
      for start in stride(from: 0, to: pixels.count, by: 4) where pixels[start + 3] >= 128 {
        let (r, g, b) = (
          Double(pixels[start]), Double(pixels[start + 1]), Double(pixels[start + 2])
        )
        x += r - (g + b) / 2
        y += (g - b) * 3.0.squareRoot() / 2
        chroma += (max(r, g, b) - min(r, g, b)) / 255
        count += 1
      }
      let hue = atan2(y, x) * 180 / .pi
      switch tint {
      case .natural: break
      case .gray: #expect(chroma / count < 0.03, "\(cutout.name)")
      default:
        let range = try #require(Self.hues[tint])
        #expect(
          range.contains(hue) || range.contains(hue + 360), "\(cutout.name) \(tint) \(hue)")
        #expect(chroma / count > 0.2, "\(cutout.name) \(tint)")
      }
    }
  }
}
