import Foundation

/// Cuts text into the pieces of a byte-level byte-pair encoding, and puts pieces together to text
/// again. Every byte has a piece, so no text is unknown.
///
/// A text is split into words by the style's pattern, and each word's bytes are merged, the best
/// pair first. Words are what ``TokenizedText/wordRanges()`` gives: with CLIP each run of letters,
/// digit, run of other marks, and contraction such as `'s`; with GPT-2 the same with the one space
/// before them, runs of digits, and runs of white space.
///
/// CLIP's texts are cleaned and lower-cased first, and a literal `<|startoftext|>` or
/// `<|endoftext|>` is that token. Cleaning does what ftfy 6.3 does (HTML's references, controls,
/// ligatures, full and half width, quotation marks, terminal escapes, composition) and takes
/// HTML's references out twice more. It does not do ftfy's guess that a text was decoded by a wrong
/// encoding, as `â€™` for an apostrophe: such text is encoded as it stands.
///
/// GPT-2's texts are taken as they are, special tokens too, and `decode(encode(text).ids)` is
/// `text`. RoBERTa and UNIMO add a space before the first word where they want it spelled as
/// others are.
///
/// Words spelled before are remembered, in bounded memory; copies share this. Encoding from any
/// number of threads at once is safe and gives the same as from one.
/// Source: A. Radford et al., "Learning Transferable Visual Models From Natural Language
/// Supervision", 2021, section 2.4; "Language Models are Unsupervised Multitask Learners", 2019,
/// section 2.2.
public struct BytePairEncoding: Sendable {
  /// How texts are cleaned and split, and how words end.
  public enum Style: String, Sendable, CaseIterable {
    /// Cleaned, lower-cased; single digits; the last piece of a word carries `</w>`.
    case clip
    /// As it is; a word carries the space before it as `Ġ`.
    case gpt2
  }

  /// The tokens of a vocabulary that no merge makes.
  public struct Specials: Sendable, Equatable {
    /// Opens a sequence.
    public var start: String
    /// Closes a text.
    public var end: String
    /// Any more there are.
    public var others: [String]

    public init(start: String, end: String, others: [String] = []) {
      self.start = start
      self.end = end
      self.others = others
    }

    /// `<|startoftext|>` and `<|endoftext|>`.
    public static let clip = Specials(start: "<|startoftext|>", end: "<|endoftext|>")

    /// `<|endoftext|>` for both.
    public static let gpt2 = Specials(start: "<|endoftext|>", end: "<|endoftext|>")

    /// Those of RoBERTa's `vocab.json`, with the words it is filled up with.
    public static let roberta = Specials(
      start: "<s>", end: "</s>",
      others: [
        "<pad>", "<unk>", "<mask>", "<|endoftext|>", "madeupword0000", "madeupword0001",
        "madeupword0002",
      ])

    var all: [String] { [start, end] + others }
  }

  /// How texts are cleaned and split.
  public let style: Style
  /// The id that opens a sequence.
  public let start: Int32
  /// The id that closes a text. CLIP's models read the text's feature there, and pad with it or
  /// with 0.
  public let end: Int32

  let vocabulary: BytePairVocabulary
  let workspaces = WorkspacePool()

  /// Reads CLIP's merges from the unpacked `bpe_simple_vocab_16e6.txt`, or a `merges.txt` with
  /// the 48 894 of them that count.
  ///
  /// - Throws: ``BytePairError`` when the file is missing or unreadable, lacks its first line with
  ///   the version, has another number of merges, or holds a line that is no merge, merges what
  ///   is not there yet, or repeats another.
  public init(clipMergesFile path: String) throws {
    try self.init(clipMerges: try MergeList.text(ofFile: path), source: path)
  }

  /// The same from the text of the file; `source` names it in messages.
  public init(clipMerges text: String, source: String = "merges list") throws {
    let list = try MergeList(clip: text, source: source)
    try self.init(
      style: .clip, specials: .clip,
      vocabulary: try BytePairVocabulary(clip: list, specials: .clip))
  }

  /// Reads a vocabulary of the GPT-2 family: `vocab.json` (or `encoder.json`) with the ids and
  /// `merges.txt` (or `vocab.bpe`) with the merges.
  ///
  /// The ids are those of the JSON file. UNIMO's text vocabulary goes on from there: it looks the
  /// decimal numerals of the ids of GPT-2's own `encoder.json` up in a list of its own.
  ///
  /// - Parameter specials: the tokens that no merge makes; each must be in the vocabulary.
  /// - Throws: ``BytePairError`` when a file is missing, unreadable or garbled, ids are not 0 and
  ///   up, a byte, a special token or a merge's token is missing from the vocabulary, or the
  ///   vocabulary holds a token that no merge makes.
  public init(
    vocabularyFile: String, mergesFile: String, specials: Specials = .gpt2
  ) throws {
    let json = try MergeList.text(ofFile: vocabularyFile)
    let ids: [String: Int]
    do {
      ids = try JSONDecoder().decode([String: Int].self, from: Data(json.utf8))
    } catch {
      throw BytePairError.malformedVocabulary(source: vocabularyFile, reason: Self.reason(error))
    }
    try self.init(
      vocabulary: ids, merges: try MergeList.text(ofFile: mergesFile), specials: specials,
      vocabularySource: vocabularyFile, mergesSource: mergesFile)
  }

  /// The same from ids by token and the text of the merges; the sources name both in messages.
  public init(
    vocabulary ids: [String: Int], merges: String, specials: Specials = .gpt2,
    vocabularySource: String = "vocabulary", mergesSource: String = "merges list"
  ) throws {
    let list = try MergeList(gpt2: merges, source: mergesSource)
    try self.init(
      style: .gpt2, specials: specials,
      vocabulary: try BytePairVocabulary(
        ids: ids, source: vocabularySource, merges: list, specials: specials))
  }

  private init(style: Style, specials: Specials, vocabulary: BytePairVocabulary) throws {
    func id(of special: String) throws -> Int32 {
      guard let id = vocabulary.specialIDs[special] else {
        throw BytePairError.missingBasicToken(
          source: "vocabulary", token: special, kind: "the special token")
      }
      return id
    }
    self.style = style
    self.vocabulary = vocabulary
    start = try id(of: specials.start)
    end = try id(of: specials.end)
  }

  private static func reason(_ error: any Error) -> String {
    guard let error = error as? DecodingError else { return "\(error)" }
    switch error {
    case .typeMismatch(_, let context), .valueNotFound(_, let context),
      .keyNotFound(_, let context), .dataCorrupted(let context):
      let key = context.codingPath.last.map { "key \"\($0.stringValue)\": " } ?? ""
      return key + context.debugDescription
    @unknown default:
      return "\(error)"
    }
  }
}
