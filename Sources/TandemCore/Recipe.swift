// A complete run as a value: Swift in the library, JSON on disk.

public import TandemNN

public struct Recipe: Codable, Sendable, Equatable {
  public var name = ""
  /// One line: what it trains, on what, and what to expect.
  public var summary = ""
  public var stage = Stage.pretrain
  /// Everything random follows from it.
  public var seed: UInt64 = 1
  public var model = Model()
  public var data = Data()
  /// What is learned; a fine-tuning run has one task here.
  public var objectives: [ObjectiveChoice] = []
  public var optimizer = Optimizer()
  public var schedule = Schedule()
  public var batch = Batch()
  public var steps = 1000
  public var compute = Compute()
  public var evaluation = Evaluation()
  public var checkpoints = Checkpoints()
  public init() {}

  public enum Stage: String, Codable, Sendable { case pretrain, finetune }

  public struct Model: Codable, Sendable, Equatable {
    public var name = "vilt"
    public var preset = "small"
    /// The preset's settings, with those that the recipe changes.
    public var config = JSONValue.object([:])
    /// How the weights of products start.
    public var initialization = ProductInitialization.published
    public init() {}
  }

  public struct Data: Codable, Sendable, Equatable {
    /// A name that `tandem data list` shows.
    public var dataset = "easy-vqa"
    /// The folder that data sets lie in; for `table`, the folder of its files.
    public var root = "data"
    public var vocabulary = "data/bert-base-uncased/vocab.txt"
    /// Lower-case and strip accents, as uncased vocabularies want.
    public var lowercased = true
    /// The first answer follows the question in the text.
    public var joinsAnswers = false
    /// RandAugment operations a picture, 0 for none, and their strength of 30.
    public var augmentations = 0
    public var augmentationStrength = 9.0
    /// Decode JPEGs at a fraction of their size where the model's is at most half.
    public var scaledDecode = false
    /// Decoded pictures kept in memory.
    public var cacheMegabytes = 1024
    public var loaderThreads = 1
    /// Bad records that may be left out, counted and named, before the run stops.
    public var badRecords = 0
    public init() {}
  }

  public struct ObjectiveChoice: Codable, Sendable, Equatable {
    public var name: String
    public var weight = 1.0
    public var options = JSONValue.object([:])

    public init(_ name: String, weight: Double = 1, options: JSONValue = .object([:])) {
      self.name = name
      self.weight = weight
      self.options = options
    }

    public init(from decoder: any Decoder) throws {
      let fields = try decoder.container(keyedBy: CodingKeys.self)
      name = try fields.decode(String.self, forKey: .name)
      weight = try fields.decodeIfPresent(Double.self, forKey: .weight) ?? 1
      options = try fields.decodeIfPresent(JSONValue.self, forKey: .options) ?? .object([:])
    }
  }

  public struct Optimizer: Codable, Sendable, Equatable {
    public enum Kind: String, Codable, Sendable {
      /// Adam with decoupled weight decay (Loshchilov & Hutter 2019).
      case adamW
      /// BERT's: no bias correction, decay inside the update (Devlin et al. 2019).
      case bertAdam
      case sgd
    }
    public var kind = Kind.adamW
    public var learningRate = 1e-4
    public var beta1 = 0.9
    public var beta2 = 0.98
    public var epsilon = 1e-8
    public var weightDecay = 0.01
    /// SGD's momentum.
    public var momentum = 0.9
    public var nesterov = false
    /// The largest norm of all gradients together; 0 for no limit.
    public var clip = 0.0
    /// Factor on the learning rate of heads.
    public var headMultiplier = 1.0
    /// Factor on the learning rate for each layer further down; 1 for none.
    public var layerDecay = 1.0
    /// Weights whose names start so are not trained.
    public var frozen: [String] = []
    /// Decay of the averaged copy that is evaluated and saved; 0 for none.
    public var averaging = 0.0
    public init() {}
  }

  public struct Schedule: Codable, Sendable, Equatable {
    public enum Kind: String, Codable, Sendable { case linear, cosine, constant }
    public var kind = Kind.linear
    /// The share of all steps in which the rate rises from 0.
    public var warmup = 0.1
    public init() {}
  }

  public struct Batch: Codable, Sendable, Equatable {
    /// Examples a step; each objective makes its own sequences of them.
    public var examples = 64
    /// The most packed rows of one forward; a step is cut into as many as it takes.
    public var rows = 8192
    public init() {}
  }

  public struct Compute: Codable, Sendable, Equatable {
    public var device = "cpu"
    public var precision = Precision.float32
    /// Threads inside an operator; 0 for all cores.
    public var threads = 0
    public var linearKernel = LinearKernelChoice.measured
    public var recomputation = Recomputation.none
    public init() {}
  }

  public struct Evaluation: Codable, Sendable, Equatable {
    /// Steps between evaluations; 0 for the last step only.
    public var every = 0
    public var split = Split.validation
    /// The most records of an evaluation during training; 0 for all.
    public var records = 0
    /// Stop after so many evaluations without a better one; 0 for never.
    public var patience = 0
    public init() {}
  }

  public struct Checkpoints: Codable, Sendable, Equatable {
    /// Steps between checkpoints; 0 for the last step only.
    public var every = 0
    /// How many are kept beside the best one.
    public var keep = 1
    public init() {}
  }
}

/// Which kernel serves matrix products: one of them, or whichever a short measurement finds faster.
public enum LinearKernelChoice: String, Codable, Sendable {
  case measured, plain, oneDNN
}
