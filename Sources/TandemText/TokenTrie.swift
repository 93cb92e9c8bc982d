/// All tokens of a vocabulary as one tree over their UTF-8 bytes, in a double array.
///
/// A node's child for byte `b` sits at `base + b`, and is really its child when its `parent`
/// says so: a step is one addition, one load and one comparison, whatever the size of the
/// vocabulary. Method: J. Aoe, "An Efficient Digital Search Algorithm by Using a Double-Array
/// Structure", IEEE Transactions on Software Engineering 15(9), 1989.
struct TokenTrie: Sendable {
  struct Node {
    /// Where the children begin; 0 for a leaf.
    var base: Int32 = 0
    /// The node this is a child of; -1 while the slot is free.
    var parent: Int32 = -1
    /// The id of the token that ends here, or -1.
    var token: Int32 = -1
  }

  static let root: Int32 = 0

  /// Followed by 256 free slots, so that `base + byte` is always in bounds.
  private(set) var nodes: [Node]

  /// Two tokens of the same bytes, by their places in the list.
  struct Duplicate: Error {
    let first: Int
    let second: Int
  }

  /// Builds the tree; a token's id is its place in `tokens`.
  init(_ tokens: [String]) throws(Duplicate) {
    var builder = Builder(tokens)
    if let duplicate = builder.duplicate { throw duplicate }
    builder.placeAll()
    nodes = builder.nodes
  }

  /// The node reached from `node` by `bytes`, or nil when no token goes that way.
  func node(after bytes: some Sequence<UInt8>, from node: Int32 = TokenTrie.root) -> Int32? {
    var node = node
    for byte in bytes {
      let next = nodes[Int(node)].base + Int32(byte)
      guard nodes[Int(next)].parent == node else { return nil }
      node = next
    }
    return node
  }

  /// The id of the token spelled by exactly `bytes`, or nil.
  func token(_ bytes: some Sequence<UInt8>) -> Int32? {
    guard let node = node(after: bytes) else { return nil }
    let token = nodes[Int(node)].token
    return token >= 0 ? token : nil
  }
}

extension TokenTrie {
  /// Places the children of one node after another, breadth first, where the first gap fits.
  private struct Builder {
    /// The tokens that share the path to `node`: `tokens[first..<last]`, equal up to `depth`.
    private struct Subtree {
      let node: Int32
      let first: Int
      let last: Int
      let depth: Int
    }

    private var tokens: [(bytes: [UInt8], id: Int)]
    private(set) var nodes: [Node]
    /// No slot from 256 to this one is free. Those before stay unused, so that a base, a slot
    /// less a byte, is never below 1.
    private var firstFree = 256
    /// Where to look for room for several children; only a single child fills the gaps before.
    private var roomFrom = 256

    init(_ tokens: [String]) {
      self.tokens = tokens.enumerated().map { (Array($0.element.utf8), $0.offset) }
      self.tokens.sort { left, right in
        if left.bytes.lexicographicallyPrecedes(right.bytes) { return true }
        return left.bytes == right.bytes && left.id < right.id
      }
      nodes = [Node](repeating: Node(), count: 512)
      nodes[0].parent = 0
    }

    var duplicate: Duplicate? {
      zip(tokens, tokens.dropFirst()).first { $0.bytes == $1.bytes }
        .map { Duplicate(first: $0.0.id, second: $0.1.id) }
    }

    mutating func placeAll() {
      var waiting = [Subtree(node: TokenTrie.root, first: 0, last: tokens.count, depth: 0)]
      var next = 0
      while next < waiting.count {
        place(childrenOf: waiting[next], into: &waiting)
        next += 1
      }
      // The used part, and the margin that keeps every step in bounds.
      let used = (nodes.lastIndex { $0.parent >= 0 } ?? 0) + 1
      let margin = [Node](repeating: Node(), count: 256)
      nodes.replaceSubrange(used..., with: margin)
    }

    private mutating func place(childrenOf subtree: Subtree, into waiting: inout [Subtree]) {
      var first = subtree.first
      if first < subtree.last, tokens[first].bytes.count == subtree.depth {
        nodes[Int(subtree.node)].token = Int32(tokens[first].id)
        first += 1
      }
      guard first < subtree.last else { return }

      var children: [(byte: UInt8, first: Int)] = []
      for index in first..<subtree.last {
        let byte = tokens[index].bytes[subtree.depth]
        if children.last?.byte != byte { children.append((byte, index)) }
      }
      let base = findBase(for: children.map { Int($0.byte) })
      nodes[Int(subtree.node)].base = Int32(base)
      for (place, child) in children.enumerated() {
        let node = base + Int(child.byte)
        nodes[node].parent = subtree.node
        let last = place + 1 < children.count ? children[place + 1].first : subtree.last
        waiting.append(
          Subtree(node: Int32(node), first: child.first, last: last, depth: subtree.depth + 1))
      }
    }

    /// A base from 1 at which every one of `bytes` (ascending) finds a free slot.
    private mutating func findBase(for bytes: [Int]) -> Int {
      while nodes[firstFree].parent >= 0 {
        firstFree += 1
        grow(toHold: firstFree)
      }
      let start = bytes.count == 1 ? firstFree : max(firstFree, roomFrom)
      var slot = start
      var isFree = false
      while !isFree {
        let base = slot - bytes[0]
        grow(toHold: base + 255)
        isFree = bytes.allSatisfy { nodes[base + $0].parent < 0 }
        slot += 1
      }
      // A long search means the stretch is nearly full: later ones begin where this one ended.
      if slot - start > 256 { roomFrom = slot }
      return slot - 1 - bytes[0]
    }

    private mutating func grow(toHold slot: Int) {
      guard slot >= nodes.count else { return }
      nodes.append(contentsOf: repeatElement(Node(), count: max(nodes.count, slot + 1)))
    }
  }
}
