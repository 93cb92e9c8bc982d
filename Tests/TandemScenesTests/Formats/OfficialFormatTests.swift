// Files in the official formats: read as pycocotools reads them, written and read back.

import Foundation
import TandemFiles
import TandemScenes
import Testing

@Suite struct OfficialFormatTests {
  private struct Expected: Decodable {
    struct Annotation: Decodable {
      var id: Int
      var image: Int
      var file: String
      var category: String
      var supercategory: String
      var box: [Double]
      var area: Double
      var crowd: Int
      var maskArea: Int
    }

    var annotations: [Annotation]
    var images: [Int]
    var categories: [Int]
  }

  @Test func instancesAreReadAsTheReferenceReadsThem() throws {
    let expected = try JSONDecoder().decode(
      Expected.self, from: Data(contentsOf: SceneFixtures.url("instances_expected.json")))
    let read = try COCOInstances(
      path: SceneFixtures.path("instances.json"), keepsSegmentation: true)
    #expect(read.images.map(\.id).sorted() == expected.images)
    #expect(read.categories.map(\.id).sorted() == expected.categories)
    #expect(read.images.allSatisfy { $0.width == 60 && $0.height == 40 })
    try #require(read.annotations.count == expected.annotations.count)
    for (found, wanted) in zip(read.annotations, expected.annotations) {
      #expect(found.id == wanted.id && found.imageID == wanted.image)
      #expect(read.images.first { $0.id == found.imageID }?.fileName == wanted.file)
      let category = read.categories.first { $0.id == found.categoryID }
      #expect(category?.name == wanted.category && category?.supercategory == wanted.supercategory)
      #expect([found.x, found.y, found.width, found.height] == wanted.box)
      #expect(found.area == wanted.area && found.isCrowd == (wanted.crowd == 1))
    }
    guard case .polygons(let polygons) = read.annotations[0].segmentation,
      case .runs(40, 60, let runs) = read.annotations[1].segmentation,
      case .compressedRuns(40, 60, let text) = read.annotations[2].segmentation
    else {
      Issue.record("outlines: \(read.annotations.map(\.segmentation))")
      return
    }
    #expect(polygons.map(\.count) == [6, 8] && polygons[0][4] == 20.25)
    // Every second run is of ones.
    let ones = stride(from: 1, to: runs.count, by: 2).map { runs[$0] }.reduce(0, +)
    #expect(ones == expected.annotations[1].maskArea && runs.reduce(0, +) == 2400)
    #expect(!text.isEmpty)
    let light = try COCOInstances(path: SceneFixtures.path("instances.json"))
    #expect(light.annotations.allSatisfy { $0.segmentation == nil })
  }

