import TandemImage
import Testing

struct LabelTests {
  private func labelled(_ text: String, x: Int = 0, y: Int = 0) throws -> Image {
    var image = try Image(width: 120, height: 40, color: RGB(0, 0, 255))
    image.drawLabel(text, x: x, y: y, color: .white)
    return image
  }

  private func count(_ image: Image, where test: (RGB) -> Bool) -> Int {
    (0..<image.height).reduce(0) { sum, y in
      sum + (0..<image.width).count { x in image[x, y].map(test) == true }
    }
  }

  @Test func inkLiesOnAPlateOfTheLabelsSize() throws {
    let image = try labelled("cat 0.98", x: 10, y: 5)
    let plate = Image.labelSize("cat 0.98")
    let touched = count(image) { $0 != RGB(0, 0, 255) }
    #expect(touched == plate.width * plate.height)
    let ink = count(image) { $0.red < 128 && $0.blue < 128 }
    #expect(ink > 100 && ink < touched / 2)
  }

  /// Four pixels of a capital I's stem at the least stand above each other.
  @Test func lettersStandUpright() throws {
    let image = try labelled("I")
    let columns = (0..<10).map { x in
      (0..<17).count { y in image[x, y].map { $0.red < 60 } == true }
    }
    #expect(columns.contains { $0 >= 8 })
    #expect(columns.filter { $0 > 0 }.count <= 3)
  }

  @Test func accentsFallBackToTheirLetters() throws {
    #expect(try labelled("café ÅÑ") == labelled("cafe AN"))
    #expect(try labelled("cafe\u{301}") == labelled("cafe"))
    #expect(try labelled("猫") == labelled("?"))
  }

  @Test func platesStayInThePicture() throws {
    #expect(try labelled("dog", x: 500, y: 500) == labelled("dog", x: .max, y: .max))
    #expect(try labelled("dog", x: -7, y: .min) == labelled("dog"))
    let wide = try labelled(String(repeating: "wide ", count: 40))
    #expect(wide[119, 3] != RGB(0, 0, 255))
  }

  @Test func darkPlatesHaveWhiteInk() throws {
    var image = try Image(width: 60, height: 20, color: .white)
    image.drawLabel("x", x: 0, y: 0, color: RGB(0, 60, 0))
    #expect(count(image) { $0.red > 200 && $0.green > 200 } > 60 * 20 - 17 * 20)
  }
}
