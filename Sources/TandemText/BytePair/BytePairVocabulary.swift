/// The tokens of a byte-pair encoding by id, and the merges in terms of ids.
struct BytePairVocabulary: Sendable {
  /// The bytes of each token; those of a special token are its name.
  private(set) var tokens: [ByteToken] = []
  private(set) var specials: Set<Int32> = []
  private(set) var ids: [ByteToken: Int32] = [:]
  private(set) var specialIDs: [String: Int32] = [:]
  /// The number of bytes of each token.
  private(set) var lengths: [Int32] = []
  /// The token of each byte, and of each byte as the last of its word.
  private(set) var byteTokens: [Int32] = []
  private(set) var lastByteTokens: [Int32] = []
  private(set) var pairs: PairTable

  /// The vocabulary that CLIP makes of its merges: the bytes, the bytes that end words, what each
  /// merge makes, and the two special tokens: 49 408 ids.
  init(clip list: MergeList, specials names: BytePairEncoding.Specials) throws {
    pairs = PairTable(count: list.merges.count)
    var lines: [ByteToken: Int] = [:]
    for endsWord in [false, true] {
      for byte in ByteAlphabet.order { add(ByteToken([byte], endsWord: endsWord)) }
    }
    for (rank, merge) in list.merges.enumerated() {
      let result = merge.left + merge.right
      if ids[result] != nil {
        throw BytePairError.repeatedMerge(
          source: list.source, line: merge.line, merge: result.written, first: lines[result] ?? 0)
      }
      let left = try part(merge.left, of: merge, in: list)
      let right = try part(merge.right, of: merge, in: list)
      let id = Int32(tokens.count)
      add(result)
      lines[result] = merge.line
      pairs.insert(left, right, PairTable.Merge(rank: UInt32(rank), result: id))
    }
    for name in names.all { addSpecial(name) }
    indexBytes(endsWord: true)
  }

  /// A vocabulary whose ids come from a file of their own.
  init(
    ids given: [String: Int], source: String, merges list: MergeList,
    specials names: BytePairEncoding.Specials
  ) throws {
    pairs = PairTable(count: list.merges.count)
    let special = Set(names.all)
    for (id, name) in try Self.ordered(given, source: source).enumerated() {
      if special.contains(name) {
        addSpecial(name)
      } else if let token = ByteToken(written: name, style: .gpt2) {
        add(token)
      } else {
        throw BytePairError.unreachableToken(
          source: source, token: name, id: id, merges: list.source)
      }
    }
    for name in names.all where specialIDs[name] == nil {
      throw BytePairError.missingBasicToken(source: source, token: name, kind: "the special token")
    }
    for byte in ByteAlphabet.order where ids[ByteToken([byte])] == nil {
      throw BytePairError.missingBasicToken(
        source: source, token: ByteToken([byte]).written, kind: "the byte")
    }
    indexBytes(endsWord: false)

    // A token may be made in two ways, a pair be merged in one only.
    var lines: [Int32: Int] = [:]
    for (rank, merge) in list.merges.enumerated() {
      let result = merge.left + merge.right
      guard let id = ids[result] else {
        throw BytePairError.missingToken(
          source: source, token: result.written, merges: list.source, line: merge.line)
      }
      let parts = try [merge.left, merge.right].map { token in
        let id = try part(token, of: merge, in: list)
        guard token.bytes.count == 1 || lines[id] != nil else {
          throw BytePairError.unknownPart(
            source: list.source, line: merge.line, part: token.written)
        }
        return id
      }
      if pairs[parts[0], parts[1]] != nil {
        throw BytePairError.repeatedMerge(
          source: list.source, line: merge.line, merge: result.written, first: lines[id] ?? 0)
      }
      pairs.insert(parts[0], parts[1], PairTable.Merge(rank: UInt32(rank), result: id))
      lines[id] = lines[id] ?? merge.line
    }
    for (id, token) in tokens.enumerated()
    where token.bytes.count > 1 && lines[Int32(id)] == nil && !specials.contains(Int32(id)) {
      throw BytePairError.unreachableToken(
        source: source, token: token.written, id: id, merges: list.source)
    }
  }

  /// The token of `id` as files write it.
  func written(_ id: Int32) -> String? {
    guard tokens.indices.contains(Int(id)) else { return nil }
    let token = tokens[Int(id)]
    return specials.contains(id) ? String(decoding: token.bytes, as: UTF8.self) : token.written
  }

  private mutating func add(_ token: ByteToken) {
    ids[token] = Int32(tokens.count)
    tokens.append(token)
    lengths.append(Int32(token.bytes.count))
  }

  private mutating func addSpecial(_ name: String) {
    guard specialIDs[name] == nil else { return }
    let id = Int32(tokens.count)
    specialIDs[name] = id
    specials.insert(id)
    tokens.append(ByteToken(Array(name.utf8)))
    lengths.append(Int32(name.utf8.count))
  }

  private mutating func indexBytes(endsWord: Bool) {
    // Every byte has been put in or looked for before.
    byteTokens = (UInt8.min...UInt8.max).map { ids[ByteToken([$0])] ?? 0 }
    lastByteTokens = (UInt8.min...UInt8.max).map { byte in
      ids[ByteToken([byte], endsWord: endsWord)] ?? 0
    }
  }

  private func part(
    _ token: ByteToken, of merge: MergeList.Merge, in list: MergeList
  ) throws -> Int32 {
    guard let id = ids[token] else {
      throw BytePairError.unknownPart(source: list.source, line: merge.line, part: token.written)
    }
    return id
  }

  /// The tokens in the order of their ids, which are 0 and up, each once.
  private static func ordered(_ given: [String: Int], source: String) throws -> [String] {
    var names = [String?](repeating: nil, count: given.count)
    for (name, id) in given {
      guard names.indices.contains(id) else {
        throw BytePairError.wrongID(
          source: source, token: name, id: id,
          reason: "there are \(given.count) tokens, so ids end at \(given.count - 1)")
      }
      if let other = names[id] {
        // In the order of the alphabet, for the same message each time.
        throw BytePairError.wrongID(
          source: source, token: max(name, other), id: id,
          reason: "the token \"\(min(name, other))\" has it too")
      }
      names[id] = name
    }
    return names.compactMap { $0 }
  }
}
