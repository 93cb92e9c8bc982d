// Pickles that mean harm, are cut short or damaged: an error or an inert value, nothing else.

import Foundation
import TandemPickle
import Testing

struct HostilePickleTests {
  /// Streams that run `touch MARK` when Python loads them, one for each way to do so.
  static func attacks(_ mark: String) -> [(name: String, stream: [UInt8])] {
    let command = "touch \(mark)"
    func global(_ module: String, _ name: String) -> [UInt8] { Array("c\(module)\n\(name)\n".utf8) }
    func text(_ text: String) -> [UInt8] { [0x8c, UInt8(text.utf8.count)] + Array(text.utf8) }
    let system = global("os", "system")
    let start: [UInt8] = [0x80, 4]
    let line = text(command)
    let popen = global("subprocess", "Popen")
    var attacks: [(name: String, stream: [UInt8])] = [
      (
        "GLOBAL REDUCE",
        start + system + line + Array("\u{85}R.".unicodeScalars.map { UInt8($0.value) })
      ),
      (
        "STACK_GLOBAL REDUCE",
        start + text("os") + text("system") + [0x93] + line + [0x85, 0x52, 0x2e]
      ),
      ("INST", Array("(S'\(command)'\nios\nsystem\n.".utf8)),
      ("OBJ", Array("(".utf8) + system + line + Array("o.".utf8)),
      ("NEWOBJ", start + popen + line + [0x85, 0x81, 0x2e]),
      ("NEWOBJ_EX", start + popen + line + [0x85, 0x7d, 0x92, 0x2e]),
      (
        "BUILD",
        start + global("__main__", "Thing") + [0x29, 0x81, 0x7d] + text("__setstate__") + system
          + [0x73, 0x62] + line + [0x62, 0x2e]
      ),
      (
        "BUILD of a class",
        start + global("os", "environ") + [0x7d] + text("PATH") + line + [0x73, 0x62, 0x2e]
      ),
      ("EXT1", [0x80, 2, 0x82, 1] + line + [0x85, 0x52, 0x2e]),
      ("EXT2", [0x80, 2, 0x83, 1, 0] + line + [0x85, 0x52, 0x2e]),
      ("EXT4", [0x80, 2, 0x84, 1, 0, 0, 0] + line + [0x85, 0x52, 0x2e]),
      ("builtins.eval", start + global("builtins", "eval") + line + [0x85, 0x52, 0x2e]),
      ("PERSID", Array("Pos.system\n.".utf8)),
      ("BINPERSID", start + system + [0x51, 0x2e]),
    ]
    // Known functions of the reader, asked to call another.
    let rebuild = global("torch._tensor", "_rebuild_from_type_v2")
    attacks.append(
      (
        "rebuild",
        start + rebuild + [0x28] + system + system + line + [0x85, 0x4e, 0x74, 0x52, 0x2e]
      ))
    attacks.append(
      (
        "defaultdict",
        start + global("collections", "defaultdict") + system + [0x85, 0x52] + line
          + [0x4b, 1, 0x73, 0x2e]
      ))
    attacks.append(
      ("__newobj__", start + global("copyreg", "__newobj__") + popen + line + [0x86, 0x52, 0x2e]))
    attacks.append(
      (
        "nested REDUCE",
        start + global("builtins", "getattr") + global("os", "path") + text("os")
          + [0x86, 0x52] + line + [0x85, 0x52, 0x2e]
      ))
    return attacks
  }

