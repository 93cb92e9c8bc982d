// The files of a run directory and what stands in them.

public import TandemCore
public import TandemTorch

/// What a run directory says of itself, `run.json`.
public struct RunCard: Codable, Sendable, Equatable {
  /// The version of the layout of run directories and checkpoints that this code writes. Readers
  /// open this version and every earlier one.
  public static let currentFormat = 1

  public var formatVersion = RunCard.currentFormat
  public var recipe: Recipe
  /// From each setting's key path to where it came from.
  public var origins: [String: String]
  /// The run or file that the weights started from; empty for random ones.
  public var initializedFrom: String
  public var environment: RunEnvironment

  public init(
    recipe: Recipe, origins: [String: String], initializedFrom: String,
    environment: RunEnvironment
  ) {
    self.recipe = recipe
    self.origins = origins
    self.initializedFrom = initializedFrom
    self.environment = environment
  }
}

/// What a run ran on, beside its recipe.
public struct RunEnvironment: Codable, Sendable, Equatable {
  public var tandem: String
  public var libtorch: String
  public var cpu: String
  /// Threads inside an operator: they change the order of sums, so a resumed run keeps them.
  public var threads: Int
  /// The kernels that served; nil in runs that are older than the table.
  private var kernelTable: KernelTable?
  /// What such runs say instead: "plain" or "oneDNN".
  private var linearKernel: String?
  public var started: String

  public init(
    tandem: String, libtorch: String, cpu: String, threads: Int, kernels: KernelTable,
    started: String
  ) {
    self.tandem = tandem
    self.libtorch = libtorch
    self.cpu = cpu
    self.threads = threads
    kernelTable = kernels
    self.started = started
  }

  public var kernels: KernelTable {
    kernelTable ?? (linearKernel == "oneDNN" ? .oneDNN : .plain)
  }
}

/// One line of `metrics.jsonl`.
public struct MetricsLine: Codable, Sendable, Equatable {
  public enum Kind: String, Codable, Sendable { case train, evaluation }
  public var kind: Kind
  public var step: Int
  public var loss: Double
  public var metrics: [String: Double]
  public var rate: Double = 0
  public var gradientNorm: Double = 0
  /// Examples and packed rows of the step.
  public var examples = 0
  public var rows = 0
  /// Seconds that the step took, and of them how many it waited for data.
  public var seconds: Double = 0
  public var waited: Double = 0
  /// Seconds of training since the run's first step, over all its sittings.
  public var elapsed: Double = 0

  public init(kind: Kind, step: Int, loss: Double, metrics: [String: Double]) {
    self.kind = kind
    self.step = step
    self.loss = loss
    self.metrics = metrics
  }
}

/// Where a run stands, beside its weights: `state.json` of a checkpoint.
public struct TrainingState: Codable, Sendable, Equatable {
  /// Steps done; the next one to do.
  public var step: Int
  /// The best evaluation so far, larger being better; nil before the first.
  public var best: Double?
  public var bestStep = 0
  /// Evaluations since the best one.
  public var sinceBest = 0
  /// Bad records left out so far, each once: what was wrong with them.
  public var skipped: [String] = []
  /// Seconds of training so far.
  public var elapsed = 0.0

  public init(step: Int) { self.step = step }

  /// How training ended, if it has: all steps done, or no better evaluation for too long.
  public func outcome(under recipe: Recipe) -> TrainingOutcome? {
    let patience = recipe.evaluation.patience
    if step >= recipe.steps { return .finished }
    return patience > 0 && sinceBest >= patience ? .stoppedEarly : nil
  }
}

/// A mistake about a run directory or checkpoint.
public struct RunError: Error, CustomStringConvertible {
  public let description: String
  public init(_ description: String) { self.description = description }
}
