// import, export, inspect and forward as commands.

import Foundation
import TandemCore
import TandemTorch
import Testing

@Suite struct CheckpointCommandTests {
  /// Two padded examples for the tiny ViLT: random pixels, any words.
  private func writeInputs(_ work: Workspace) throws {
    var stream = RandomStream(seed: 4)
    let pixels = (0..<2 * 3 * 64 * 64).map { _ in Float(stream.normal()) }
    try SafeTensors.write(
      [
        "input_ids": Tensor([2, 7, 8, 3, 2, 9, 3, 0] as [Int64], [2, 4]),
        "attention_mask": Tensor([1, 1, 1, 1, 1, 1, 1, 0] as [Int64], [2, 4]),
        "pixel_values": Tensor(pixels, [2, 3, 64, 64]),
      ], to: work.file("in.safetensors"))
  }

  /// A run goes out as the transformers library has it and comes back to the last bit; the run, the
  /// folder and the imported model all say the same.
  @Test func aRunGoesOutAndComesBack() throws {
    let work = try Workspace.trained()
    try writeInputs(work)
    try work.succeed("export", "answers", "--format", "huggingface", "--output", "out")
    for name in ["config.json", "model.safetensors", "vocab.txt", "preprocessor_config.json"] {
      #expect(work.exists("out/\(name)"), "\(name)")
    }
    #expect(
      try work.json("out/config.json")["architectures.0"]?.string == "ViltForQuestionAnswering")
    let report = try work.succeed("import", "out", "--output", "model").output
    #expect(report.contains("vilt from out (transformers)"))
    try work.succeed("export", "model", "--output", "again")
    #expect(try work.bytes("again/model.safetensors") == work.bytes("out/model.safetensors"))
    #expect(try work.bytes("again/config.json") == work.bytes("out/config.json"))
    var files: [[UInt8]] = []
    for (place, model) in ["answers", "out", "model"].enumerated() {
      try work.succeed(
        "forward", model, "--inputs", "in.safetensors", "--output", "\(place).safetensors")
      files.append(Array(try work.bytes("\(place).safetensors")))
    }
    #expect(files[0] == files[1] && files[1] == files[2])
    let outputs = try SafeTensorsFile(path: work.file("0.safetensors"))
    let logits = try #require(outputs.entries["logits"])
    #expect(logits.shape[0] == 2)
    // Nothing at the padded place, something before it.
    let text = try outputs.tensor("text_states").floats()
    let width = text.count / 8
    #expect(text.suffix(width).allSatisfy { $0 == 0 } && text.prefix(width).contains { $0 != 0 })
  }

  @Test func bfloat16IsClose() throws {
    let work = try Workspace.trained()
    try writeInputs(work)
    for precision in ["fp32", "bf16"] {
      try work.succeed(
        "forward", "answers", "--inputs", "in.safetensors", "--output",
        "\(precision).safetensors", "--precision", precision)
    }
    func logits(_ name: String) throws -> [Float] {
      try SafeTensorsFile(path: work.file("\(name).safetensors")).tensor("logits").floats()
    }
    let (exact, rough) = (try logits("fp32"), try logits("bf16"))
    let most = exact.map(abs).max() ?? 0
    let gap = zip(exact, rough).map { abs($0 - $1) }.max() ?? .infinity
    #expect(gap > 0 && gap < 0.05 * most)
  }

  /// Training that starts from the exported folder is training that starts from the run.
  @Test func trainingStartsFromAFolder() throws {
    let work = try Workspace.trained()
    try work.succeed("export", "pretrained", "--output", "out")
    try work.succeed("finetune", "finetune.json", "--from", "out", "--output", "other")
    let weights = "checkpoints/step-00000006/weights.safetensors"
    #expect(try work.bytes("other/\(weights)") == work.bytes("answers/\(weights)"))
    try work.succeed("import", "out", "--output", "model")
    try work.succeed("finetune", "finetune.json", "--from", "model", "--output", "third")
    #expect(try work.bytes("third/\(weights)") == work.bytes("answers/\(weights)"))
  }

  @Test func inspecting() throws {
    let work = try Workspace.trained()
    let lines = try work.succeed("inspect", "answers").output
    #expect(lines.contains("transformer.cls_token  float32  [1, 1, 32]"))
    #expect(lines.contains("looks like vilt"))
    let json = try parsed(work.succeed("inspect", "answers", "--json").output)
    guard case .array(let tensors)? = json["tensors"] else {
      Issue.record("no tensors")
      return
    }
    let numbers = tensors.reduce(0.0) { sum, tensor in
      guard case .array(let sides)? = tensor["shape"] else { return sum }
      return sum + sides.reduce(1.0) { $0 * ($1.number ?? 0) }
    }
    #expect(json["numbers"]?.number == numbers)
  }

  @Test func badInputs() throws {
    let work = try Workspace.trained()
    try writeInputs(work)
    let file = try SafeTensorsFile(path: work.file("in.safetensors"))
    func refused(_ name: String, _ tensor: Tensor?, saying words: String...) throws {
      var tensors: [String: Tensor] = [:]
      for name in file.entries.keys { tensors[name] = try file.tensor(name) }
      tensors[name] = tensor
      try SafeTensors.write(tensors, to: work.file("bad.safetensors"))
      try work.fail(
        ["forward", "answers", "--inputs", "bad.safetensors", "--output", "none.safetensors"],
        code: ExitCode.badData, saying: ["bad.safetensors", name] + words)
      #expect(!work.exists("none.safetensors"))
    }
    try refused("input_ids", nil, saying: "missing")
    try refused("input_ids", Tensor([999, 1] as [Int64], [2, 1]), saying: "999")
    try refused("attention_mask", Tensor([1] as [Int64], [1]), saying: "[2, 4]")
    try refused("pixel_values", Tensor.zeros([2, 1, 64, 64]), saying: "3 channels")
    try work.fail(
      ["import", "questions", "--output", "m"], code: ExitCode.badData, saying: ["questions"])
    try work.fail(
      ["export", "answers", "--output", "pretrained"], code: ExitCode.workFailed,
      saying: ["pretrained", "not empty"])
  }
}
