// IEEE 754 binary16 from and to binary32, without branches, so that the loops become vector code.

/// Conversion of whole rows. Exact from half to single; from single to half rounds to nearest, ties
/// to even, as the standard asks.
enum HalfPrecision {
  /// Widens `output.count` halves at `halves`.
  static func widen(
    _ halves: UnsafeRawBufferPointer, into output: UnsafeMutableBufferPointer<Float>
  ) {
    guard let source = halves.baseAddress, halves.count >= output.count * 2 else { return }
    for index in output.indices {
      let half = UInt32(source.loadUnaligned(fromByteOffset: index &* 2, as: UInt16.self))
      // The exponent's bias differs by 112: one exact product corrects normal and subnormal numbers.
      let scaled = Float(bitPattern: (half & 0x7FFF) &<< 13) * 0x1p112
      let special = (half & 0x7C00) == 0x7C00 ? UInt32(0x7F80_0000) : 0
      output[index] = Float(
        bitPattern: scaled.bitPattern | special | ((half & 0x8000) &<< 16))
    }
  }

  /// Narrows `values` to halves at `output`, which must hold 2 bytes a value.
  ///
  /// - Returns: false where a finite value is too large for a half, and became infinity.
  static func narrow(
    _ values: UnsafeBufferPointer<Float>, into output: UnsafeMutableRawBufferPointer
  ) -> Bool {
    guard let target = output.baseAddress, output.count >= values.count * 2 else { return false }
    var overflow = UInt32(0)
    for index in values.indices {
      let bits = values[index].bitPattern
      let magnitude = bits & 0x7FFF_FFFF
      // A normal half: rebias, add half a unit less one, and one more where the kept bit is odd.
      let rounded = (magnitude &- (112 &<< 23) &+ 0xFFF &+ ((magnitude &>> 13) & 1)) &>> 13
      // A subnormal half: the sum with 0.5 puts its last bit where the addition rounds.
      let subnormal = (Float(bitPattern: magnitude) + 0.5).bitPattern &- Float(0.5).bitPattern
      var half = magnitude < (113 &<< 23) ? subnormal : rounded
      half = magnitude >= 0x477F_F000 ? 0x7C00 : half
      half = magnitude > 0x7F80_0000 ? 0x7E00 | ((magnitude &>> 13) & 0x3FF) : half
      overflow |= (magnitude >= 0x477F_F000 && magnitude < 0x7F80_0000) ? 1 : 0
      target.storeBytes(
        of: UInt16(truncatingIfNeeded: half | ((bits &>> 16) & 0x8000)),
        toByteOffset: index &* 2, as: UInt16.self)
    }
    return overflow == 0
  }

  static func floats(_ halves: UnsafeRawBufferPointer) -> [Float] {
    let count = halves.count / 2
    return [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
      widen(halves, into: UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
      initialized = count
    }
  }

  /// The bytes of `values` as halves, and whether every finite value fitted.
  static func bytes(_ values: [Float]) -> (bytes: [UInt8], fits: Bool) {
    var fits = true
    let bytes = [UInt8](unsafeUninitializedCapacity: values.count * 2) { buffer, initialized in
      fits = values.withUnsafeBufferPointer {
        narrow($0, into: UnsafeMutableRawBufferPointer(buffer))
      }
      initialized = values.count * 2
    }
    return (bytes, fits || values.isEmpty)
  }
}

/// How the store, and files, keep floating-point numbers.
public enum FeatureType: String, Sendable, CaseIterable, Codable {
  case float16, float32

  public var byteCount: Int { self == .float16 ? 2 : 4 }

  func floats(_ bytes: UnsafeRawBufferPointer) -> [Float] {
    switch self {
    case .float16: return HalfPrecision.floats(bytes)
    case .float32:
      let count = bytes.count / 4
      return [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
        UnsafeMutableRawBufferPointer(buffer).copyMemory(
          from: UnsafeRawBufferPointer(rebasing: bytes[..<(count * 4)]))
        initialized = count
      }
    }
  }
}