  @Test
  func nothingIsEverCalled() throws {
    try withTemporaryFolder { folder in
      let mark = folder + "/called"
      var inert: [String] = []
      for (name, stream) in Self.attacks(mark) {
        let value = try? PickleReader.read(stream, name: name)
        if let value {
          var budget = 1000
          walk(value, depth: 10, budget: &budget)
          inert.append(name)
        }
        #expect(!FileManager.default.fileExists(atPath: mark), "\(name)")
      }
      // These are kept as names and arguments; the others are refused.
      #expect(
        inert == [
          "GLOBAL REDUCE", "STACK_GLOBAL REDUCE", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "BUILD",
          "builtins.eval", "rebuild", "defaultdict", "__newobj__", "nested REDUCE",
        ])
    }
  }

  @Test
  func anInertCallKeepsItsNameAndArguments() throws {
    let attack = try #require(Self.attacks("/nowhere").first)
    let object = try PickleReader.read(attack.stream).object
    #expect(object.className == "os.system")
    #expect(try object.arguments.sequence.map { try $0.string } == ["touch /nowhere"])
    #expect(object.state.isNull)
  }

  static let small = [
    "plain0.pkl", "plain2.pkl", "plain4.pkl", "plain5.pkl", "numpy2.pkl", "numpy5.pkl",
    "python2-0.pkl",
  ]

  @Test(arguments: small)
  func everyPrefixOfAPickleIsRefused(name: String) throws {
    let bytes = try Fixture.bytes(name)
    for count in 0..<bytes.count {
      let error = #expect(throws: PickleError.self) {
        try PickleReader.read(Array(bytes.prefix(count)))
      }
      #expect((error?.offset ?? .max) <= count)
    }
    #expect(throws: Never.self) { try PickleReader.read(bytes) }
  }

  @Test(arguments: ["small-zip.pt", "small-sequence.pt", "big-endian.pt"])
  func everyPrefixOfATorchFileIsRefused(name: String) throws {
    let bytes = try Fixture.bytes(name)
    for count in 0..<bytes.count {
      #expect(throws: PickleError.self) {
        try TorchFile.open(ByteSlice(Array(bytes.prefix(count))), name: name)
      }
    }
    #expect(throws: Never.self) { try TorchFile.open(ByteSlice(bytes), name: name) }
  }

  static let damaged = small + ["small-zip.pt", "small-sequence.pt", "big-endian.pt", "zip.pt"]

  @Test(arguments: damaged)
  func damagedBytesDoNoHarm(name: String) throws {
    var read = 0
    try Self.damage(name) { value in
      read += 1
      var budget = 10_000
      walk(value, depth: 6, budget: &budget)
      _ = try? value.stateDict()
    }
    // Some damage falls where it is not seen (a letter of a text), most is found.
    #expect(read < 2000)
  }

  /// Reads the file 2,000 times, each time with another byte changed.
  static func damage(_ name: String, _ use: (PickleValue) -> Void) throws {
    let whole = try Fixture.bytes(name)
    var rng = SeededGenerator(state: 17)
    for _ in 0..<2000 {
      var bytes = whole
      let place = Int.random(in: 0..<bytes.count, using: &rng)
      bytes[place] ^= UInt8.random(in: 1...255, using: &rng)
      let value =
        name.hasSuffix(".pt")
        ? try? TorchFile.open(ByteSlice(bytes), name: name).value : try? PickleReader.read(bytes)
      if let value { use(value) }
    }
  }

  /// In a process of its own, which ends where reading asks for much more memory than it has.
  @Test
  func damageAndLiesAskForLittleMemory() async {
    await #expect(processExitsWith: .success) {
      try limitMemory(toFurther: 256 << 20)
      for name in HostilePickleTests.damaged {
        try HostilePickleTests.damage(name) { _ in }
      }
      for claim in HostilePickleTests.claims { _ = try? PickleReader.read([0x80, 4] + claim) }
    }
    // The limit itself is seen to work.
    await #expect(processExitsWith: .failure) {
      try limitMemory(toFurther: 256 << 20)
      let bytes = [UInt8](repeating: 1, count: 512 << 20)
      try #require(bytes.count { $0 == 1 } == bytes.count)
    }
  }

  @Test(arguments: ["float32.npy", "version3.npy", "stored.npz", "compressed.npz"])
  func damagedArrayFilesDoNoHarm(name: String) throws {
    let whole = try Fixture.bytes(name)
    var rng = SeededGenerator(state: 23)
    func read(_ bytes: [UInt8]) throws {
      if name.hasSuffix(".npy") {
        _ = try NumPyArrayFile.readArray(ByteSlice(bytes)).floats()
      } else {
        let archive = try NumPyArrayFile.readArchive(ByteSlice(bytes))
        for name in archive.names { _ = try archive.array(named: name).floats() }
      }
    }
    for count in 0..<whole.count {
      #expect(throws: PickleError.self) { try read(Array(whole.prefix(count))) }
    }
    for _ in 0..<2000 {
      var bytes = whole
      bytes[Int.random(in: 0..<bytes.count, using: &rng)] = UInt8.random(in: 0...255, using: &rng)
      try? read(bytes)
    }
    try read(whole)
  }

  @Test(arguments: [0x5d, 0x29, 0x7d] as [UInt8])
  func nestingIsNotLimitedByTheStack(opening: UInt8) throws {
    let depth = 100_000
    var stream: [UInt8] = [0x80, 2]
    switch opening {
    case 0x5d:  // lists: all opened, then appended from the inside out
      stream +=
        [UInt8](repeating: opening, count: depth) + [UInt8](repeating: 0x61, count: depth - 1)
    case 0x29:  // tuples of one
      stream += [opening] + [UInt8](repeating: 0x85, count: depth - 1)
    default:  // dictionaries {None: {…}}
      for _ in 0..<(depth - 1) { stream += [opening, 0x4e] }
      stream += [opening] + [UInt8](repeating: 0x73, count: depth - 1)
    }
    stream.append(0x2e)
    var value = try PickleReader.read(stream)
    let outermost = value
    var levels = 1
    while true {
      let inner: PickleValue? =
        switch value {
        case .list(let items), .tuple(let items): items.first
        case .dict(let dictionary): dictionary.first?.value
        default: nil
        }
      guard let inner else { break }
      value = inner
      levels += 1
    }
    #expect(levels == depth)
    // Written and read again, still without recursion.
    let again = try PickleReader.read(try PickleWriter.write(outermost))
    #expect(again.summary == outermost.summary)
  }

  /// Operations that claim more bytes than there are.
  static let claims: [[UInt8]] = [
    [0x58, 0xff, 0xff, 0xff, 0xff], [0x8e] + [UInt8](repeating: 0xff, count: 8),
    [0x8d, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], [0x8b, 0xff, 0xff, 0xff, 0x7f],
    [0x54, 0xff, 0xff, 0xff, 0xff], [0x95] + [UInt8](repeating: 0xff, count: 8),
    [0x96, 0, 0, 0, 0, 0xff, 0, 0, 0], [0x4e, 0x72, 0xff, 0xff, 0xff, 0xff, 0x6a, 1, 0, 0, 0],
  ]

  @Test(arguments: claims)
  func lengthsThatLieAreRefused(claim: [UInt8]) throws {
    let error = #expect(throws: PickleError.self) {
      try PickleReader.read([0x80, 4] + claim + [0x2e])
    }
    #expect(error?.offset != nil && error?.place != nil)
  }

  @Test
  func limitsAreKept() throws {
    let list = [0x80, 4, 0x5d, 0x28] + [UInt8](repeating: 0x4e, count: 100) + [0x65, 0x2e]
    #expect(try PickleReader.read(list).sequence.count == 100)
    func refuses(_ limits: PickleLimits, _ stream: [UInt8]) {
      #expect(throws: PickleError.self) { try PickleReader.read(stream, limits: limits) }
    }
    refuses(PickleLimits(byteCount: 50), list)
    refuses(PickleLimits(values: 50), list)
    let memo = [0x80, 4] + [UInt8](repeating: 0x5d, count: 1) + [UInt8](repeating: 0x94, count: 60)
    refuses(PickleLimits(memo: 50), memo + [0x2e])
    refuses(PickleLimits(depth: 50), [UInt8](repeating: 0x28, count: 60) + [0x4e, 0x2e])
    // A list of pairs made into dictionaries over and over: few bytes, many values.
    let pairs = 1000
    var bomb: [UInt8] = [0x80, 2, 0x5d, 0x71, 0, 0x28]
    for _ in 0..<pairs { bomb += [0x4e, 0x4e, 0x86] }
    bomb += [0x65] + Array("ccollections\nOrderedDict\nq\u{1}".utf8)
    for _ in 0..<pairs { bomb += [0x68, 1, 0x68, 0, 0x85, 0x52, 0x30] }
    bomb += [0x30, 0x2e]
    refuses(PickleLimits(values: 1_000_000), bomb)
  }
}
