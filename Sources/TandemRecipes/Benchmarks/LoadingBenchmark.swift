// Does loading keep up? Steps of pre-training from JPEG files, and what preparing them costs.

internal import Foundation
internal import TandemCore
internal import TandemData
public import TandemNN
internal import TandemTorch
internal import TandemTrain

/// What loading took of some steps of pre-training.
public struct LoadingReport: Codable, Sendable {
  public var precision: Precision
  public var steps: Int
  public var examplesPerStep: Int
  /// Mean bytes of a picture's file.
  public var pictureBytes: Int
  /// Seconds of a step, and of them those that training waited for data.
  public var seconds: Double
  public var waited: Double
  /// Seconds of a processor that a step took, and of them those of loading.
  public var processorSeconds: Double
  public var loadingSeconds: Double

  public var waitingShare: Double { waited / seconds }
  public var loadingShare: Double { loadingSeconds / processorSeconds }
}

public enum LoadingBenchmark {
  /// Trains ViLT with masked words, matching and alignment on pictures of 640×480.
  ///
  /// - Parameters:
  ///   - steps: counted ones; one more comes before them.
  ///   - report: called after each step.
  public static func run(
    preset: String, precision: Precision, steps: Int, threads: Int,
    report: (_ step: Int) throws -> Void
  ) throws -> LoadingReport {
    let runtime = try Runtime.configure(threads: threads)
    let table = try SyntheticTable(records: 512, pictures: 64, side: 480)
    let recipe = recipe(preset, precision, steps + 1, table)
    let assembly = try Assembly(recipe)
    let loader = try assembly.loader(.train, training: true)
    assembly.store.kernels = try KernelMeasurement.of(
      assembly.store, .measured, rows: recipe.batch.rows,
      cache: KernelCache(path: KernelCache.defaultPath, threads: runtime.threads)
    ).table
    try assembly.sealForTraining()
    // More than are learned from: the loader works during the last steps as it does in a long run,
    // one step made for each that is taken.
    let prefetch = loader.prefetching(0..<recipe.steps + 8, workers: recipe.data.loaderThreads)
    defer { prefetch.cancel() }
    let parts = Trainer.Parts(
      recipe: recipe, store: assembly.store, encode: assembly.encode,
      objectives: assembly.objectives, nextStep: prefetch.next,
      waited: { prefetch.waited }, evaluate: { [Metric("loss", sum: 0, count: 1)] },
      quality: { _ in 0 }, isInterrupted: { false })
    var trainer = try Trainer(parts, run: RunDirectory.create(at: table.folder + "/run"))
    var result = LoadingReport(
      precision: precision, steps: steps, examplesPerStep: recipe.batch.examples,
      pictureBytes: table.pictureBytes, seconds: 0, waited: 0, processorSeconds: 0,
      loadingSeconds: 0)
    var before = (processor: 0.0, loading: 0.0)
    _ = try trainer.train { event in
      guard case .step(let line, _) = event else { return }
      try report(line.step)
      // The first step warms the allocator and the kernels up, and its data took a head start.
      guard line.step > 1 else {
        before = (Process.seconds(), prefetch.worked)
        return
      }
      result.seconds += line.seconds / Double(steps)
      result.waited += line.waited / Double(steps)
      result.processorSeconds = (Process.seconds() - before.processor) / Double(steps)
      result.loadingSeconds = (prefetch.worked - before.loading) / Double(steps)
    }
    return result
  }

  private static func recipe(
    _ preset: String, _ precision: Precision, _ steps: Int, _ table: SyntheticTable
  ) -> Recipe {
    var recipe = Recipe()
    recipe.model.preset = preset
    recipe.data.dataset = "table"
    recipe.data.root = table.folder
    recipe.data.vocabulary = table.folder + "/vocab.txt"
    // Every picture is decoded each time.
    recipe.data.cacheMegabytes = 0
    recipe.objectives = ["mlm", "itm", "wpa"].map {
      Recipe.ObjectiveChoice($0, weight: $0 == "wpa" ? 0.1 : 1)
    }
    recipe.batch.examples = 32
    recipe.steps = steps
    recipe.checkpoints.every = 0
    recipe.evaluation.every = 0
    recipe.compute.precision = precision
    return recipe
  }
}

/// What the system has counted of this process.
enum Process {
  /// Seconds of a processor.
  static func seconds() -> Double {
    let usage = usage()
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + 1e-6 * Double(time.tv_usec) }
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
  }

  /// Pages that had to be brought in: an allocator that keeps its blocks needs none once it is
  /// warm.
  static func pageFaults() -> Int { usage().ru_minflt }

  /// Units of 2²⁰ bytes by the name that /proc gives them: `VmHWM` is the most that was resident,
  /// `RssAnon` what is resident now and lies in no file.
  static func megabytes(_ name: String) -> Double {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix(name + ":") }
    let kilobytes =
      line?.split(separator: " ").dropFirst().first ?? line?.split(separator: "\t").last
    return (kilobytes.flatMap { Double($0.filter(\.isNumber)) } ?? 0) / 1024
  }

  private static func usage() -> rusage {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage
  }
}
