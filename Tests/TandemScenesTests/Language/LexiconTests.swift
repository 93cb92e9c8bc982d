import TandemScenes
import Testing

@Suite struct LexiconTests {
  @Test(arguments: [
    ("apple", "an"), ("cat", "a"), ("hourglass", "an"), ("unicorn", "a"), ("umbrella", "an"),
    ("X-ray", "an"), ("T-shirt", "a"), ("ukulele", "a"), ("owl", "an"), ("house", "a"),
    ("one-eyed cat", "a"), ("onion", "an"), ("ewe", "a"), ("UFO", "a"), ("utensil", "a"),
    ("urchin", "an"), ("eucalyptus", "a"), ("elephant", "an"), ("honeybee", "a"),
  ])
  func articles(word: String, article: String) {
    #expect(English.article(for: word) == article)
  }

  @Test(arguments: [
    ("cat", "cats"), ("bus", "buses"), ("mouse", "mice"), ("computer mouse", "computer mice"),
    ("goose", "geese"), ("mongoose", "mongooses"), ("sheep", "sheep"), ("goldfish", "goldfish"),
    ("knife", "knives"), ("leaf", "leaves"), ("cherry", "cherries"), ("monkey", "monkeys"),
    ("tomato", "tomatoes"), ("flamingo", "flamingos"), ("snowman", "snowmen"),
    ("human", "humans"), ("woman", "women"), ("box", "boxes"), ("church", "churches"),
    ("bunch of grapes", "bunches of grapes"), ("jack-in-the-box", "jacks-in-the-box"),
    ("person", "people"), ("aircraft", "aircraft"), ("tooth", "teeth"),
    ("paintbrush", "paintbrushes"),
    ("guinea fowl", "guinea fowl"), ("fire engine", "fire engines"), ("deer", "deer"),
  ])
  func plurals(word: String, plural: String) {
    #expect(English.plural(of: word) == plural)
  }

  @Test func lists() {
    #expect(English.list([]) == "")
    #expect(English.list(["a"]) == "a")
    #expect(English.list(["a", "b"]) == "a and b")
    #expect(English.list(["a", "b", "c"], "or") == "a, b or c")
    #expect(English.number(0) == "no" && English.number(12) == "twelve")
    #expect(English.number(13) == "13")
  }

  @Test func nounsMeanClassesAndHypernyms() throws {
    let lexicon = try TestScenes.lexicon()
    #expect(lexicon.means("dog", className: "poodle") == true)
    #expect(lexicon.means("poodle", className: "dog") == false)
    #expect(lexicon.means("animal", className: "owl") == true)
    #expect(lexicon.means(Lexicon.anything, className: "hat") == true)
    #expect(lexicon.means("ghost", className: "hat") == nil)
    // A hypernym of one class only says no less than the class.
    #expect(lexicon.hypernyms.contains("animal") && !lexicon.hypernyms.contains("dog"))
  }

  @Test func badClassesAreNamed() throws {
    let cat = SceneClass(name: "cat", plural: "cats", synonyms: [], hypernyms: [])
    let cases: [([SceneClass], String)] = [
      ([], "expected at least one class"), ([cat, cat], "classes[1].name: 'cat' stands twice"),
      ([SceneClass(name: "x", plural: "", synonyms: [], hypernyms: [])], "classes[0]"),
      ([SceneClass(name: "object", plural: "objects", synonyms: [], hypernyms: [])], "rename it"),
    ]
    for (classes, words) in cases {
      let error = #expect(throws: SceneTextError.self) { try Lexicon(classes) }
      #expect(error?.description.contains(words) == true, "\(error as Any)")
    }
  }

  @Test func badScenesAreNamed() throws {
    let lexicon = try TestScenes.lexicon()
    var random = LanguageTestRandom(1)
    let good = TestScenes.scene(7, &random)
    var ghost = good
    ghost.objects[0].className = "ghost"
    var flat = good
    flat.objects[0].box.x2 = flat.objects[0].box.x1
    var crowd = good
    crowd.objects = Array(repeating: good.objects[0], count: 65)
    for (scene, words) in [
      (ghost, "scene 7.objects[0].className: 'ghost'"), (flat, "scene 7.objects[0].box"),
      (crowd, "at most 64, found 65"),
    ] {
      let error = #expect(throws: SceneTextError.self) { try SceneFacts(scene, lexicon) }
      #expect(error?.description.contains(words) == true, "\(error as Any)")
    }
  }

  @Test func anEmptyPictureHasTextsToo() throws {
    let lexicon = try TestScenes.lexicon()
    let empty = Scene(id: 3, width: 100, height: 100, background: "plain", objects: [])
    let facts = try SceneFacts(empty, lexicon)
    let pool = TestScenes.pool(try TestScenes.facts(50, seed: 2))
    var random = LanguageTestRandom(3)
    let texts = SceneTextWriter(lexicon).texts(of: facts, among: pool, using: &random)
    #expect(texts.captions.count == 5 && texts.regions.isEmpty && texts.choices.isEmpty)
    for caption in texts.captions {
      #expect(try EnglishReader.statement(caption.text)(PossibleWorld(empty, &random)) == true)
    }
    for question in texts.questions {
      #expect(
        try EnglishReader.question(question.text)(PossibleWorld(empty, &random)) == question.answer)
    }
    // Without a pool too.
    let alone = SceneTextWriter(lexicon).texts(of: facts, among: ScenePool(), using: &random)
    #expect(alone.captions.count == 5)
  }
}
