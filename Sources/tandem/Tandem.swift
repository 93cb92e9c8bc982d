// The command. Subcommands hold arguments and one call into the libraries, nothing else.

import ArgumentParser

@main
struct Tandem: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tandem",
    abstract: "Vision-and-language pre-training: train, fine-tune, evaluate, inspect, predict.",
    discussion: """
      Example:
        tandem data fetch easy-vqa bert-base-uncased
        tandem finetune vilt/easy-vqa-demo --output runs/demo
        tandem predict runs/demo --image cat.png --question "what shape is it?"

      Exit codes: 0 good, 1 the work failed, 64 wrong usage, 65 bad data, 74 input or output.
      Completions: tandem --generate-completion-script bash (or zsh, fish).
      """,
    subcommands: [
      DataCommand.self, RegionsCommand.self, RecipesCommand.self, Pretrain.self, Finetune.self,
      Resume.self,
      Compare.self, Ablate.self, Evaluate.self, Predict.self, Embed.self, Report.self, Import.self,
      Export.self, Inspect.self, ForwardCommand.self, Bench.self, Version.self,
    ])

  static func main() async {
    ThreadWaiting.keepShort()
    do {
      var command = try parseAsRoot()
      if var asynchronous = command as? any AsyncParsableCommand {
        try await asynchronous.run()
      } else {
        try command.run()
      }
    } catch {
      Failure.exit(with: error)
    }
  }
}
