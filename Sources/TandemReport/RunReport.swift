/// Everything a finished run has to tell, as plain values; ``html()`` turns it into one file.
///
/// The page needs nothing from outside: pictures travel inside it, charts are inline SVG, fonts are
/// those of the reader's system. Sections without content are left out. All strings are plain text:
/// they are escaped on the way into the page.
public struct RunReport: Sendable, Equatable {
  public var title: String
  public var subtitle: String
  /// What the run was, in a few words each: model, parameters, data, steps, time, machine.
  public var facts: [Fact]
  public var results: [Result]
  public var curves: [Chart]
  public var tables: [Table]
  public var samples: [Sample]
  public var alignments: [Alignment]
  /// Every setting of the run with where it came from, section by section.
  public var recipe: [RecipeSection]
  public var notes: [String]

  public init(
    title: String, subtitle: String = "", facts: [Fact] = [], results: [Result] = [],
    curves: [Chart] = [], tables: [Table] = [], samples: [Sample] = [],
    alignments: [Alignment] = [], recipe: [RecipeSection] = [], notes: [String] = []
  ) {
    self.title = title
    self.subtitle = subtitle
    self.facts = facts
    self.results = results
    self.curves = curves
    self.tables = tables
    self.samples = samples
    self.alignments = alignments
    self.recipe = recipe
    self.notes = notes
  }

  /// How a number is written.
  public enum NumberStyle: Sendable, Equatable {
    /// A share from 0 to 1, written as a percentage.
    case share
    /// Any other number, written with four significant digits.
    case plain
  }

  /// One line of the header: "Parameters", "111 M".
  public struct Fact: Sendable, Equatable {
    public var name: String
    public var value: String

    public init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  /// What a result is compared with: the majority answer, the same training from random weights.
  public struct Baseline: Sendable, Equatable {
    public var name: String
    /// In the unit of the result.
    public var value: Double

    public init(_ name: String, _ value: Double) {
      self.name = name
      self.value = value
    }
  }

  /// One measured number.
  public struct Result: Sendable, Equatable {
    public var name: String
    /// The number; shares from 0 to 1. Not finite is written as a dash.
    public var value: Double
    public var style: NumberStyle
    /// The 95 % interval in the unit of `value`, such as `ConfidenceInterval.wilson` gives.
    public var interval: ClosedRange<Double>?
    /// On how many examples it was measured.
    public var count: Int?
    public var baselines: [Baseline]

    public init(
      name: String, value: Double, style: NumberStyle = .share,
      interval: ClosedRange<Double>? = nil, count: Int? = nil, baselines: [Baseline] = []
    ) {
      self.name = name
      self.value = value
      self.style = style
      self.interval = interval
      self.count = count
      self.baselines = baselines
    }
  }

  /// One answer the model gave, with its probability from 0 to 1.
  public struct Answer: Sendable, Equatable {
    public var text: String
    public var probability: Double

    public init(_ text: String, _ probability: Double) {
      self.text = text
      self.probability = probability
    }
  }

  /// One example with what the model made of it.
  public struct Sample: Sendable, Equatable {
    /// One picture, or two for tasks that compare a pair.
    public var pictures: [Picture]
    /// The question, caption or statement.
    public var text: String
    public var expected: String
    /// The best answers, most probable first.
    public var answers: [Answer]
    public var isRight: Bool

    public init(
      pictures: [Picture], text: String, expected: String, answers: [Answer], isRight: Bool
    ) {
      self.pictures = pictures
      self.text = text
      self.expected = expected
      self.answers = answers
      self.isRight = isRight
    }
  }

  /// Where in a picture the words of a text are found.
  public struct Alignment: Sendable, Equatable {
    /// A word and its heat map over the picture.
    public struct Word: Sendable, Equatable {
      public var word: String
      public var heat: Picture

      public init(_ word: String, heat: Picture) {
        self.word = word
        self.heat = heat
      }
    }

    public var picture: Picture
    public var text: String
    public var words: [Word]

    public init(picture: Picture, text: String, words: [Word]) {
      self.picture = picture
      self.text = text
      self.words = words
    }
  }

  /// One setting: `optimizer.rate`, `5e-5`, "recipe vqa".
  public struct Setting: Sendable, Equatable {
    public var key: String
    public var value: String
    /// Where the value comes from: the default, a preset, a file, the command line.
    public var origin: String

    public init(_ key: String, _ value: String, origin: String) {
      self.key = key
      self.value = value
      self.origin = origin
    }
  }

  /// Settings that belong together.
  public struct RecipeSection: Sendable, Equatable {
    public var name: String
    public var rows: [Setting]

    public init(_ name: String, rows: [Setting]) {
      self.name = name
      self.rows = rows
    }
  }
}
