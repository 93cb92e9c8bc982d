extension WordPiece: Tokenizer {
  public var vocabularyCount: Int { vocabulary.count }

  /// The id of `[CLS]`.
  public var start: Int32 { vocabulary.classification }

  /// The id of `[SEP]`.
  public var end: Int32 { vocabulary.separator }

  public func token(of id: Int32) -> String? {
    vocabulary.tokens.indices.contains(Int(id)) ? vocabulary.tokens[Int(id)] : nil
  }

  public func id(of token: String) -> Int32? {
    vocabulary.id(of: token)
  }

  public func isSpecial(_ id: Int32) -> Bool {
    vocabulary.isSpecial(id)
  }
}
