// What a data set holds, and what it becomes on the way to a model.

public import TandemImage
public import TandemText

/// One record of a data set, undecoded.
public struct Record: Sendable, Equatable {
  /// Names the record in messages and results, for example "train/12".
  public var id: String
  /// Files of its pictures; most systems read one.
  public var pictures: [String]
  /// Its texts: a caption, or a question.
  public var texts: [String]
  /// Human answers to the question, one an annotator; empty for captions.
  public var answers: [String]

  public init(id: String, pictures: [String], texts: [String], answers: [String] = []) {
    self.id = id
    self.pictures = pictures
    self.texts = texts
    self.answers = answers
  }
}

/// A split of a data set, read by index. It never downloads and never changes files.
public protocol Dataset: Sendable {
  /// The name it has in recipes and on the command line.
  static var name: String { get }
  /// What it is, in a line.
  static var summary: String { get }
  /// Opens the split that lies under `root`. Throws `DataError` that names the file and the line.
  init(root: String, split: Split) throws
  var count: Int { get }
  func record(at index: Int) throws -> Record
}

public enum Split: String, Codable, Sendable, CaseIterable {
  case train, validation, test
}

/// Bad data: the file, the line or key, what was expected and what was found.
public struct DataError: Error, CustomStringConvertible {
  public let description: String
  public init(_ description: String) { self.description = description }
  public init(file: String, line: Int? = nil, _ reason: String) {
    description = line.map { "\(file):\($0): \(reason)" } ?? "\(file): \(reason)"
  }
}

/// A picture as the model reads it: its pixels at the model's size, its regions, or both.
public struct Picture: Sendable {
  /// Equal for equal content: such pictures are embedded once a batch.
  public let key: UInt64
  public let image: Image?
  public let regions: Regions?
  /// Where cells of a network's map are what a model reads: those that it is to read, in rising
  /// order; nil for all.
  public let cells: [Int]?

  public init(key: UInt64, image: Image? = nil, regions: Regions? = nil, cells: [Int]? = nil) {
    self.key = key
    self.image = image
    self.regions = regions
    self.cells = cells
  }
}

/// A record decoded, resized and tokenised.
public struct Example: Sendable {
  /// Its place in the split.
  public let index: Int
  public let record: Record
  public let pictures: [Picture]
  /// One for each text of the record, without special tokens, cut to the model's length.
  public let texts: [TokenizedText]

  public init(index: Int, record: Record, pictures: [Picture], texts: [TokenizedText]) {
    self.index = index
    self.record = record
    self.pictures = pictures
    self.texts = texts
  }
}
