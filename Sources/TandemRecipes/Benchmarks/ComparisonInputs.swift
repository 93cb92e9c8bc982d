// The inputs of a comparison: pictures, words, hidden words and pairs, from one safetensors file.

internal import TandemCore
internal import TandemImage
internal import TandemObjectives
internal import TandemTorch

struct ComparisonInputs {
  private let file: SafeTensorsFile
  private let pictures: [Picture]
  private let lengths: [Int]

  struct Part {
    var sequences: [InputSequence] = []
    var words: [Placed<MaskedLanguageModeling.Target>] = []
    var pairs: [Placed<ImageTextMatching.Match>] = []
  }

  init(_ path: String) throws {
    let file = try SafeTensorsFile(path: path)
    self.file = file
    lengths = try file.tensor("lengths").array(of: Int.self)
    let pixels = try file.tensor("pixels")
    let shape = pixels.shape
    guard shape.count == 4, shape[3] == 3, shape[0] == lengths.count else {
      throw DataError("\(path): pixels: expected [B, height, width, 3], found \(shape)")
    }
    pictures = try (0..<shape[0]).map { place in
      Picture(
        key: UInt64(place),
        image: try Image(
          width: shape[2], height: shape[1], pixels: pixels.narrow(0, from: place, 1).array()))
    }
  }

  /// The sequences of a run. A pre-training step is cut in two, as a budget of rows would have it;
  /// the two sequences of a pair stay together, so that its picture is embedded once.
  func parts(_ kind: ViLTComparison.Kind) throws -> [Part] {
    let count = lengths.count
    guard kind == .pretrain else { return [try part(0..<count, kind)] }
    return [try part(0..<count / 2, kind), try part(count / 2..<count, kind)]
  }

  private func part(_ range: Range<Int>, _ kind: ViLTComparison.Kind) throws -> Part {
    let words = try rows("words")
    let hidden = try kind == .inference ? words : rows("masked_words")
    var part = Part()
    for place in range {
      part.sequences.append(
        InputSequence(text: hidden[place], picture: pictures[place], key: UInt64(place)))
    }
    guard kind != .inference else { return part }
    let masked = try file.tensor("masked").array(of: Int.self)
    var targets: [Int: MaskedLanguageModeling.Target] = [:]
    for start in stride(from: 0, to: masked.count, by: 3) where range.contains(masked[start]) {
      targets[masked[start], default: .init(pieces: [], labels: [])].pieces
        .append(masked[start + 1])
      targets[masked[start]]?.labels.append(Int32(masked[start + 2]))
    }
    part.words = targets.sorted { $0.key < $1.key }.map {
      Placed(sequence: $0.key - range.lowerBound, target: $0.value)
    }
    guard kind == .pretrain else { return part }
    let shown = try file.tensor("picture").array(of: Int.self)
    let match = try file.tensor("match").array(of: Int.self)
    for place in range {
      part.pairs.append(
        Placed(sequence: part.sequences.count, target: .init(isMatch: match[place] == 1)))
      part.sequences.append(
        InputSequence(
          text: words[place], picture: pictures[shown[place]], key: UInt64(1000 + place)))
    }
    return part
  }

  /// The texts of a padded block [B, most], each as long as it is.
  private func rows(_ name: String) throws -> [[Int32]] {
    let tensor = try file.tensor(name)
    let values = try tensor.array(of: Int.self)
    let most = tensor.size(1)
    return lengths.enumerated().map { place, length in
      values[place * most..<place * most + length].map { Int32($0) }
    }
  }
}
