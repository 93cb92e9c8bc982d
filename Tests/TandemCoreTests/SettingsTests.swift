import TandemCore
import Testing
import TestSupport

@Suite struct JSONValueTests {
  @Test func textComesBack() throws {
    let text = #"{"a":[1,2.5,true,null,"x/y"],"b":{"c":-3}}"#
    let value = try #require(JSONValue(parsing: text))
    #expect(value.compact == text)
    #expect(JSONValue(parsing: value.pretty) == value)
    #expect(value["a.1"] == .number(2.5))
    #expect(value["a.4"] == .string("x/y"))
    #expect(value["b.c"] == .integer(-3))
    for path in ["a.5", "a.-1", "a.x", "b.d", "b.c.d"] { #expect(value[path] == nil, "\(path)") }
    #expect(value[""] == value)
    #expect(JSONValue(parsing: "{") == nil)
    #expect(JSONValue(parsing: "true") == .bool(true))
    #expect(JSONValue(parsing: "1") == .integer(1))
  }

  @Test func leavesHaveTheirPaths() throws {
    let value = try #require(JSONValue(parsing: #"{"b":[{"c":1},[]],"a":{},"d":2}"#))
    #expect(value.leaves().map(\.0) == ["a", "b.0.c", "b.1", "d"])
  }

  @Test func aRecipeComesBack() throws {
    var recipe = Recipe()
    recipe.name = "x"
    recipe.seed = 1 << 60 + 1
    recipe.objectives = [.init("mlm"), .init("itm", weight: 0.25)]
    let json = try JSONValue(encoding: recipe)
    #expect(try json.decoded(Recipe.self) == recipe)
    let short = try #require(JSONValue(parsing: #"{"name":"mlm"}"#))
    #expect(try short.decoded(Recipe.ObjectiveChoice.self) == .init("mlm"))
  }

  @Test func filesAreNamed() throws {
    let folder = try TemporaryFolder()
    let good = try folder.file("good.json", #"{"a":1}"#.utf8)
    #expect(try JSONValue(contentsOfFile: good)["a"] == .integer(1))
    let bad = try folder.file("bad.json", "{".utf8)
    for path in [bad, folder.path + "/none.json"] {
      #expect(message { _ = try JSONValue(contentsOfFile: path) }?.contains(path) == true)
    }
  }

  @Test func decodingErrorsSayWhere() throws {
    let value = try #require(JSONValue(parsing: #"{"optimizer":{"clip":"no"}}"#))
    struct Inner: Decodable { let clip: Double }
    struct Outer: Decodable { let optimizer: Inner }
    do {
      _ = try value.decoded(Outer.self)
      Issue.record("expected an error")
    } catch {
      #expect(JSONValue.explained(error).hasPrefix("optimizer.clip: "))
    }
    struct More: Decodable { let missing: Int }
    do {
      _ = try value.decoded(More.self)
      Issue.record("expected an error")
    } catch {
      #expect(JSONValue.explained(error).contains("'missing'"))
    }
  }
}

@Suite struct LayeredSettingsTests {
  private func settings() throws -> LayeredSettings {
    var recipe = Recipe()
    recipe.objectives = [.init("mlm"), .init("itm")]
    return LayeredSettings(try JSONValue(encoding: recipe), origin: "recipe")
  }

  @Test func layersAndTheirOrigins() throws {
    var settings = try settings()
    #expect(settings.origins["steps"] == "recipe")
    let file = try #require(JSONValue(parsing: #"{"steps":7,"optimizer":{"clip":1}}"#))
    try settings.lay(file, origin: "file.json")
    #expect(settings.value["steps"] == .integer(7))
    #expect(settings.value["optimizer.clip"] == .integer(1))
    #expect(settings.origins["steps"] == "file.json")
    #expect(settings.origins["optimizer.clip"] == "file.json")
    #expect(settings.origins["optimizer.beta1"] == "recipe")
    try settings.set("steps=9")
    #expect(settings.value["steps"] == .integer(9))
    #expect(settings.origins["steps"] == "--set")
    try settings.set("objectives.1.weight=0.5")
    #expect(settings.value["objectives.1.weight"] == .number(0.5))
    #expect(settings.value["objectives.0.weight"] == .integer(1))
    try settings.set("name=left=right")
    #expect(settings.value["name"] == .string("left=right"))
    #expect(Set(settings.origins.keys) == Set(settings.value.leaves().map(\.0)))
  }

  @Test func listsReplaceLists() throws {
    var settings = try settings()
    let one = try #require(JSONValue(parsing: #"{"objectives":[{"name":"vqa"}]}"#))
    try settings.lay(one, origin: "file.json")
    #expect(settings.value["objectives.0.name"] == .string("vqa"))
    #expect(settings.value["objectives.1"] == nil)
    #expect(settings.origins["objectives.0.name"] == "file.json")
    #expect(settings.origins["objectives.1.name"] == nil)
  }

  @Test(arguments: [
    ("optimiser.clip=1", "'optimizer'"), ("optimizer.learnRate=1", "'optimizer.learningRate'"),
    ("stpes=3", "'steps'"), ("objectives.0.wieght=1", "'objectives.0.weight'"),
  ])
  func unknownKeysNameTheNearest(assignment: String, nearest: String) throws {
    var settings = try settings()
    let before = settings.value
    #expect(message { try settings.set(assignment) }?.contains(nearest) == true)
    #expect(settings.value == before)
    let path = assignment.split(separator: "=")[0]
    guard !path.contains("objectives") else { return }
    let nested = path.split(separator: ".").reversed().reduce(JSONValue.integer(1)) {
      .object([String($1): $0])
    }
    #expect(message { try settings.lay(nested, origin: "f") }?.contains(nearest) == true)
  }

  @Test func placesInListsAreChecked() throws {
    var settings = try settings()
    let found = message { try settings.set("objectives.2.weight=1") }
    #expect(found?.contains("from 0 to 1") == true)
    #expect(message { try settings.set("objectives.x.weight=1") }?.contains("'x'") == true)
    #expect(message { try settings.set("steps.more=1") }?.contains("steps.more") == true)
    #expect(message { try settings.set("steps") }?.contains("key.path=value") == true)
    #expect(message { try settings.set("=3") }?.contains("key.path=value") == true)
  }

  @Test func freeFieldsTakeNewKeys() throws {
    var settings = try settings()
    let isFree: (String) -> Bool = { $0 == "model.config" }
    try settings.set("model.config.layers=3", free: isFree)
    #expect(settings.value["model.config.layers"] == .integer(3))
    #expect(settings.origins["model.config.layers"] == "--set")
    #expect(message { try settings.set("model.confg.layers=3", free: isFree) } != nil)
  }

  @Test func filledInValues() throws {
    var settings = try settings()
    try settings.set("model.config.layers=3") { $0 == "model.config" }
    let whole = try #require(JSONValue(parsing: #"{"layers":3,"width":8}"#))
    try settings.fill("model.config", with: whole, origin: "preset")
    #expect(settings.value["model.config.width"] == .integer(8))
    #expect(settings.origins["model.config.width"] == "preset")
    #expect(settings.origins["model.config.layers"] == "--set")
  }

  @Test func nearestWords() {
    #expect(nearest(to: "vitl", among: ["vilt", "lxmert", "uniter"]) == "vilt")
    #expect(nearest(to: "STEPS", among: ["step", "steps"]) == "steps")
    #expect(nearest(to: "x", among: []) == nil)
    #expect(nearest(to: "", among: ["ab", "a"]) == "a")
  }
}
