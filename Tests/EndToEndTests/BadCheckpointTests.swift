// Checkpoints that were damaged, cut short, or belong to another model.

import Foundation
import TandemCore
import TandemFiles
import TandemTorch
import Testing

/// What can be wrong with a safetensors file.
enum WeightsFlaw: String, CaseIterable, Sendable {
  case cutShort, cutInHeader, overlap, hugeHeader, unknownType, notJSON, negativeShape, tail

  /// The words by which its message is known.
  var sign: String {
    switch self {
    case .cutShort: "cut short"
    case .cutInHeader: "header claims"
    case .overlap: "overlaps"
    case .hugeHeader: "header claims 1000000000000 bytes"
    case .unknownType: "unknown dtype 'F7'"
    case .notJSON: "not a JSON object"
    case .negativeShape: "impossible shape"
    case .tail: "belong to no tensor"
    }
  }

  /// A whole file with this flaw.
  func applied(to bytes: [UInt8]) throws -> [UInt8] {
    let length = Self.headerLength(bytes)
    let text = String(decoding: bytes[8..<8 + length], as: UTF8.self)
    let data = bytes[(8 + length)...]
    switch self {
    case .cutShort: return Array(bytes.dropLast(1000))
    case .cutInHeader: return Array(bytes.prefix(8 + length / 2))
    case .hugeHeader: return Self.little(1_000_000_000_000) + bytes.dropFirst(8)
    case .tail: return bytes + [0, 0, 0, 0]
    case .notJSON: return Self.file("[" + text.dropFirst(), data)
    case .unknownType:
      let range = try #require(text.range(of: "\"F32\""))
      return Self.file(text.replacingCharacters(in: range, with: "\"F7\""), data)
    case .negativeShape:
      let range = try #require(text.range(of: "\"shape\":["))
      return Self.file(text.replacingCharacters(in: range, with: "\"shape\":[-4,"), data)
    case .overlap: return Self.file(try Self.overlapping(text), data)
    }
  }

  /// The second tensor of two that have one size is laid over the first.
  private static func overlapping(_ header: String) throws -> String {
    var tensors = try parsed(header).object
    var bySize: [Double: String] = [:]
    for (name, value) in tensors.sorted(by: { $0.key < $1.key }) where name != "__metadata__" {
      let offsets = value["data_offsets"]?.array.compactMap(\.number) ?? []
      let size = offsets[1] - offsets[0]
      if let other = bySize[size] {
        var fields = value.object
        fields["data_offsets"] = tensors[other]?["data_offsets"]
        tensors[name] = .object(fields)
        break
      }
      bySize[size] = name
    }
    return JSONValue.object(tensors).compact
  }

  static func headerLength(_ bytes: [UInt8]) -> Int {
    bytes.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
  }

  private static func little(_ number: Int) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
  }

  private static func file(_ header: String, _ data: ArraySlice<UInt8>) -> [UInt8] {
    little(header.utf8.count) + Array(header.utf8) + data
  }
}

@Suite struct BadCheckpointTests {
  @Test(arguments: WeightsFlaw.allCases)
  func flawedWeightsAreRefused(flaw: WeightsFlaw) throws {
    let work = try Workspace.trained()
    let folder = try work.lastCheckpoint("pretrained")
    let weights = "\(folder)/weights.safetensors"
    try work.write(try flaw.applied(to: try work.bytes(weights)), to: weights)
    #expect {
      try SafeTensorsFile(path: work.file(weights))
    } throws: {
      "\($0)".contains(flaw.sign) && "\($0)".contains("weights.safetensors")
    }
    let command = ["finetune", "finetune.json", "--output", "run", "--from", "pretrained"]
    // The manifest knows of the change.
    try work.fail(
      command, code: ExitCode.workFailed, saying: [weights, "SHA-256", "changed or damaged"])
    // One that was written with the flaw does not help either.
    var sums = try work.json("\(folder)/manifest.json").object
    sums["weights.safetensors"] = .string(
      try SHA256Digest.ofFile(at: work.file(weights)).hexadecimal)
    try work.write(.object(sums), to: "\(folder)/manifest.json")
    try work.fail(command, code: ExitCode.badData, saying: [weights, flaw.sign])
    #expect(!work.exists("run"))
  }

  @Test func everyFileOfACheckpointIsWatched() throws {
    let work = try Workspace.trained()
    let folder = try work.lastCheckpoint("answers")
    for name in ["optimizer.safetensors", "state.json", "weights.safetensors"] {
      let whole = try work.bytes("\(folder)/\(name)")
      var changed = whole
      changed[changed.count / 2] ^= 1
      try work.write(changed, to: "\(folder)/\(name)")
      try work.fail(
        ["resume", "answers"], code: ExitCode.workFailed, saying: ["\(folder)/\(name)", "SHA-256"])
      try work.write(whole, to: "\(folder)/\(name)")
    }
    try work.succeed("resume", "answers")
    try FileManager.default.removeItem(atPath: work.file("\(folder)/manifest.json"))
    try work.fail(
      ["evaluate", "answers"], code: ExitCode.workFailed, saying: ["\(folder)/manifest.json"])
  }

  @Test func aCheckpointThatIsGone() throws {
    let work = try Workspace.trained()
    let folder = try work.lastCheckpoint("answers")
    try FileManager.default.removeItem(atPath: work.file(folder))
    try work.fail(["evaluate", "answers"], code: ExitCode.workFailed, saying: [folder])
    try FileManager.default.removeItem(atPath: work.file("answers/checkpoints/index.json"))
    try work.fail(
      ["evaluate", "answers"], code: ExitCode.workFailed,
      saying: ["answers/checkpoints", "no finished checkpoint"])
  }

  @Test func weightsOfAnotherModel() throws {
    let work = try Workspace.trained()
    let command = ["finetune", "finetune.json", "--output", "run", "--from", "pretrained", "--set"]
    try work.fail(
      command + ["model.config.width=48"], code: ExitCode.badData,
      saying: ["weights.safetensors", "of another shape", "expected [56, 48], found [56, 32]"])
    try work.fail(
      command + ["model.config.layers=3"], code: ExitCode.badData,
      saying: ["weights.safetensors", "missing", "transformer.blocks.2."])
    try work.fail(
      command + ["model.config.layers=1"], code: ExitCode.badData,
      saying: ["weights.safetensors", "not of this model", "transformer.blocks.1."])
    #expect(!work.exists("run"))
  }

  /// Words keep their vectors wherever they stand in the list; a word that has none is named.
  @Test func weightsOfAnotherVocabulary() throws {
    let work = try Workspace.trained()
    let tokens = Array(Words.special + Words.vocabulary.dropFirst(Words.special.count).reversed())
    try work.write(tokens.joined(separator: "\n") + "\n", to: "vocabulary.txt")
    let turned = try work.succeed(
      "finetune", "finetune.json", "--output", "turned", "--from", "pretrained")
    #expect((turned.output + turned.errors).contains("rows of words"))
    func results(_ run: String) throws -> JSONValue? {
      try parsed(work.succeed("evaluate", run, "--json").output)["results"]
    }
    let right = try #require(try results("answers"))
    #expect(try results("turned") == right)
    try work.write((tokens + ["zebra"]).joined(separator: "\n") + "\n", to: "vocabulary.txt")
    try work.fail(
      [
        "finetune", "finetune.json", "--output", "run", "--from", "pretrained", "--set",
        "model.config.vocabulary=0",
      ], code: ExitCode.badData,
      saying: ["pretrained/vocabulary.txt", "zebra", "line \(tokens.count + 1)"])
  }
}
