// Help, completions, and recipes as text.

import Foundation
import TandemCore
import Testing

@Suite struct HelpTests {
  @Test func everySubcommandShowsAnExample() throws {
    let work = try Workspace()
    var waiting: [[String]] = [[]]
    var seen: [String] = []
    while let command = waiting.popLast() {
      let outcome = try work.start(command + ["--help"]).finish()
      #expect(outcome.code == ExitCode.good, "\(command)")
      #expect(outcome.errors.isEmpty, "\(command)")
      let example = (["tandem"] + command).joined(separator: " ")
      #expect(outcome.output.contains("Example"), "\(command)")
      #expect(outcome.output.contains("  " + example), "\(command)")
      seen.append(command.joined(separator: " "))
      waiting += Self.subcommands(outcome.output).map { command + [$0] }
    }
    for name in [
      "pretrain", "finetune", "resume", "evaluate", "predict", "embed", "report", "bench",
      "version", "data fetch", "data list", "data check", "recipes list", "recipes show",
      "recipes diff", "import", "export", "inspect", "forward",
    ] {
      #expect(seen.contains(name), "\(name) is not among \(seen)")
    }
  }

  /// The names in the section of subcommands.
  private static func subcommands(_ help: String) -> [String] {
    var names: [String] = []
    var isSection = false
    for line in help.split(separator: "\n", omittingEmptySubsequences: false) {
      if line.hasPrefix("SUBCOMMANDS") {
        isSection = true
      } else if isSection, line.hasPrefix("  "), !line.hasPrefix("   ") {
        if let name = line.split(separator: " ").first { names.append(String(name)) }
      } else if isSection, !line.isEmpty, !line.hasPrefix(" ") {
        isSection = false
      } else if line.isEmpty {
        isSection = false
      }
    }
    return names.filter { $0 != "help" }
  }

  @Test(arguments: [("bash", "complete"), ("zsh", "#compdef tandem"), ("fish", "complete -c")])
  func completionsArePrinted(shell: String, sign: String) throws {
    let outcome = try Workspace().succeed("--generate-completion-script", shell)
    #expect(outcome.output.contains(sign))
    for name in ["finetune", "evaluate", "recipes"] { #expect(outcome.output.contains(name)) }
  }

  @Test func wrongUseIsExplained() throws {
    let work = try Workspace()
    try work.fail(["finetun"], code: ExitCode.usage, saying: ["finetun"])
    try work.fail(
      ["predict", "run", "--image", "a.png"], code: ExitCode.usage,
      saying: ["--question", "--mask", "--text"])
    try work.fail(
      ["predict", "run", "--input", "a.jsonl"], code: ExitCode.usage, saying: ["--output"])
    try work.fail(
      ["evaluate", "run", "--split", "exam"], code: ExitCode.usage, saying: ["exam"])
    try work.fail(
      ["resume", "run", "--set", "steps=3"], code: ExitCode.usage, saying: ["--set"])
  }
}

@Suite struct RecipeCommandTests {
  @Test func everyRecipeCanBeShownAndReadBack() throws {
    let work = try Workspace()
    let names = try work.succeed("recipes", "list").lines.compactMap {
      $0.split(separator: " ").first.map(String.init)
    }
    #expect(names.contains("vilt/easy-vqa-demo") && Set(names).count == names.count)
    for name in names {
      let shown = try work.succeed("recipes", "show", name).output
      try work.write(shown, to: "shown.json")
      #expect(try parsed(shown)["name"]?.string == name)
      #expect(try work.succeed("recipes", "diff", name, "shown.json").output == "", "\(name)")
    }
  }

  @Test func everySettingSaysWhereItComesFrom() throws {
    let work = try Workspace.withData()
    let lines = try work.succeed(
      "recipes", "show", "pretrain.json", "--origin", "--set", "steps=9"
    ).lines
    for line in [
      "steps = 9   (--set)", "batch.examples = 4   (pretrain.json)",
      "batch.rows = 8192   (default)", "model.config.width = 32   (preset tiny)",
      "model.config.vocabulary = \(Words.vocabulary.count)   (pretrain.json)",
      "objectives.0.options.atLeastOne = true   (pretrain.json)",
      "objectives.0.options.maskShare = 0.8   (default)",
    ] {
      #expect(lines.contains(line), "\(line) is not in\n\(lines.joined(separator: "\n"))")
    }
  }

  @Test func recipesAreCompared() throws {
    let work = try Workspace.withData()
    var other = Recipes.pretraining.object
    other["steps"] = 9
    try work.write(.object(other), to: "other.json")
    let lines = try work.succeed("recipes", "diff", "pretrain.json", "other.json").lines
    #expect(lines == ["steps: 6 → 9"])
    #expect(try work.succeed("recipes", "diff", "other.json", "other.json").output == "")
  }
}
