/// Walks over the scalars of valid UTF-8, both ways, counting them.
struct ScalarCursor {
  /// A scalar, its place in bytes and its place in scalars.
  struct Element {
    let value: UInt32
    let position: Int
    let index: Int32
  }

  private let text: UnsafeBufferPointer<UInt8>
  /// The byte the next scalar begins at.
  private(set) var position = 0
  /// The number of scalars before `position`.
  private(set) var index: Int32 = 0

  init(_ text: UnsafeBufferPointer<UInt8>) {
    self.text = text
  }

  /// The next scalar, which is then passed; nil at the end.
  @inline(__always)
  mutating func next() -> Element? {
    guard position < text.count else { return nil }
    let start = position
    let lead = UInt32(text[start])
    var value = lead
    if lead < 0x80 {
      position = start + 1
    } else if lead < 0xE0 {
      value = (lead & 0x1F) << 6 | continuation(start + 1)
      position = start + 2
    } else if lead < 0xF0 {
      value = (lead & 0x0F) << 12 | continuation(start + 1) << 6 | continuation(start + 2)
      position = start + 3
    } else {
      value =
        (lead & 0x07) << 18 | continuation(start + 1) << 12 | continuation(start + 2) << 6
        | continuation(start + 3)
      position = start + 4
    }
    defer { index += 1 }
    return Element(value: value, position: start, index: index)
  }

  /// The next scalar, which stays the next.
  func peek() -> Element? {
    var copy = self
    return copy.next()
  }

  /// Goes back by one scalar; does nothing at the beginning.
  mutating func back() {
    guard position > 0 else { return }
    repeat { position -= 1 } while position > 0 && text[position] & 0xC0 == 0x80
    index -= 1
  }

  /// Passes `count` scalars known to be ASCII.
  mutating func skip(ascii count: Int) {
    position += count
    index += Int32(count)
  }

  @inline(__always)
  private func continuation(_ place: Int) -> UInt32 {
    UInt32(text[place] & 0x3F)
  }
}
