import ArgumentParser
import Foundation
import TandemCore
import TandemNN
import TandemRecipes
import TandemTorch

struct Import: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Read a published model, and keep it as this program does.",
    discussion: """
      Takes folders of the transformers library (BERT, ViT, ViLT, LXMERT, VisualBERT, CLIP) and \
      files of the original repositories (those and UNITER, VL-BERT, ViLBERT). Nothing in a file is \
      ever run.

      Examples:
        tandem import vilt-b32-finetuned-vqa --output models/vilt
        tandem import uniter-base.pt --vocabulary vocab.txt --output models/uniter
        tandem import lm.bin --family bert --set heads=12 --output models/bert
      """)
  @Argument(help: "A folder or a file.") var path: String
  @Option(help: "What it is, where its files do not say.") var family: String?
  @Option(
    name: .customLong("set"),
    help: "A setting that stands in no weight: heads=12. May be given often.")
  var settings: [String] = []
  @Option(
    name: .customLong("allow-missing"),
    help: "Weights that may be missing; * stands for anything. May be given often.")
  var allowed: [String] = []
  @Option(help: "A token a line, or CLIP's merges, where none lies beside the weights.")
  var vocabulary: String?
  @Option(help: "The answers that the head's rows stand for, one a line.") var answers: String?
  @Option(name: .shortAndLong, help: "The folder to make.") var output: String
  @Flag(help: "Print the report as JSON.") var json = false

  func run() throws {
    try OutputFolder.check(output)
    var files = try ModelFiles.open(path, family: family, settings: settings)
    try files.supply(vocabulary: vocabulary, answers: answers)
    let model = try LoadedModel(files, allowingMissing: allowed)
    var report = model.report
    try report.lookForNumbersThatAreNotFinite(in: model.store)
    try ModelFolder.write(model, to: output)
    if json { return printLine(try JSONValue(encoding: report).pretty) }
    for line in report.lines { printLine(line) }
    Console().next(["tandem forward \(output) --inputs in.safetensors --output out.safetensors"])
  }
}

struct Export: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Write a run or a model as the transformers library has it.",
    discussion: """
      Example:
        tandem export runs/demo --format huggingface --output exported
      """)
  @Argument(help: "A run, or an imported model.") var path: String
  @Option(help: "huggingface.") var format = ExportFormat.huggingface
  @Option(name: .shortAndLong, help: "The folder to make.") var output: String

  func run() throws {
    try OutputFolder.check(output)
    let model = try LoadedModel(ModelFiles.open(path))
    let left = try HuggingFaceFolder.write(model, to: output)
    let console = Console()
    console.say("\(model.files.model) → \(output)")
    if !left.isEmpty {
      console.say("no place in transformers for: \(left.joined(separator: ", "))")
    }
  }
}

enum ExportFormat: String, ExpressibleByArgument, CaseIterable { case huggingface }

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what weights are in a file or a folder.",
    discussion: """
      Example:
        tandem inspect pytorch_model.bin
      """)
  @Argument(help: "safetensors, torch.save, a folder, a run.") var path: String
  @Flag(help: "Print JSON.") var json = false

  func run() throws {
    let inspection = try Inspection(path)
    if json { return printLine(try JSONValue(encoding: inspection).pretty) }
    for tensor in inspection.tensors {
      printLine("\(tensor.name)  \(tensor.elementType)  \(tensor.shape)")
    }
    printLine(
      "\(inspection.tensors.count) tensors, \(inspection.numbers) numbers in weights; "
        + (inspection.family.isEmpty ? "of no known family" : "looks like \(inspection.family)"))
  }
}

struct ForwardCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "forward",
    abstract: "Run a model on raw tensors and write every output, to compare with another program.",
    discussion: """
      The model is a folder of the transformers library, an imported model or a run. Inputs: \
      input_ids, attention_mask, token_type_ids [B,L]; pixel_values [B,3,H,W] ([B,2,3,H,W] for \
      statements about two pictures), pixel_mask [B,H,W]; visual_feats or visual_embeds [B,R,F], \
      visual_boxes or visual_pos [B,R,4] over the picture's size, visual_attention_mask [B,R], \
      visual_token_type_ids. With labels (mlm_labels with −100 to ignore, region_mask with \
      region_labels or region_soft_labels, itm_labels) the losses are written too.

      Example:
        tandem forward vilt-b32-mlm --inputs in.safetensors --output out.safetensors
      """)
  @Argument(help: "A folder of transformers, an imported model, or a run.") var model: String
  @Option(help: "A safetensors file.") var inputs: String
  @Option(name: .shortAndLong, help: "The safetensors file to write.") var output: String
  @Option(help: "fp32 or bf16.") var precision = ForwardPrecision.fp32
  @Option(help: "Threads inside an operator; 0 for all cores.") var threads = 0

  func validate() throws {
    guard URL(filePath: inputs).standardizedFileURL != URL(filePath: output).standardizedFileURL
    else { throw ValidationError("--output is the file of the inputs; name another") }
  }

  func run() throws {
    _ = try Runtime.configure(threads: threads)
    let loaded = try LoadedModel(ModelFiles.open(model), precision: precision.precision)
    let outputs = try Forward.outputs(loaded, inputs: inputs) { names in
      guard !names.isEmpty else { return }
      Console().say("of no use to the model: \(names.joined(separator: ", "))")
    }
    try SafeTensors.write(outputs, to: output)
    for name in outputs.keys.sorted() { printLine("\(name)  \(outputs[name]?.shape ?? [])") }
  }
}

enum ForwardPrecision: String, ExpressibleByArgument, CaseIterable {
  case fp32, bf16
  var precision: Precision { self == .bf16 ? .bfloat16 : .float32 }
}
