/// Places for text in a chart, and how wide text is likely to be.
package enum LabelPlacement {
  /// The width of `text` at a font size, a little on the generous side: the reader's font is not
  /// known when the page is written.
  package static func width(of text: String, fontSize: Double) -> Double {
    text.unicodeScalars.reduce(0) { sum, scalar in
      let share: Double =
        switch scalar.value {
        case 0x1100...: scalar.value < 0x2000 || (0x2000...0x2BFF).contains(scalar.value) ? 0.62 : 1
        default: narrow.contains(scalar) ? 0.36 : scalar.properties.isUppercase ? 0.7 : 0.59
        }
      return sum + share * fontSize
    }
  }

  private static let narrow: Set<Unicode.Scalar> = [
    " ", ".", ",", "i", "j", "l", "t", "f", "I", "|", "'", "(", ")", ":", "-",
  ]

  /// Moves wishes as little as possible until they are `gap` apart and within `range`.
  ///
  /// Neighbours that would overlap are joined into a block that is centred on the mean of its
  /// wishes. The answer is in the order of the wishes. When they cannot fit they keep the gap and
  /// start at the top of the range.
  package static func spread(
    _ wishes: [Double], gap: Double, within range: ClosedRange<Double>
  ) -> [Double] {
    struct Block {
      var members: [Int]
      /// The sum over members of the wish less the member's offset in the block.
      var sum: Double

      func start(gap: Double, within range: ClosedRange<Double>) -> Double {
        let length = gap * Double(members.count - 1)
        return max(
          range.lowerBound, min(sum / Double(members.count), range.upperBound - length))
      }
    }

    let order = wishes.indices.sorted { (wishes[$0], $0) < (wishes[$1], $1) }
    var blocks: [Block] = []
    for index in order {
      var block = Block(members: [index], sum: wishes[index])
      while let above = blocks.last {
        let end =
          above.start(gap: gap, within: range) + gap * Double(above.members.count)
        guard block.start(gap: gap, within: range) < end else { break }
        blocks.removeLast()
        let shift = gap * Double(above.members.count) * Double(block.members.count)
        block = Block(
          members: above.members + block.members, sum: above.sum + block.sum - shift)
      }
      blocks.append(block)
    }
    var places = wishes
    for block in blocks {
      let start = block.start(gap: gap, within: range)
      for (offset, index) in block.members.enumerated() {
        places[index] = start + gap * Double(offset)
      }
    }
    return places
  }
}
