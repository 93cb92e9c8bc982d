// Tensors that come with a model: forms that are taken, and those that would give wrong numbers.

import Foundation
import TandemCore
import TandemRecipes
import TandemTorch
import TestSupport
import Testing

@Suite struct RawInputTests {
  private let temporary: TemporaryFolder

  init() throws { temporary = try TemporaryFolder() }

  /// The outputs of a fixture's model for its inputs with some of them changed; nil takes one away.
  private func outputs(
    _ name: String, _ changes: [String: Tensor?], unread: ([String]) -> Void = { _ in }
  ) throws -> [String: Tensor] {
    let folder = HuggingFaceTests.folder(name)
    let inputs = try SafeTensorsFile(path: folder + "/inputs.safetensors")
    var tensors: [String: Tensor] = [:]
    for name in inputs.entries.keys { tensors[name] = try inputs.tensor(name) }
    for (name, tensor) in changes { tensors[name] = tensor }
    let file = temporary.path + "/inputs.safetensors"
    try SafeTensors.write(tensors, to: file)
    return try Forward.outputs(LoadedModel(ModelFiles.open(folder)), inputs: file, unread: unread)
  }

  private func input(_ name: String, of folder: String) throws -> Tensor {
    try SafeTensorsFile(path: HuggingFaceTests.folder(folder) + "/inputs.safetensors").tensor(name)
  }

  private func refusal(_ name: String, _ changes: [String: Tensor?]) -> String {
    do {
      _ = try outputs(name, changes)
      return ""
    } catch { return "\(error)" }
  }

  /// Masks of 0.0 and 1.0, as LXMERT's are documented.
  @Test func masksOfFloats() throws {
    let mask = try input("visual_attention_mask", of: "lxmert")
    let before = try outputs("lxmert", [:])["pooled"]?.floats()
    #expect(
      try outputs("lxmert", ["visual_attention_mask": mask.to(.float32)])["pooled"]?.floats()
        == before)
    let half = try Tensor.full(mask.shape, 0.5)
    #expect(refusal("lxmert", ["visual_attention_mask": half]).contains("visual_attention_mask"))
  }

  /// As many numbers in another order of sides are other numbers.
  @Test func shapesOfSideInputs() throws {
    let mask = try input("attention_mask", of: "bert")
    let turned = try Tensor.ones([mask.shape[1], mask.shape[0]]).to(.int64)
    let message = refusal("bert", ["attention_mask": turned])
    #expect(message.contains("attention_mask") && message.contains("\(mask.shape)"))
    let name =
      try SafeTensorsFile(path: HuggingFaceTests.folder("lxmert") + "/inputs.safetensors")
      .entries.keys.contains("visual_pos") ? "visual_pos" : "visual_boxes"
    let boxes = try input(name, of: "lxmert")
    let flat = try Tensor.zeros([boxes.shape[1], boxes.shape[0], 4])
    #expect(refusal("lxmert", [name: flat]).contains(name))
    #expect(refusal("lxmert", [name: nil as Tensor?]).contains("where regions lie"))
  }

  @Test func whatNobodyReadsIsNamed() throws {
    var names: [String] = []
    let mask = try input("attention_mask", of: "bert")
    _ = try outputs("bert", ["position_ids": mask, "attention_masks": mask]) { names = $0 }
    #expect(names.contains("position_ids") && names.contains("attention_masks"))
    #expect(!names.contains("input_ids"))
  }

  /// −100 takes an example out of the sum and out of the mean.
  @Test func labelsThatAreIgnored() throws {
    let count = try input("input_ids", of: "bert-pretraining").shape[0]
    func loss(_ labels: [Int64]) throws -> Float {
      try outputs("bert-pretraining", ["itm_labels": Tensor(labels, [labels.count])])["itm_loss"]?
        .floats().first ?? .nan
    }
    let each = try (0..<count).map { place in
      try loss((0..<count).map { $0 == place ? 1 : -100 })
    }
    let all = try loss(Array(repeating: 1, count: count))
    #expect(abs(all - each.reduce(0, +) / Float(count)) < 1e-6 && count > 1)
    let message = refusal(
      "bert-pretraining",
      ["itm_labels": try Tensor(Array(repeating: Int64(7), count: count), [count])])
    #expect(message.contains("itm_labels") && message.contains("7 is none of 2"))
  }
}
