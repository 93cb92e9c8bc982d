// Files with something wrong in them: the error says where and what.

import Foundation
import TandemFiles
import TandemRegions
import Testing

@Suite struct BadInputTests {
  private func lines(_ name: String) throws -> [String] {
    String(decoding: try bytes(fixture(name)), as: UTF8.self)
      .split(whereSeparator: { $0 == "\n" || $0 == "\r\n" }).map(String.init)
  }

  /// Changes a field of the second line, and gives the error; the third record must still be read.
  private func error(
    _ name: String, _ separator: Character, _ change: (inout [String]) -> Void
  ) throws -> RegionError {
    try withFolder { folder throws in
      var lines = try lines(name)
      var fields = lines[1].split(separator: separator, omittingEmptySubsequences: false)
        .map(String.init)
      change(&fields)
      lines[1] = fields.joined(separator: String(separator))
      let path = folder + "/" + name
      try write(lines.joined(separator: "\n"), to: path)
      let reader = try RegionFormat.open(path)
      #expect(try reader.next()?.id == "img_0001")
      let error = try regionError { _ = try reader.next() }
      #expect(error.kind == .badRecord)
      #expect(error.place == .line(2))
      #expect(error.description.hasPrefix(path + ":2: "))
      #expect(try reader.next()?.id == "img_0010")
      #expect(try reader.next() == nil)
      return error
    }
  }

  @Test func aLineCutShort() throws {
    let fields = try error("lxmert.tsv", "\t") { $0.removeLast() }
    #expect(fields.reason.contains("expected 10 fields of an LXMERT TSV, found 9"))
    let middle = try error("lxmert.tsv", "\t") { $0[9].removeLast(3) }
    #expect(middle.reason.contains("was the line cut short?"))
  }

  @Test func base64OfTheWrongLength() throws {
    let boxes = try error("lxmert.tsv", "\t") { $0[8] = String($0[8].dropLast(16)) }
    #expect(boxes.reason.contains("expected 48 bytes of boxes for 3 regions, found 36"))
    let features = try error("butd.tsv", "\t") { $0[5] = String($0[5].dropLast(8)) }
    #expect(features.reason.contains("expected a multiple of 12 bytes of features"))
    let none = try error("unimo_retrieval.txt", "\t") { $0[5] = "" }
    #expect(none.reason.contains("found 0 in base64"))
  }

  @Test func charactersOutsideBase64() throws {
    let error = try error("butd.tsv", "\t") { fields in
      let text = fields[4]
      fields[4] = text.prefix(10) + "*" + text.dropFirst(11)
    }
    #expect(error.reason.contains("expected base64 for boxes, found byte 42 at its character 10"))
  }

  @Test(arguments: ["x", "-1", "1e3", ""]) func numbersThatAreNone(_ text: String) throws {
    let count = try error("lxmert.tsv", "\t") { $0[7] = text }
    #expect(count.reason.contains("the number of boxes"))
    let side = try error("butd.tsv", "\t") { $0[1] = text }
    #expect(side.reason.contains("the picture's width"))
  }

  @Test func captioningLines() throws {
    let cut = try error("unimo_caption.txt", ";") { $0.removeFirst() }
    #expect(cut.reason.contains("expected 16 fields"))
    let boxes = try error("unimo_caption.txt", ";") { $0[11] = "AAAA" }
    #expect(boxes.reason.contains("expected 48 bytes of boxes"))
  }

  /// Python 3 without decode(), and Python's encodebytes.
  @Test func base64AsPythonMayLeaveIt() throws {
    try withFolder { folder throws in
      var fields = try lines("butd.tsv")[0].split(separator: "\t").map(String.init)
      fields[4] = "b'\(fields[4])'"
      try write(fields.joined(separator: "\t"), to: folder + "/a.tsv")
      #expect(try all(folder + "/a.tsv") == [Picture.all()[0].record(RegionFormat.butd.fields)])
    }
  }

  @Test func jsonCutShort() throws {
    try withFolder { folder throws in
      try copy(fixture("vlbert"), to: folder + "/v")
      let path = folder + "/v/img_0002.json"
      let text = try bytes(path)
      for cut in [0, 1, 12, 60, 200, text.count - 1] {
        try write(text[..<cut], to: path)
        let reader = try RegionFormat.open(folder + "/v")
        #expect(try reader.next() != nil)
        let error = try regionError { _ = try reader.next() }
        #expect(error.kind == .badRecord)
        #expect(error.place == .key("img_0002.json"))
        #expect(try reader.next()?.id == "img_0010")
      }
    }
  }

