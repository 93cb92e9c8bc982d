import TandemData
import Testing

@Suite struct CaptionTests {
  @Test(arguments: [
    ("heron_greatblue_flying", "heron greatblue flying"), ("buttonPressed", "button Pressed"),
    ("tug-boat", "tug boat"), ("smiley010", "smiley"), ("mouse2_3", "mouse"), ("42", ""),
  ])
  func wordsOfFileNames(name: String, words: String) {
    #expect(CaptionText.words(ofFileName: name).joined(separator: " ") == words)
  }

  @Test func tagsAreCleaned() {
    let raw = ["Fruit", "", "hash(0x8a3cd28)", "0x881e2f8", "unsorted", "map_symbol", "fruit", "7"]
    #expect(CaptionText.tags(raw) == ["fruit", "map symbol"])
  }

  @Test func readsTitleCreatorAndSubjects() {
    let svg = """
      <svg><title>not this</title><metadata><rdf:RDF xmlns:dc="x"><cc:Work>
      <dc:creator><cc:Agent><dc:title>Gerald G.</dc:title></cc:Agent></dc:creator>
      <dc:title id="t">Cat &amp;amp;
        Dog</dc:title><dc:subject><rdf:Bag><rdf:li>pet</rdf:li><rdf:li/><rdf:li>a&#98;c</rdf:li>
      </rdf:Bag></dc:subject></cc:Work></rdf:RDF></metadata></svg>
      """
    let found = OpenClipartPictograms.metadata(Array(svg.utf8))
    #expect(found.title == "Cat & Dog")
    #expect(found.creator == "Gerald G.")
    #expect(found.tags == ["pet", "", "abc"])
    #expect(OpenClipartPictograms.metadata(Array("<svg/>".utf8)) == .init())
  }

  @Test func theFileNamesAuthorIsCutOff() {
    let words = OpenClipartPictograms.words(ofStem:creator:)
    #expect(words("tools/insecticide_nicu_buculei_02", "Nicu Buculei") == ["insecticide"])
    #expect(words("a/red_flower_raphael_seban_01", "Raphael Sebanov") == ["red", "flower"])
    #expect(words("food/pop_can", "") == ["pop", "can"])
    #expect(words("animals/raccoon_ganson", "Gerald G. Ganson") == ["raccoon"])
  }

  @Test func collectionsAreToldFromTitles() {
    let titles = [
      ("a/clouds_01", "Clouds"), ("a/clouds_02", "Clouds"), ("a/clouds_03", "Clouds"),
      ("b/apple", "R16 sibmission"), ("b/pear", "R16 sibmission"), ("b/plum", "R16 sibmission"),
      ("c/pen", "Stylo"), ("c/biro", "Stylo"), ("d/aiga_bus", "AIGA_Symbol_Signs"),
      ("d/aiga_taxi", "AIGA_Symbol_Signs"), ("d/aiga_stairs", "AIGA_Symbol_Signs"),
    ]
    let found = OpenClipartPictograms.collectionTitles(titles.map { (name: $0.0, title: $0.1) })
    #expect(found == ["R16 sibmission", "AIGA_Symbol_Signs"])
  }

  @Test func captions() {
    func caption(_ stem: String, _ title: String, collection: Bool = false, flag: Bool = false)
      -> String?
    {
      OpenClipartPictograms.caption(
        stem: stem, .init(title: title, creator: "Nicu Buculei"), isCollection: collection,
        isFlag: flag)
    }
    #expect(caption("a/crawfish2_bw_ganson", "Crawfish (B and W)") == "Crawfish")
    #expect(caption("a/lightsabers", "Clipart by Nicu Buculei - piggybank") == "lightsabers")
    #expect(caption("a/blue_fedora", "Hats", collection: true) == "blue fedora")
    #expect(caption("a/guam", "Guam", flag: true) == "flag: Guam")
    #expect(caption("a/peace", "Peace flag (italian)", flag: true) == "Peace flag (italian)")
    #expect(caption("a/blueman_209_01", "BlueMan#209") == "Blue Man")
    #expect(caption("people/sm_002", "stick man", collection: true) == "stick man")
    #expect(caption("food/glace7_bw", "glace 7 bw") == "glace")
    #expect(caption("a/woman_01", "Woman Police 02") == "Woman Police")
    #expect(caption("a/lizard_x", "L&Atilde;&copy;zard") == "lizard")
    #expect(caption("a/01", "") == nil)
  }

  @Test func pictureSizes() {
    let png: [UInt8] =
      [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 13] + Array("IHDR".utf8)
      + [0, 0, 1, 2, 0, 0, 0, 3]
    #expect(PictureHeader(png).map { [$0.width, $0.height] } == [258, 3])
    #expect(PictureHeader(Array(png.dropLast())) == nil)
    // SOI, an APP0 of 4 bytes, a fill byte, SOF0 with height 7 and width 513.
    let jpeg: [UInt8] = [
      0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 1, 2, 0xFF, 0xFF, 0xC0, 0, 17, 8, 0, 7, 2, 1, 3,
    ]
    #expect(PictureHeader(jpeg).map { [$0.width, $0.height] } == [513, 7])
    #expect(PictureHeader(Array("GIF89a and more than enough bytes".utf8)) == nil)
    #expect(PictureHeader([]) == nil)
  }
}
