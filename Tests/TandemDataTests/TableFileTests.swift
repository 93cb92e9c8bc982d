import TandemCore
import TandemData
import Testing
import TestSupport

@Suite struct TableFileTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  private func table(_ name: String, _ text: String) throws -> TableFile {
    try TableFile(path: folder.file(name, text.utf8))
  }

  @Test func jsonLines() throws {
    let file = try table(
      "a.jsonl",
      "{\"image\": \"1.png\", \"answers\": [\"a\", \"b\"], \"count\": 3}\r\n\n  \n"
        + "{\"image\": \"é \\u00e9.png\"}")
    #expect(file.count == 2)
    #expect(
      try file.fields(0) == ["image": ["1.png"], "answers": ["a", "b"], "count": ["3"]])
    #expect(try file.fields(1) == ["image": ["é é.png"]])
    #expect([file.line(0), file.line(1)] == [1, 4])
    #expect(message { _ = try file.fields(2) }?.contains("no record 2 among 2") == true)
    #expect(message { _ = try file.fields(-1) } != nil)
  }

  @Test func commaSeparated() throws {
    let file = try table(
      "a.csv",
      "image,caption\r\n1.png,\"a \"\"big\"\", red\r\nstar\"\r\n\r\n2.png,\r\n3.png,plain")
    #expect(file.count == 3)
    #expect(try file.fields(0) == ["image": ["1.png"], "caption": ["a \"big\", red\r\nstar"]])
    #expect(try file.fields(1) == ["image": ["2.png"], "caption": [""]])
    #expect(try file.fields(2) == ["image": ["3.png"], "caption": ["plain"]])
    #expect([file.line(0), file.line(1), file.line(2)] == [2, 5, 6])
  }

  @Test func spreadsheetsMarkTheirEncoding() throws {
    let file = try table("mark.csv", "\u{FEFF}image,caption\n1.png,star\n")
    #expect(try file.fields(0) == ["image": ["1.png"], "caption": ["star"]])
    let lines = try table("mark.jsonl", "\u{FEFF}{\"image\": \"1.png\"}\n")
    #expect(try lines.fields(0) == ["image": ["1.png"]])
  }

  @Test func wrongCountsAreNamed() throws {
    let file = try table("b.csv", "image,caption\n1.png,a\n2.png\n3.png,b,c\n")
    let missing = message { _ = try file.fields(1) }
    #expect(missing == "\(folder.path)/b.csv:3: expected 2 fields, found 1")
    let extra = message { _ = try file.fields(2) }
    #expect(extra == "\(folder.path)/b.csv:4: expected 2 fields, found 3")
    let open = try table("c.csv", "image,caption\n1.png,\"never\nended\n")
    #expect(message { _ = try open.fields(0) }?.contains("c.csv:2: a quote is not closed") == true)
  }

  @Test func badTextIsNamed() throws {
    let bytes =
      Array("{\"image\": \"1\"}\n{\"image\": \"".utf8) + [0xFF, 0xFE] + Array("\"}\n".utf8)
    let file = try TableFile(path: folder.file("d.jsonl", bytes))
    #expect(try file.fields(0) == ["image": ["1"]])
    #expect(
      message { _ = try file.fields(1) }?.contains("d.jsonl:2: the text is not UTF-8") == true)
    let csv = try TableFile(
      path: folder.file("d.csv", Array("image\n1\n\n".utf8) + [0xC3, 0x28, 10]))
    #expect(message { _ = try csv.fields(1) }?.contains("d.csv:4: the text is not UTF-8") == true)
    let list = try table("e.jsonl", "\n[1, 2]\n")
    #expect(message { _ = try list.fields(0) }?.contains("e.jsonl:2: not a JSON object") == true)
  }

  @Test func badFilesAreNamed() throws {
    for (name, text) in [("none.txt", "x"), ("empty.csv", ""), ("blank.csv", "\n\r\n")] {
      #expect(message { _ = try table(name, text) }?.contains(name) == true, "\(name)")
    }
    let missing = folder.path + "/missing.jsonl"
    #expect(message { _ = try TableFile(path: missing) }?.contains(missing) == true)
  }

  @Test func recordsOfAFolder() throws {
    _ = try folder.file("1.png", [1])
    _ = try folder.file(
      "train.jsonl",
      Array(
        """
        {"image": "1.png", "caption": "a star"}
        {"image": "1.png", "question": "what?", "answers": ["a", "b"]}
        {"image": "1.png", "question": "what?"}
        {"image": "2.png", "caption": "gone"}
        {"caption": "nothing"}
        {"image": "1.png"}
        """.utf8))
    let table = try Table(root: folder.path, split: .train)
    #expect(table.count == 6)
    #expect(
      try table.record(at: 0)
        == Record(id: "train/0", pictures: [folder.path + "/1.png"], texts: ["a star"]))
    #expect(try table.record(at: 1).answers == ["a", "b"])
    for (index, reason) in [
      (2, "train.jsonl:3: the question has neither"), (3, "train.jsonl:4: the picture"),
      (4, "train.jsonl:5: the field 'image' is missing"),
      (5, "train.jsonl:6: needs a field 'caption'"),
    ] {
      #expect(message { _ = try table.record(at: index) }?.contains(reason) == true, "\(index)")
    }
    #expect(
      message { _ = try Table(root: folder.path, split: .test) }?.contains("test.jsonl") == true)
  }
}
