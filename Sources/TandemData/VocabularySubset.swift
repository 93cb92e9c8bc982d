internal import Foundation
public import TandemCore
public import TandemText

/// The part of a vocabulary that some data sets use. A small model on a small world spends most of
/// its weights and time on words that never come.
public enum VocabularySubset {
  /// Special tokens, single characters (so that any word can be spelled), and every piece of the
  /// training texts and answers, in the vocabulary's own order: texts of the data are cut as before.
  ///
  /// - Throws: what a data set throws that cannot be read.
  public static func tokens(
    of vocabulary: Vocabulary, lowercased: Bool = true, in datasets: [any Dataset]
  ) throws -> [String] {
    let tokenizer = WordPiece(vocabulary: vocabulary, lowercased: lowercased)
    var used: Set<Int32> = []
    for dataset in datasets {
      for index in 0..<dataset.count {
        let record = try dataset.record(at: index)
        for text in record.texts + record.answers { used.formUnion(tokenizer.encode(text).ids) }
      }
    }
    return vocabulary.tokens.enumerated().filter { id, token in
      used.contains(Int32(id)) || vocabulary.isSpecial(Int32(id)) || isSingle(token)
    }.map(\.element)
  }

  /// A letter, digit or mark of ASCII, alone or at a word's end.
  private static func isSingle(_ token: String) -> Bool {
    let piece = token.hasPrefix("##") ? String(token.dropFirst(2)) : token
    return piece.utf8.count == 1
  }
}
