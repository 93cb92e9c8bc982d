/// A scalar of a text being changed, and the stretch of the original text it came from.
struct LocatedScalar {
  let value: UInt32
  /// In scalars of the original text.
  let origin: Range<Int32>

  /// All scalars of valid UTF-8.
  static func all(in text: UnsafeBufferPointer<UInt8>) -> [LocatedScalar] {
    var result: [LocatedScalar] = []
    result.reserveCapacity(text.count)
    var cursor = ScalarCursor(text)
    while let scalar = cursor.next() {
      result.append(
        LocatedScalar(value: scalar.value, origin: scalar.index..<scalar.index + 1))
    }
    return result
  }

  /// The stretch from the first to the last of some scalars, not none.
  static func origin(of scalars: ArraySlice<LocatedScalar>) -> Range<Int32> {
    guard let first = scalars.first, let last = scalars.last else { return 0..<0 }
    return first.origin.lowerBound..<max(first.origin.upperBound, last.origin.upperBound)
  }
}

extension Array where Element == LocatedScalar {
  /// Adds scalars that all came from one stretch.
  mutating func append(_ values: some Sequence<UInt32>, from origin: Range<Int32>) {
    for value in values { append(LocatedScalar(value: value, origin: origin)) }
  }

  /// The scalars as a string.
  var string: String {
    var view = String.UnicodeScalarView()
    for scalar in self { view.append(Unicode.Scalar(scalar.value) ?? "\u{FFFD}") }
    return String(view)
  }
}
