// How far two results are apart, and how far they may be.

package import TandemTorch

/// What float32 may lose; each is a few times what was measured.
package enum Tolerance {
  /// The same numbers, computed in another order.
  package static let rounding = 2e-6
  /// Outputs of a layer or a small model against float64.
  package static let output = 5e-6
  /// Gradients against float64, relative to the largest of their tensor.
  package static let gradient = 1e-5
  /// A loss against float64, relative.
  package static let loss = 2e-6
  /// A gradient against a central difference in float32, relative.
  package static let finiteDifference = 5e-3
  /// bfloat16 keeps 8 bits: two layers of it against float32, relative to the largest value.
  package static let bfloat16 = 3e-2
  /// Metrics and schedules, in float64.
  package static let double = 1e-9
}

/// The largest absolute difference; infinite for other shapes or numbers that are not finite.
package func difference(_ found: Tensor, _ expected: Tensor) throws -> Double {
  guard found.shape == expected.shape else { return .infinity }
  return difference(try found.detached().floats(), try expected.detached().floats())
}

package func difference(_ found: [Float], _ expected: [Float]) -> Double {
  guard found.count == expected.count else { return .infinity }
  var largest = 0.0
  for (a, b) in zip(found, expected) {
    let gap = abs(Double(a) - Double(b))
    guard gap.isFinite else { return .infinity }
    largest = max(largest, gap)
  }
  return largest
}

/// The largest absolute value.
package func largest(_ tensor: Tensor) throws -> Double {
  try tensor.detached().floats().reduce(0) { max($0, abs(Double($1))) }
}

/// The largest difference as a share of the largest expected value, or of `floor` where all
/// expected values are smaller.
package func relativeDifference(
  _ found: Tensor, _ expected: Tensor, floor: Double = 1e-3
) throws -> Double {
  try difference(found, expected) / max(try largest(expected), floor)
}

/// How a sum moves along `direction` at `point`: (f(x + hv) − f(x − hv)) / 2h, and the same from
/// the gradient that was found. They are to agree.
package func slopes(
  at point: Tensor, gradient: Tensor, step: Double = 1e-2, seed: UInt64,
  _ value: (Tensor) throws -> Double
) throws -> (difference: Double, gradient: Double) {
  let direction = try randomTensor(point.shape, seed: seed)
  let (ahead, behind) = try withoutGradients {
    (
      try value(point.detached() + direction * step),
      try value(point.detached() - direction * step)
    )
  }
  return ((ahead - behind) / (2 * step), try (gradient * direction).sum().item())
}

/// Standard normal numbers.
package func randomTensor(_ shape: [Int], seed: UInt64) throws -> Tensor {
  var stream = RandomStream(seed: seed)
  let values = (0..<shape.reduce(1, *)).map { _ in Float(stream.normal()) }
  return try Tensor(values, shape)
}

/// A copy that gradients are asked of.
package func leaf(_ tensor: Tensor) throws -> Tensor {
  let copy = try tensor.detached().clone()
  try copy.setRequiresGradient(true)
  return copy
}
