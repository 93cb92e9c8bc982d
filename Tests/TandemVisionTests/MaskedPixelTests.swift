import TandemImage
import TandemNN
import TandemTorch
import TandemVision
import Testing

/// Regions whose pixels are hidden, and gradients from region features to the backbone.
@Suite struct MaskedPixelTests {
  @Test func onlyTheBoxesGoDark() throws {
    let image = try Image(width: 8, height: 4, color: RGB(200, 100, 50))
    let preparation = PicturePreparation(
      shorter: [4], longer: 8, mean: [0, 0, 0], deviation: [1, 1, 1], multiple: 1)
    let batch = try preparation.batch([image, image])
    let masked = try batch.masking([[Box(x1: 2, y1: 1, x2: 4, y2: 2)], []]).floats()
    let plain = try batch.pixels.floats()
    for picture in 0..<2 {
      for channel in 0..<3 {
        for y in 0..<4 {
          for x in 0..<8 {
            let place = ((picture * 3 + channel) * 4 + y) * 8 + x
            let isHidden = picture == 0 && (1...2).contains(y) && (2...4).contains(x)
            #expect(masked[place] == (isHidden ? 0 : plain[place]))
          }
        }
      }
    }
    #expect(throws: DetectionError.self) { try batch.masking([[]]) }
  }

  /// What is hidden does not matter: the same features whatever was there.
  @Test func hiddenPixelsReachNoFeature() throws {
    let box = Box(x1: 8, y1: 8, x2: 24, y2: 24)
    let preparation = PicturePreparation(
      shorter: [32], longer: 32, mean: [0, 0, 0], deviation: [1, 1, 1], multiple: 32)
    let store = ParameterStore(seed: 1)
    let body = try ResNet(.resNet18, stages: 2, at: store.root)
    func features(_ color: RGB) throws -> [Float] {
      var image = try Image(width: 32, height: 32, color: RGB(90, 90, 90))
      image.drawBox(x: 8, y: 8, width: 17, height: 17, color: color, thickness: 9)
      let batch = try preparation.batch([image])
      return try withoutGradients {
        let map = try body(batch.masking([[box]]), .inference)[0]
        return try map.roiAlign(
          Tensor([0, 0, 0, 32, 32] as [Float], [1, 5]), height: 2, width: 2, scale: 0.25
        ).floats()
      }
    }
    #expect(try features(RGB(255, 0, 0)) == features(RGB(0, 0, 255)))
  }
}
