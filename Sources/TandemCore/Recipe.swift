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
  public var mixture = Mixing()
  /// Examples from elsewhere beside the main data: texts alone, pictures alone, other pairs.
  public var streams: [Stream] = []
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
    /// The feature store of the pictures' regions, or a folder with one for each split; empty where
    /// the model reads pixels.
    public var regions = ""
    /// Features are brought to mean 0 and deviation 1, number by number, by those of the training
    /// pictures; the published models read them as they are.
    public var standardizesFeatures = false
    /// At most so many regions of a picture in training, drawn anew each time; 0 for all
    /// (Pixel-BERT draws 100 cells).
    public var sampledRegions = 0
    /// The first answer follows the question in the text.
    public var joinsAnswers = false
    /// The share of training records that get another one's text: to ask what noise does.
    public var wrongTexts = 0.0
    /// Mirror every second training picture, drawn anew each time: for data where left and right
    /// mean nothing.
    public var mirrors = false
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
    /// Objectives of one pass share a sequence; empty: as the mixture's masking says.
    public var pass = ""
    /// The stream it learns from; empty for the main data.
    public var stream = ""
    /// Its share of the steps where the mixture learns one pass a step.
    public var ratio = 1.0
    /// The epochs in which it is learned, counted from 0; 0 for no end.
    public var fromEpoch = 0.0
    public var untilEpoch = 0.0

    public init(
      _ name: String, weight: Double = 1, ratio: Double = 1, pass: String = "",
      stream: String = "", options: JSONValue = .object([:])
    ) {
      self.name = name
      self.weight = weight
      self.ratio = ratio
      self.pass = pass
      self.stream = stream
      self.options = options
    }

    public init(from decoder: any Decoder) throws {
      let fields = try decoder.container(keyedBy: CodingKeys.self)
      name = try fields.decode(String.self, forKey: .name)
      weight = try fields.decodeIfPresent(Double.self, forKey: .weight) ?? 1
      options = try fields.decodeIfPresent(JSONValue.self, forKey: .options) ?? .object([:])
      pass = try fields.decodeIfPresent(String.self, forKey: .pass) ?? ""
      stream = try fields.decodeIfPresent(String.self, forKey: .stream) ?? ""
      ratio = try fields.decodeIfPresent(Double.self, forKey: .ratio) ?? 1
      fromEpoch = try fields.decodeIfPresent(Double.self, forKey: .fromEpoch) ?? 0
      untilEpoch = try fields.decodeIfPresent(Double.self, forKey: .untilEpoch) ?? 0
    }
  }

  /// How the objectives go together.
  public struct Mixing: Codable, Sendable, Equatable {
    public enum Steps: String, Codable, Sendable {
      /// A step learns all of them, each on all its examples.
      case all
      /// A step learns one pass, drawn by the objectives' ratios (UNITER).
      case one
    }
    public enum Masking: String, Codable, Sendable {
      /// No sequence hides both words and regions (UNITER): each objective has its own.
      case conditional
      /// Objectives that hide something share one sequence (VL-BERT).
      case joint
      /// Those that ask whether text and picture match share it too (LXMERT).
      case together
    }
    public var steps = Steps.all
    public var masking = Masking.conditional
    public init() {}
  }

  public struct Stream: Codable, Sendable, Equatable {
    public enum Reads: String, Codable, Sendable { case pairs, texts, pictures }
    public var name: String
    public var dataset: String
    /// The folder that its data lie in; empty: that of the main data.
    public var root = ""
    public var reads = Reads.pairs
    /// Examples a step.
    public var examples = 64

    public init(
      _ name: String, dataset: String, root: String = "", reads: Reads = .pairs,
      examples: Int = 64
    ) {
      self.name = name
      self.dataset = dataset
      self.root = root
      self.reads = reads
      self.examples = examples
    }

    public init(from decoder: any Decoder) throws {
      let fields = try decoder.container(keyedBy: CodingKeys.self)
      name = try fields.decode(String.self, forKey: .name)
      dataset = try fields.decode(String.self, forKey: .dataset)
      root = try fields.decodeIfPresent(String.self, forKey: .root) ?? ""
      reads = try fields.decodeIfPresent(Reads.self, forKey: .reads) ?? .pairs
      examples = try fields.decodeIfPresent(Int.self, forKey: .examples) ?? 64
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
