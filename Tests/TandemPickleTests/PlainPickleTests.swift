// Python's own types in every protocol.

import Foundation
import TandemPickle
import Testing

struct PlainPickleTests {
  @Test(arguments: 0...5)
  func plainValuesOfEveryProtocol(version: Int) throws {
    let value = try PickleFile.open(Fixture.path("plain\(version).pkl"))
    #expect(try value["none"].isNull)
    #expect(try value["true"].boolean)
    #expect(try !value["false"].boolean)
    let integers = try value.sequence(at: "integers").map { try $0.integer }
    #expect(
      integers == [
        0, 255, 256, 65535, 65536, -1, -128, 2_147_483_647, -2_147_483_648, 2_147_483_648, Int.min,
        Int.max,
      ])
    let floats = try value.sequence(at: "floats").map { try $0.number }
    #expect(floats == [0, -1.5, 1e300, .infinity])
    let texts = try value.sequence(at: "texts").map { try $0.string }
    #expect(
      texts == [
        "", "plain", "tändem ✓ 𝄞", "line\nbreak\\u0041", String(repeating: "x", count: 300),
      ])
    let bytes = try value.sequence(at: "bytes").map { try $0.data.copy() }
    #expect(bytes == [[], (0...255).map { UInt8($0) }, [UInt8](repeating: 0x79, count: 300)])
    #expect(try value.data(at: "bytearray").copy() == Array("abc".utf8))
    let tuples = try value.sequence(at: "tuples")
    for (count, tuple) in tuples.enumerated() {
      guard case .tuple(let items) = tuple else {
        Issue.record("expected a tuple, found \(tuple.summary)")
        continue
      }
      #expect(try items.map { try $0.integer } == Array(1..<(count + 1)))
    }
    for (name, item) in [("set", 5), ("frozenset", 6)] {
      guard case .set(let items) = try value[name] else {
        Issue.record("expected a set")
        continue
      }
      #expect(try items.map { try $0.integer } == [item])
    }
  }

  @Test(arguments: 0...5)
  func dictionariesOfEveryProtocol(version: Int) throws {
    let value = try PickleFile.open(Fixture.path("plain\(version).pkl"))
    #expect(try value.dictionary(at: "ordered").names == ["b", "a"])
    #expect(try value["default"]["k"].sequence[0].integer == 1)
    let many = try value.dictionary(at: "many")
    #expect(many.count == 100)
    for number in 0..<100 { #expect(try many["key\(number)"]?.integer == number) }
    #expect(many["key100"] == nil)
    let numbered = try value.dictionary(at: "numbered")
    for number in 0..<20 { #expect(try numbered[key: number * 7]?.integer == number) }
    #expect(numbered[key: 1] == nil)
    let shared = try value.sequence(at: "shared")
    #expect(try shared.map { try $0.sequence[0].string } == ["shared", "shared"])
    // A list that holds itself: as deep as one likes.
    var loop = try value["loop"]
    for _ in 0..<1000 {
      #expect(try loop.sequence[0].integer == 1)
      loop = try loop.sequence[1]
    }
  }

  @Test(arguments: 0...5)
  func objectsOfUnknownClassesAreInert(version: Int) throws {
    let value = try PickleFile.open(Fixture.path("plain\(version).pkl"))
    let options = try value["options"].object
    #expect(options.className == "__main__.Options")
    #expect(try options.state.number(at: "learning_rate") == 0.5)
    #expect(try options.state.sequence(at: "names").map { try $0.string } == ["a", "b"])
    let names = try value["names"].object
    #expect(names.className == "__main__.Names")
    let items = version < 2 ? try names.arguments.sequence[0].sequence : names.items
    #expect(try items.map { try $0.string } == ["x", "y"])
    let table = try value["table"].object
    let entries = version < 2 ? try table.arguments.sequence[0].dictionary : table.entries
    #expect(try entries["z"]?.integer == 1)
    guard case .type(let name) = try value["class"] else {
      Issue.record("expected a name")
      return
    }
    #expect(name.description == "collections.Counter")
    let complex = try value["complex"].object
    #expect(complex.className.hasSuffix(".complex"))
    #expect(try complex.arguments.sequence.map { try $0.number } == [1, 2])
    if version == 2 || version == 3 {
      // Made by calling a partial application: an inert object of an inert object.
      let made = try value["keywords"].object
      #expect(made.className == "a value")
      #expect(try made.callee.object.className == "functools.partial")
    }
    if version >= 4 {
      let made = try value["keywords"].object
      #expect(try made.arguments.sequence.map { try $0.integer } == [1, 2])
      #expect(try made.keywordArguments.integer(at: "width") == 3)
    }
  }

  @Test(arguments: 0...5)
  func largeIntegersThrowWhenUsed(version: Int) throws {
    let value = try PickleFile.open(Fixture.path("plain\(version).pkl"))
    let error = #expect(throws: PickleError.self) { try value.integer(at: "large") }
    let text = error?.description ?? ""
    #expect(text.contains("key \"large\"") && text.contains("64 bits"))
  }

  @Test
  func stringsOfPython2AreBytes() throws {
    let text = try PickleFile.open(Fixture.path("python2-0.pkl"))
    guard case .bytes(let name) = try text["name"] else {
      Issue.record("expected bytes")
      return
    }
    #expect(name.copy() == Array("it's A\nA".utf8))
    #expect(try text.string(at: "name") == "it's A\nA")
    let list = try text.sequence(at: "list")
    #expect(try list.prefix(4).map { try $0.number } == [1, 1, 3, 0.5])
    #expect(try list[4].string == "it's A\nA")
    let binary = try PickleFile.open(Fixture.path("python2-2.pkl"))
    #expect(try binary.data(at: "name").copy() == [0xe9, 0x74, 0xe9])
    #expect(throws: PickleError.self) { try binary.string(at: "name") }
    #expect(try binary.data(at: "boxes").copy() == Array("abc".utf8))
  }

  @Test(arguments: [2, 4])
  func regionRecordsOfVOLTA(version: Int) throws {
    let record = try PickleFile.open(Fixture.path("regions\(version).pkl"))
    #expect(try record.integer(at: "img_h") == 480)
    #expect(try record.integer(at: "img_w") == 640)
    let decoded = Data(base64Encoded: Data(try record.data(at: "features").copy()))
    let numbers = try #require(decoded).withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    #expect(numbers == (0..<12).map { Float($0) })
  }

  @Test
  func errorsNameTheKeyAndWhatWasFound() throws {
    let record = try PickleFile.open(Fixture.path("regions4.pkl"))
    func message(_ body: () throws -> Void) -> String {
      (#expect(throws: PickleError.self) { try body() })?.description ?? ""
    }
    let missing = message { _ = try record["cls_prob"] }
    #expect(missing.contains("\"cls_prob\"") && missing.contains("\"img_h\""))
    let kind = message { _ = try record.array(at: "img_h") }
    #expect(kind.contains("\"img_h\"") && kind.contains("integer 480"))
    let nested = message { _ = try record["img_h"]["x"] }
    #expect(nested.contains("dictionary") && nested.contains("480"))
  }

  @Test
  func severalPicklesInARow() throws {
    let one = try PickleWriter.write(["a", 1])
    let two = try PickleWriter.write(2)
    let bytes = ByteSlice(one + two)
    let first = try PickleReader.readFirst(bytes)
    #expect(try first.value.sequence[1].integer == 1)
    #expect(first.end == one.count)
    let rest = try #require(bytes.slice(from: first.end, count: bytes.count - first.end))
    #expect(try PickleReader.read(rest).integer == 2)
    #expect(throws: PickleError.self) { try PickleReader.read(bytes) }
  }

  @Test
  func aKeySetTwiceKeepsItsLastValue() throws {
    for pairs in [2, 40] {
      // {"k0": 0, "k1": 1, …, "k0": 77}
      var stream: [UInt8] = [0x80, 4, 0x7d, 0x28]
      for number in 0..<pairs {
        let key = Array("k\(number)".utf8)
        stream += [0x8c, UInt8(key.count)] + key + [0x4b, UInt8(number)]
      }
      stream += [0x8c, 2, 0x6b, 0x30, 0x4b, 77, 0x75, 0x2e]
      let dictionary = try PickleReader.read(stream).dictionary
      #expect(dictionary.count == pairs)
      #expect(try dictionary["k0"]?.integer == 77)
      #expect(try dictionary[0].value.integer == 77)
      #expect(try dictionary["k1"]?.integer == 1)
    }
  }

  /// `OrderedDict([['a', 1], ['b', 2]])`, as Python 2 wrote it, and `set([3])`.
  @Test
  func containersThatPython2MadeByCalls() throws {
    let pairs = "((lp1\n(lp2\nS'a'\np3\naI1\naa(lp4\nS'b'\np5\naI2\naatp6\nRp7\n."
    let value = try PickleReader.read(Array(("ccollections\nOrderedDict\n" + pairs).utf8))
    #expect(try value.dictionary.names == ["a", "b"])
    #expect(try value.integer(at: "b") == 2)
    let set = try PickleReader.read(Array("c__builtin__\nset\n((lI3\natR.".utf8))
    guard case .set(let items) = set else {
      Issue.record("expected a set, found \(set.summary)")
      return
    }
    #expect(try items.map { try $0.integer } == [3])
  }
}
