import Foundation
import TandemCore
import TandemNN
import TandemTorch
import TandemTrain
import Testing
import TestSupport

@Suite struct TrainerTests {
  let folder: TemporaryFolder
  let run: RunDirectory
  init() throws {
    folder = try TemporaryFolder()
    run = try RunDirectory.create(at: folder.path + "/run")
  }

  private func names() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: run.checkpoints.path)
      .filter { $0.hasPrefix("step-") }.sorted()
  }

  @Test func checkpointsComeAndGo() throws {
    let toy = try ToyRun()
    #expect(try toy.train(run) == .finished)
    #expect(toy.checkpoints == [2, 4, 6, 8])
    #expect(try names() == ["step-00000008"])
    #expect(try run.checkpoints.index().last == "step-00000008")
    #expect(try run.checkpoints.index().best == "step-00000008")
    let checkpoint = try run.checkpoints.open(.last)
    #expect(checkpoint.state.step == 8)
    #expect(
      try checkpoint.trainedWeights().tensor("weight").floats()
        == toy.store["weight"]?.value.floats())
    let source = SafeTensorsSource(try checkpoint.weights())
    #expect(source.names == ["weight"])
    #expect(try source.weight("other") == nil)
    #expect(try run.metrics().map(\.step) == [1, 2, 3, 4, 5, 6, 7, 8, 8])
  }

  @Test func theBestIsKept() throws {
    let toy = try ToyRun()
    toy.recipe.evaluation.every = 2
    toy.qualities = [0.1, 0.7, 0.5, 0.6]
    #expect(try toy.train(run) == .finished)
    let index = try run.checkpoints.index()
    #expect(index.best == "step-00000004")
    #expect(index.last == "step-00000008")
    #expect(try names() == ["step-00000004", "step-00000008"])
    let state = try run.checkpoints.open(.last).state
    #expect(state.best == 0.7 && state.bestStep == 4 && state.sinceBest == 2)
    #expect(try run.checkpoints.open(.best).state.step == 4)
  }

  @Test func severalAreKept() throws {
    let toy = try ToyRun()
    toy.recipe.checkpoints.keep = 3
    _ = try toy.train(run)
    #expect(try names() == ["step-00000004", "step-00000006", "step-00000008"])
  }

  @Test func patienceEnds() throws {
    let toy = try ToyRun()
    toy.recipe.evaluation.every = 1
    toy.recipe.evaluation.patience = 2
    toy.qualities = [0.5, 0.6, 0.4, 0.3, 0.9]
    #expect(try toy.train(run) == .stoppedEarly)
    #expect(try run.checkpoints.open(.last).state.step == 4)
    #expect(try run.checkpoints.open(.best).state.step == 2)

    // A run that is over stays so.
    let again = try ToyRun(from: 4)
    again.recipe = toy.recipe
    #expect(try again.train(run, resuming: run.checkpoints.open(.last)) == .stoppedEarly)
    #expect(again.lines.isEmpty && again.evaluations == 0)
  }

  @Test func beforeTheFirstEvaluationTheLastIsTheBest() throws {
    let toy = try ToyRun()
    toy.interruptsAfter = 5
    #expect(try toy.train(run) == .interrupted)
    #expect(toy.evaluations == 0 && toy.checkpoints == [2, 4, 5])
    #expect(try run.checkpoints.index().best == "step-00000005")
  }

  @Test(arguments: [Recipe.Optimizer.Kind.adamW, .bertAdam, .sgd])
  func aResumedRunIsTheSame(_ kind: Recipe.Optimizer.Kind) throws {
    func toy(from step: Int = 0, source: (any WeightSource)? = nil) throws -> ToyRun {
      let toy = try ToyRun(from: step, source: source)
      toy.recipe.optimizer.kind = kind
      toy.recipe.optimizer.averaging = 0.9
      return toy
    }
    let whole = try toy()
    _ = try whole.train(RunDirectory.create(at: folder.path + "/whole"))
    let first = try toy()
    first.interruptsAfter = 5
    #expect(try first.train(run) == .interrupted)
    let checkpoint = try run.checkpoints.open(.last)
    #expect(checkpoint.state.step == 5)
    // Lines that a killed run wrote after its checkpoint go.
    let late = MetricsLine(kind: .train, step: 6, loss: 9, metrics: [:])
    let handle = try #require(FileHandle(forWritingAtPath: run.metricsFile))
    try handle.seekToEnd()
    try handle.write(contentsOf: Data((JSONValue(encoding: late).compact + "\n{\"half").utf8))
    try handle.close()

    let second = try toy(from: 5, source: SafeTensorsSource(checkpoint.trainedWeights()))
    #expect(try second.train(run, resuming: checkpoint) == .finished)
    #expect(first.lines.map(\.loss) + second.lines.map(\.loss) == whole.lines.map(\.loss))
    #expect(try second.store["weight"]?.value.floats() == whole.store["weight"]?.value.floats())
    #expect(Set(whole.lines.map(\.loss)).count == 8)
    let written = try run.metrics().filter { $0.kind == .train }
    #expect(written.map(\.step) == Array(1...8))
    #expect(written.map(\.loss) == whole.lines.map(\.loss))
  }

  @Test func averagesAreSavedBeside() throws {
    let toy = try ToyRun()
    toy.recipe.optimizer.averaging = 0.9
    _ = try toy.train(run)
    let checkpoint = try run.checkpoints.open(.last)
    let averaged = try checkpoint.weights().tensor("weight").floats()
    let trained = try checkpoint.trainedWeights().tensor("weight").floats()
    #expect(try trained == toy.store["weight"]?.value.floats())
    #expect(averaged != trained)
  }

  @Test(arguments: ["weights.safetensors", "optimizer.safetensors", "state.json", "manifest.json"])
  func damageIsFound(_ name: String) throws {
    _ = try ToyRun().train(run)
    let file = "\(run.checkpoints.path)/step-00000008/\(name)"
    var bytes = try Data(contentsOf: URL(fileURLWithPath: file))
    #expect(message { _ = try run.checkpoints.open(.last) } == nil)
    bytes[bytes.count / 2] ^= 0x55
    try bytes.write(to: URL(fileURLWithPath: file))
    #expect(message { _ = try run.checkpoints.open(.last) }?.contains("step-00000008") == true)
    try FileManager.default.removeItem(atPath: file)
    #expect(message { _ = try run.checkpoints.open(.last) }?.contains(name) == true)
  }

  @Test func noCheckpointYet() {
    #expect(message { _ = try run.checkpoints.open(.best) }?.contains(run.path) == true)
  }

  @Test func lossesThatAreNotNumbersStop() throws {
    let toy = try ToyRun()
    toy.poisonedStep = 5
    let found = try #require(message { _ = try toy.train(run) })
    #expect(found.contains("step 6"))
    #expect(found.contains("step-00000004 is whole"))
    #expect(try largest(#require(toy.store["weight"]).value).isFinite)
    #expect(try run.checkpoints.open(.last).state.step == 4)
  }

  @Test func badRecordsAreCounted() throws {
    let strict = try ToyRun()
    strict.skipped = ["record 3: no such picture"]
    let found = message { _ = try strict.train(run) }
    #expect(found?.contains("record 3: no such picture") == true)
    #expect(found?.contains("allows 0") == true)
    let patient = try ToyRun()
    patient.skipped = strict.skipped
    patient.recipe.data.badRecords = 1
    _ = try patient.train(run)
    #expect(try run.checkpoints.open(.last).state.skipped.count == 1)
  }

  @Test func aRunIsNotWrittenOver() throws {
    #expect(message { _ = try RunDirectory.create(at: run.path) }?.contains("not empty") == true)
    #expect(message { _ = try RunDirectory.open(run.path) }?.contains("run.json") == true)
    let card = RunCard(
      recipe: Recipe(), origins: ["seed": "--set"], initializedFrom: "",
      environment: RunEnvironment(
        tandem: "1", libtorch: "2", cpu: "3", threads: 4, kernels: .plain, started: "now"))
    try run.write(card)
    #expect(try RunDirectory.open(run.path + "/").card() == card)
    var newer = card
    newer.formatVersion = RunCard.currentFormat + 1
    try run.write(newer)
    #expect(message { _ = try run.card() }?.contains("newer") == true)
  }
}
