import Foundation
import TandemCore
import TandemNN
import TandemPickle
import TandemRecipes
import TandemTorch
import Testing
import TestSupport

/// Files as the original repositories publish them, see make_originals.py: they hold the weights of
/// other fixtures, whose outputs are known.
@Suite struct OriginalFileTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var file: String
    /// The fixture with the same weights.
    var source: String
    var model: String
    /// Settings that stand in no weight.
    var settings: [String]
    var testDescription: String { file }
  }

  static let cases = [
    Case(file: "vilt.ckpt", source: "vilt", model: "vilt", settings: ["heads=4"]),
    Case(file: "vlbert.model", source: "vlbert", model: "vl-bert", settings: ["heads=4"]),
    Case(file: "lxmert_LXRT.pth", source: "lxmert", model: "lxmert", settings: ["heads=4"]),
    Case(file: "uniter.pt", source: "uniter", model: "uniter", settings: ["heads=4"]),
    Case(
      file: "vilbert.bin", source: "vilbert", model: "vilbert",
      settings: [
        "heads=4", "visualHeads=2", "connectionHeads=2", "textConnections=[1,2]",
        "visualConnections=[0,1]",
      ]),
    Case(
      file: "visualbert.th", source: "visualbert", model: "visualbert", settings: ["heads=4"]),
    Case(file: "clip.pt", source: "clip", model: "clip", settings: ["heads=4", "textHeads=4"]),
    Case(
      file: "clip-state.pt", source: "clip", model: "clip", settings: ["heads=4", "textHeads=4"]),
  ]

  static func path(_ name: String) -> String { Fixtures.path("originals/\(name)") }

  /// Every weight comes in under its name here to the last bit (rounded to half precision where the
  /// file is), and nothing is left over.
  @Test(arguments: cases) func weightsAreTheirs(_ original: Case) throws {
    let files = try ModelFiles.open(Self.path(original.file), settings: original.settings)
    #expect(files.model == original.model)
    let model = try LoadedModel(files)
    #expect(model.report.unused.isEmpty, "\(model.report.unused)")
    let source = try Fixtures.tensors("\(original.source)/weights.safetensors")
    let halves = Set(
      try WeightFiles.open(Self.path(original.file)).tensors
        .filter { $0.elementType == "float16" }.map(\.name))
    #expect(halves.isEmpty == (original.file != "clip.pt"))
    for parameter in model.store.parameters {
      let wanted = try source.tensor(parameter.name)
      let expected =
        halves.contains(parameter.name) ? try wanted.to(.float16).to(.float32) : wanted
      #expect(try difference(parameter.value, expected) == 0, "\(parameter.name)")
    }
  }

  /// What is beside the weights is named, and nothing of it is run.
  @Test func objectsAreLeftAlone() throws {
    let vilt = try ModelFiles.open(Self.path("vilt.ckpt")).weights.foreignClasses
    #expect(vilt.contains("pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint"))
    let vlbert = try ModelFiles.open(Self.path("vlbert.model")).weights.foreignClasses
    #expect(
      vlbert == [
        "common.callbacks.epoch_end_callbacks.validation_monitor.ValidationMonitor"
      ])
  }

  @Test func copiesAreReported() throws {
    let report = try LoadedModel(
      ModelFiles.open(Self.path("uniter.pt"), settings: ["heads=4"])
    ).report
    #expect(report.tied == ["cls.predictions.decoder.weight", "feat_regress.weight"])
  }

  /// Norms of 2018 had other names.
  @Test func oldNamesOfNorms() throws {
    let model = try LoadedModel(
      ModelFiles.open(Self.path("bert-gamma-beta.bin"), settings: ["heads=4"]))
    #expect(model.files.model == "bert" && model.report.unused.isEmpty)
    #expect(model.heads.vocabulary != nil && model.heads.matching != nil)
    let file = try WeightFiles.open(Self.path("bert-gamma-beta.bin"))
    let theirs = try #require(try file.weight("bert.embeddings.LayerNorm.gamma"))
    let ours = try #require(model.store["bert.embeddings.LayerNorm.weight"])
    #expect(try difference(ours.value, theirs) == 0)
  }

  // MARK: Paddle

  @Test func paddleFolders() throws {
    let file = try WeightFiles.open(Self.path("unimo"))
    let same = try Fixtures.tensors("originals/unimo.safetensors")
    #expect(file.tensors.map(\.name) == same.entries.keys.sorted())
    for name in same.entries.keys {
      let tensor = try #require(try file.weight(name))
      #expect(try difference(tensor, same.tensor(name)) == 0, "\(name)")
    }
    let refusal = message { _ = try ModelFiles.open(Self.path("unimo")) }
    #expect(refusal?.contains("no known family") == true && refusal?.contains("uniter") == true)
  }

  @Test func aPaddleVariableThatIsCutShort() throws {
    let temporary = try TemporaryFolder()
    let bytes = try Data(contentsOf: URL(filePath: Self.path("unimo/pos_embedding")))
    _ = try temporary.file("pos_embedding", bytes.dropLast(3))
    let refusal = message { _ = try WeightFiles.open(temporary.path) }
    #expect(refusal?.contains("pos_embedding") == true && refusal?.contains("bytes") == true)
  }

  // MARK: harm

  @Test(arguments: ["calls-os-system.pth", "calls-os-system.zip.pt"])
  func filesThatCallAreRefused(_ name: String) throws {
    let refusal = try #require(message { _ = try ModelFiles.open(Self.path(name)) })
    #expect(
      refusal.contains(name) && refusal.contains("system") && refusal.contains("nothing was run"))
    #expect(!FileManager.default.fileExists(atPath: "evil-was-run"))
    #expect(message { _ = try Inspection(Self.path(name)) }?.contains("refused") == true)
  }

  @Test func aZipBombIsRefused() throws {
    let refusal = message { _ = try ModelFiles.open(Self.path("bomb.pt")) }
    #expect(refusal?.contains("bomb.pt") == true && refusal?.contains("10000027") == true)
  }

  @Test func numbersThatAreNotFiniteAreReported() throws {
    let files = try ModelFiles.open(Self.path("nan.pt"), settings: ["heads=4"])
    let model = try LoadedModel(files)
    var report = model.report
    try report.lookForNumbersThatAreNotFinite(in: model.store)
    #expect(
      Set(report.notFinite) == [
        "itm_output.bias", "uniter.encoder.layer.0.attention.self.value.weight",
      ])
    #expect(report.lines.contains { $0.contains("NOT FINITE") })
  }

  // MARK: bad folders

  private func copy(_ name: String, to temporary: TemporaryFolder) throws -> String {
    let copy = temporary.path + "/copy"
    try FileManager.default.copyItem(
      atPath: Fixtures.path("huggingface/\(name)"), toPath: copy)
    return copy
  }

  @Test func aMissingPartIsNamed() throws {
    let temporary = try TemporaryFolder()
    let folder = try copy("bert-sharded", to: temporary)
    let parts = try FileManager.default.contentsOfDirectory(atPath: folder)
      .filter { $0.hasSuffix(".safetensors") && $0.hasPrefix("model-") }.sorted()
    try FileManager.default.removeItem(atPath: folder + "/" + parts[1])
    let refusal = message { _ = try ModelFiles.open(folder) }
    #expect(refusal?.contains(parts[1]) == true && refusal?.contains("missing") == true)
  }

  @Test func anUnknownFamilyIsNamedWithThoseThereAre() throws {
    let temporary = try TemporaryFolder()
    let folder = try copy("bert", to: temporary)
    try Data(#"{"model_type": "flava"}"#.utf8).write(to: URL(filePath: folder + "/config.json"))
    let refusal = message { _ = try ModelFiles.open(folder) }
    for word in ["flava", "config.json", "lxmert", "visual_bert", "clip"] {
      #expect(refusal?.contains(word) == true, "\(word)")
    }
  }

  @Test func missingWeightsAreRefusedUnlessAllowed() throws {
    let temporary = try TemporaryFolder()
    let folder = try copy("vilt-vqa", to: temporary)
    let file = try SafeTensorsFile(path: folder + "/model.safetensors")
    var tensors: [String: Tensor] = [:]
    for name in file.entries.keys where name != "vilt.pooler.dense.bias" {
      tensors[name] = try file.copy(name)
    }
    try SafeTensors.write(tensors, to: folder + "/model.safetensors")
    let refusal = message { _ = try LoadedModel(ModelFiles.open(folder)) }
    #expect(
      refusal?.contains("pooler.dense.bias") == true && refusal?.contains("--allow-missing") == true
    )
    let model = try LoadedModel(ModelFiles.open(folder), allowingMissing: ["pooler.*"])
    #expect(model.report.missing == ["pooler.dense.bias"])
    #expect(
      message { _ = try LoadedModel(ModelFiles.open(folder), allowingMissing: ["poole*.weight"]) }
        != nil)
  }

  /// A vocabulary with more tokens than the table has rows.
  @Test func aVocabularyOfTheWrongSizeIsRefused() throws {
    let temporary = try TemporaryFolder()
    let folder = try copy("bert", to: temporary)
    let words = try String(contentsOfFile: folder + "/vocab.txt", encoding: .utf8)
    try Data((words + "zebra\nyak\nxerus\n").utf8).write(
      to: URL(filePath: folder + "/vocab.txt"))
    let refusal = message { _ = try LoadedModel(ModelFiles.open(folder)) }
    #expect(refusal?.contains("vocab.txt") == true && refusal?.contains("44") == true)
  }
}
