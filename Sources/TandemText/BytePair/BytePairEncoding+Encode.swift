extension BytePairEncoding: Tokenizer {
  /// The number of ids: 49 408 for CLIP, 50 257 for GPT-2, 50 265 for RoBERTa.
  public var vocabularyCount: Int { vocabulary.tokens.count }

  public func token(of id: Int32) -> String? {
    vocabulary.written(id)
  }

  public func id(of token: String) -> Int32? {
    vocabulary.specialIDs[token]
      ?? ByteToken(written: token, style: style).flatMap { vocabulary.ids[$0] }
  }

  public func isSpecial(_ id: Int32) -> Bool {
    vocabulary.specials.contains(id)
  }

  /// The pieces of `text`, with no special tokens around them.
  ///
  /// A piece's offsets are those of all scalars it has bytes of, so the pieces of one emoji share
  /// its stretch. Where cleaning made one scalar of several, as of `&amp;`, the stretch is theirs.
  public func encode(_ text: String) -> TokenizedText {
    var workspace = workspaces.take()
    var result = TokenizedText()
    var encoder = WordEncoder(vocabulary: vocabulary, start: start, end: end)
    withWords(of: text, &workspace) { words, workspace in
      result.reserveCapacity(words.text.count / 4 + 4)
      while let word = words.next() {
        encoder.append(word, of: words, to: &result, &workspace)
      }
    }
    workspaces.putBack(workspace)
    return result
  }

  /// The words of `text` as they are spelled: cleaned, lower-cased and split as the style asks.
  ///
  /// `offsets` are in Unicode scalars of `text`.
  public func words(in text: String) -> [(word: String, offsets: Range<Int32>)] {
    var workspace = workspaces.take()
    var result: [(word: String, offsets: Range<Int32>)] = []
    withWords(of: text, &workspace) { words, _ in
      while let word = words.next() {
        let spelling = String(decoding: words.text[word.bytes], as: UTF8.self)
        result.append((spelling, words.original(word.scalars)))
      }
    }
    workspaces.putBack(workspace)
    return result
  }

  private func withWords(
    of text: String, _ workspace: inout EncodingWorkspace,
    _ body: (inout WordSplitter, inout EncodingWorkspace) -> Void
  ) {
    var text = text
    text.withUTF8 { utf8 in
      switch style {
      case .gpt2:
        var words = WordSplitter(utf8, style: .gpt2, origins: nil)
        body(&words, &workspace)
      case .clip where CaptionCleaner.isClean(utf8):
        // Only the case changes; the buffer leaves the workspace while it is read.
        var lowercased: [UInt8] = []
        swap(&lowercased, &workspace.lowercased)
        lowercased.removeAll(keepingCapacity: true)
        lowercased.append(contentsOf: utf8.lazy.map(CaptionCleaner.lowercase))
        lowercased.withUnsafeBufferPointer { bytes in
          var words = WordSplitter(bytes, style: .clip, origins: nil)
          body(&words, &workspace)
        }
        swap(&lowercased, &workspace.lowercased)
      case .clip:
        let cleaned = CaptionCleaner.clean(utf8)
        cleaned.utf8.withUnsafeBufferPointer { bytes in
          var words = WordSplitter(bytes, style: .clip, origins: cleaned.origins)
          body(&words, &workspace)
        }
      }
    }
  }
}

/// Appends word after word to a tokenised text.
private struct WordEncoder {
  let vocabulary: BytePairVocabulary
  let start: Int32
  let end: Int32
  private var word: Int32 = 0

  init(vocabulary: BytePairVocabulary, start: Int32, end: Int32) {
    self.vocabulary = vocabulary
    self.start = start
    self.end = end
  }

  @inline(__always)
  mutating func append(
    _ found: WordSplitter.Word, of words: borrowing WordSplitter, to result: inout TokenizedText,
    _ workspace: inout EncodingWorkspace
  ) {
    defer { word += 1 }
    if found.kind != .text {
      let id = found.kind == .start ? start : end
      return result.append(id: id, word: word, offsets: words.original(found.scalars))
    }
    let bytes = UnsafeBufferPointer(rebasing: words.text[found.bytes])
    guard bytes.count <= WordCache.longestWord else {
      spell(bytes, &workspace)
      return append(workspace.pieces, of: found, bytes, words, to: &result)
    }
    let hash = WordCache.hash(bytes)
    if let range = workspace.cache.find(bytes, hash: hash) {
      append(workspace.cache.pieces[range], of: found, bytes, words, to: &result)
    } else {
      spell(bytes, &workspace)
      workspace.cache.keep(workspace.pieces, of: bytes, hash: hash)
      append(workspace.pieces, of: found, bytes, words, to: &result)
    }
  }

  @inline(never)
  private func spell(_ bytes: UnsafeBufferPointer<UInt8>, _ workspace: inout EncodingWorkspace) {
    workspace.pieces.removeAll(keepingCapacity: true)
    workspace.merger.spell(bytes, with: vocabulary, into: &workspace.pieces)
  }

  @inline(__always)
  private func append(
    _ pieces: some Collection<Int32>, of found: WordSplitter.Word,
    _ bytes: UnsafeBufferPointer<UInt8>, _ words: borrowing WordSplitter,
    to result: inout TokenizedText
  ) {
    // Where each scalar is one byte, places in bytes are places in scalars.
    if found.scalars.count == bytes.count {
      var first = found.scalars.lowerBound
      for piece in pieces {
        let last = first + vocabulary.lengths[Int(piece)]
        result.append(id: piece, word: word, offsets: words.original(first..<last))
        first = last
      }
      return
    }
    var place = 0
    var scalar = found.scalars.lowerBound
    for piece in pieces {
      let end = place + Int(vocabulary.lengths[Int(piece)])
      // A piece that begins inside a scalar has a share in it.
      let first = Utf8.isContinuation(bytes[place]) ? scalar - 1 : scalar
      while place < end {
        if !Utf8.isContinuation(bytes[place]) { scalar += 1 }
        place += 1
      }
      result.append(id: piece, word: word, offsets: words.original(first..<scalar))
    }
  }
}

private enum Utf8 {
  @inline(__always)
  static func isContinuation(_ byte: UInt8) -> Bool { byte & 0xC0 == 0x80 }
}