  @Test func captionsAndQuestionsAreRead() throws {
    var captions: [COCOCaption] = []
    var images: [COCOImage] = []
    try COCOCaptions.read(path: SceneFixtures.path("captions.json")) {
      switch $0 {
      case .caption(let caption): captions.append(caption)
      case .image(let image): images.append(image)
      }
    }
    #expect(images == [COCOImage(id: 5, fileName: "5.jpg", width: 3, height: 2)])
    #expect(captions.map(\.caption) == ["A cat says \"hi\"\n", "naïve — 🐈🏽/x\\"])
    #expect(captions.map(\.id) == [38, 41])
    var questions: [VQAQuestion] = []
    try VQAFiles.readQuestions(path: SceneFixtures.path("questions.json")) { questions.append($0) }
    #expect(
      questions == [
        VQAQuestion(id: 262_148_000, imageID: 262_148, question: "Where is he looking?"),
        VQAQuestion(id: 262_148_001, imageID: 262_148, question: "What's \"on\" it?"),
      ])
    var annotations: [VQAAnnotation] = []
    try VQAFiles.readAnnotations(path: SceneFixtures.path("annotations.json")) {
      annotations.append($0)
    }
    #expect(annotations.map(\.multipleChoiceAnswer) == ["down", "2"])
    #expect(annotations.map(\.answerType) == ["other", "number"])
    #expect(annotations[0].answers.count == 10)
    #expect(annotations[0].answers[6] == AnnotatorAnswer(answer: "at table", confidence: .maybe))
    #expect(annotations[0].questionType == "none of the above")
  }

  @Test func scenesSurviveTheInstancesFormat() throws {
    let all = try TestScenes.facts(300, seed: 51)
    let lexicon = try TestScenes.lexicon()
    try SceneFixtures.withFolder { folder in
      let path = folder + "/instances.json"
      try COCOInstances.write(to: path, categories: lexicon.categories, description: "\"x\"") {
        for facts in all {
          let image = facts.cocoImage(fileName: "scene \(facts.scene.id)\\é.png")
          try $0.add(image, facts.cocoAnnotations())
        }
      }
      let read = try COCOInstances(path: path, keepsSegmentation: true)
      #expect(read.categories == lexicon.categories)
      #expect(read.categories.first { $0.name == "cat" }?.supercategory == "mammal")
      #expect(read.categories.first { $0.name == "unicorn" }?.supercategory == "unicorn")
      #expect(read.images.map(\.id) == all.map(\.scene.id))
      #expect(read.images[3].fileName == "scene 3\\é.png")
      #expect(read.annotations == all.flatMap { $0.cocoAnnotations() })
      let names = Dictionary(uniqueKeysWithValues: read.categories.map { ($0.id, $0.name) })
      let objects = all.flatMap { $0.scene.objects }
      #expect(read.annotations.map { names[$0.categoryID] } == objects.map(\.className))
      #expect(read.annotations.map(\.area) == objects.map { Double($0.box.area) })
      #expect(Set(read.annotations.map(\.id)).count == objects.count)
      // Another reader agrees that it is JSON with the official keys.
      let tree = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: path)))
      let top = try #require(tree as? [String: Any])
      #expect(Set(top.keys) == ["info", "licenses", "images", "annotations", "categories"])
      let first = try #require((top["annotations"] as? [[String: Any]])?.first)
      #expect(
        Set(first.keys) == [
          "id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation", "attributes",
        ])
      // Nothing is left beside it.
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["instances.json"])
    }
  }

  @Test func outlinesSurvive() throws {
    let outlines: [COCOSegmentation] = [
      .polygons([[0, 0, 4.5, 0, 4, 4]]), .runs(height: 4, width: 5, counts: [3, 7, 10]),
      .compressedRuns(height: 4, width: 5, counts: "\\0\"Q"),
    ]
    try SceneFixtures.withFolder { folder in
      let path = folder + "/x.json"
      let facts = try #require(try TestScenes.facts(40, seed: 2, fewest: 3).first)
      let annotations = facts.cocoAnnotations { outlines[$0 % 3] }
      try COCOInstances.write(to: path, categories: facts.lexicon.categories) {
        try $0.add(facts.cocoImage(fileName: "x"), annotations)
      }
      let read = try COCOInstances(path: path, keepsSegmentation: true)
      #expect(read.annotations == annotations)
      #expect(Array(read.annotations.compactMap(\.segmentation).prefix(3)) == outlines)
    }
  }

  @Test func textsSurviveTheirFormats() throws {
    let all = try TestScenes.facts(200, seed: 52)
    let pool = TestScenes.pool(all)
    let writer = SceneTextWriter(try TestScenes.lexicon())
    var random = LanguageTestRandom(53)
    let texts = all.map { writer.texts(of: $0, among: pool, using: &random) }
    try SceneFixtures.withFolder { folder in
      try COCOCaptions.write(to: folder + "/c.json") { file in
        for (facts, one) in zip(all, texts) {
          try file.add(facts.cocoImage(fileName: "\(one.scene).png"), one.captions.map(\.text))
        }
      }
      var captions: [COCOCaption] = []
      var images = 0
      try COCOCaptions.read(path: folder + "/c.json") {
        if case .caption(let caption) = $0 { captions.append(caption) } else { images += 1 }
      }
      #expect(images == all.count)
      #expect(captions.map(\.caption) == texts.flatMap { $0.captions.map(\.text) })
      #expect(
        captions.map(\.imageID) == texts.flatMap { one in one.captions.map { _ in one.scene } })
      #expect(captions.map(\.id) == Array(1...captions.count))

      try VQAFiles.writeQuestions(to: folder + "/q.json", subset: "train") { add in
        for one in texts { for question in one.vqaQuestions { try add(question) } }
      }
      try VQAFiles.writeAnnotations(to: folder + "/a.json", subset: "train") { add in
        for one in texts { for annotation in one.vqaAnnotations { try add(annotation) } }
      }
      var questions: [VQAQuestion] = []
      var annotations: [VQAAnnotation] = []
      try VQAFiles.readQuestions(path: folder + "/q.json") { questions.append($0) }
      try VQAFiles.readAnnotations(path: folder + "/a.json") { annotations.append($0) }
      #expect(questions == texts.flatMap(\.vqaQuestions))
      #expect(annotations == texts.flatMap(\.vqaAnnotations))
      #expect(questions.map(\.id) == annotations.map(\.questionID))
      #expect(Set(annotations.map(\.answerType)) == ["yes/no", "number", "other"])
      #expect(annotations.allSatisfy { $0.answers.count == 10 })
    }
  }

  @Test(arguments: [
    ("[]", "the top", "expected an object"), ("{\"images\": []}", "annotations", "found images"),
    ("{\"images\": [{\"id\": 1}]}", "images[0].file_name", "expected this key"),
    ("{\"images\": [{\"id\": \"1\"}]}", "images[0].id", "expected a number, found '\"1\"}]}'"),
    ("{\"images\": [{\"id\": 1.5}]}", "images[0].id", "expected a whole number, found 1.5"),
    ("{\"images\": 3}", "images", "expected an array"),
    ("{\"images\": [", "images[0]", "the end of"),
    (
      "{\"annotations\": [{}, {\"bbox\": [1,2,3]}]}", "annotations[0].bbox", "expected this key"
    ),
    ("{\"annotations\": [{\"bbox\": [1,2,3]}]}", "annotations[0].bbox", "[1.0, 2.0, 3.0]"),
    ("{\"annotations\": [{\"iscrowd\": 2}]}", "annotations[0].iscrowd", "expected 0 or 1"),
    ("{\"info\": tru}", "info", "expected a value"), ("{\"info\": \"a\nb\"}", "info", "control"),
    ("{\"info\": \"\\q\"}", "info", "after a backslash"), ("{\"info\": \"\\u12\"}", "info", "four"),
    ("{\"info\" 1}", "the top", "expected ':'"), ("{\"info\": 1 2}", "the top", "expected ','"),
    ("{} x", "the top", "end of the file"), ("{\"images\": [], \"images\": []}", "images", "twice"),
    ("{\"info\": \"abc", "info", "no closing quote"),
    ("{\"info\": -}", "info", "expected a number"),
    (
      "{\"images\":[],\"categories\":[],\"annotations\":[{\"id\":1,\"image_id\":2,"
        + "\"category_id\":3,\"bbox\":[0,0,1,1]}]}", "annotations[0].image_id", "found 2"
    ),
    (
      "{\"images\":[{\"id\":2,\"file_name\":\"\",\"width\":0,\"height\":1}]}", "images[0]",
      "found 0 x 1"
    ),
  ])
  func badFilesAreNamed(text: String, key: String, problem: String) throws {
    try SceneFixtures.withFolder { folder in
      let path = folder + "/bad.json"
      try AtomicFile.write(utf8: text, to: path)
      let error = #expect(throws: SceneFormatError.self) { try COCOInstances(path: path) }
      let words = error?.description ?? ""
      #expect(words.hasPrefix("\(path): \(key): "), "\(words)")
      #expect(words.contains(problem), "\(words)")
    }
  }

  @Test func deepAndBrokenFilesDoNotEndTheProcess() throws {
    try SceneFixtures.withFolder { folder in
      let path = folder + "/deep.json"
      let deep = "{\"info\": " + String(repeating: "[", count: 100_000)
      try AtomicFile.write(utf8: deep, to: path)
      #expect(throws: SceneFormatError.self) { try COCOInstances(path: path) }
      // Every beginning of a good file is an error, never a crash.
      let whole = try Data(contentsOf: SceneFixtures.url("instances.json"))
      for length in stride(from: 1, to: whole.count - 1, by: 7) {
        try AtomicFile.write(Array(whole.prefix(length)), to: path)
        #expect(throws: SceneFormatError.self) { try COCOInstances(path: path) }
      }
      #expect(throws: FileError.self) { try COCOInstances(path: folder + "/none.json") }
    }
  }

  @Test func aFailedWriteLeavesTheEarlierFile() throws {
    struct Stop: Error {}
    try SceneFixtures.withFolder { folder in
      let path = folder + "/x.json"
      try AtomicFile.write(utf8: "before", to: path)
      #expect(throws: Stop.self) {
        try COCOInstances.write(to: path, categories: []) { _ in throw Stop() }
      }
      #expect(try String(contentsOf: URL(filePath: path), encoding: .utf8) == "before")
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["x.json"])
    }
  }
}