  @Test func databasesOfAnotherLayout() throws {
    let volta = fixture("volta.lmdb")
    let uniter = fixture("uniter/feat_th0.2_max100_min10")
    let first = try regionError { _ = try RegionFormat.open(uniter, as: .volta) }
    #expect(first.kind == .wrongFormat)
    #expect(
      first.reason.contains("this is an LMDB of UNITER's layout, not an LMDB of VOLTA's layout"))
    let second = try regionError { _ = try RegionFormat.open(volta, as: .uniter) }
    #expect(second.reason.contains("this is an LMDB of VOLTA's layout"))
    let third = try regionError { _ = try RegionFormat.open(fixture("butd.tsv"), as: .lxmert) }
    #expect(third.reason.contains("this is a bottom-up attention TSV, not an LXMERT TSV"))
  }

  @Test func databasesCutShort() throws {
    try withFolder { folder throws in
      let data = try bytes(fixture("volta.lmdb/data.mdb"))
      let path = folder + "/cut.mdb"
      for count in [data.count - 1, 8192, 4096, 100] {
        try write(data[..<count], to: path)
        var message = ""
        do {
          _ = try all(path, as: .volta)
        } catch {
          message = "\(error)"
        }
        #expect(message.contains(path))
        if count > 4096 { #expect(message.contains("cut short")) }
      }
    }
  }

  @Test func whatIsNoneOfThem() throws {
    try withFolder { folder throws in
      func reason(_ content: [UInt8]) throws -> String {
        try write(content, to: folder + "/x")
        let error = try regionError { _ = try RegionFormat.detect(folder + "/x") }
        #expect(error.kind == .wrongFormat)
        return error.reason
      }
      #expect(try reason([0x1F, 0x8B, 8, 0]).contains("a gzip file; unpack it first"))
      #expect(try reason(Array("a\tb\tc\n".utf8)).contains("3 tab-separated fields"))
      #expect(try reason(Array("plain".utf8)).contains("1 fields"))
      #expect(throws: FileError.self) { _ = try RegionFormat.detect(folder + "/none") }
      #expect(throws: FileError.self) {
        try write("", to: folder + "/empty")
        _ = try RegionFormat.detect(folder + "/empty")
      }
      let empty = try regionError { _ = try RegionFormat.detect(folder + "/") }
      #expect(empty.reason.contains("a folder without header.json"))
    }
  }

  @Test func oscarThatDoesNotFitItsLabels() throws {
    try withFolder { folder throws in
      try copy(fixture("oscar"), to: folder + "/o")
      let labels = try lines("oscar/label.tsv")
      try write(labels[0] + "\n" + labels[2] + "\n", to: folder + "/o/label.tsv")
      let reader = try RegionFormat.open(folder + "/o")
      #expect(try reader.next() != nil)
      let error = try regionError { _ = try reader.next() }
      #expect(error.reason.contains("no line for 'img_0002'"))
      #expect(try reader.next() != nil)
      var options = RegionReadingOptions()
      options.classNames = ["zebra"]
      let unknown = try regionError {
        _ = try all(RegionFormat.open(folder + "/o", options: options))
      }
      #expect(unknown.reason.contains("expected one of the 1 class names"))
    }
  }

  /// The reason for which a writer of `format` does not take `record`.
  private func refusal(
    _ format: RegionFormat, _ path: String, _ record: RegionRecord
  ) throws -> String {
    do {
      let writer = try format.writer(path, fitting: record)
      try writer.write(record)
    } catch let error as RegionError {
      return error.reason
    }
    return "none"
  }

  private func record(_ id: String, feature: Float = 1) -> RegionRecord {
    var rng = Numbers(9)
    var record = randomRecord(id, regions: 1, using: &rng)
    record.features[0] = feature
    return record
  }

  @Test func writersRefuseWhatTheyCannotHold() throws {
    try withFolder { folder throws in
      let refusals: [(RegionFormat, String, RegionRecord, String)] = [
        (.lxmert, "/a", record("a\tb"), "identifier with a tab"),
        (.oscar, "/a", record("a\nb"), "identifier with a tab"),
        (.unimoCaptioning, "/a", record("a;b"), "a separator"),
        (.uniter, "/mine", record("a"), "feat_th0.2_max100_min10"),
        (.vlbert, "/j", record("a/b"), "'/'"),
        (.uniter, "/all", record("a", feature: 1e6), "fp16"),
        (.volta, "/v", record(String(repeating: "x", count: 600)), "511 bytes"),
        (.volta, "/v", record("keys"), "the layout's list of keys"),
      ]
      for (format, name, record, expected) in refusals {
        let reason = try refusal(format, folder + name, record)
        #expect(reason.contains(expected), "\(format): \(reason)")
      }
      // Writers that were not finished leave nothing.
      #expect(try names(folder) == [])
      for format in RegionFormat.allCases where format != .store {
        #expect(try refusal(format, folder + "/all", record("a")) == "none")
      }
      #expect(try names(folder) == [])
      // Nothing that exists is written over.
      try write("mine", to: folder + "/mine.tsv")
      let there = try refusal(.butd, folder + "/mine.tsv", record("a"))
      #expect(there.contains("exists already"))
      #expect(try bytes(folder + "/mine.tsv") == Array("mine".utf8))
    }
  }
}
