// Numbers that a name and a place determine, as make_vision.py gives them, and what it keeps of
// large tensors.

package import TandemNN
package import TandemTorch

/// Uniform in centre ± bound.
package func ruled(
  _ name: String, _ shape: [Int], bound: Float = 1, centre: Float = 0
) throws -> Tensor {
  let start = stableHash(name)
  let values = (0..<shape.reduce(1, *)).map { place in
    let unit = Float(mixed(start &+ UInt64(place)) >> 40) * 0x1p-23 - 1
    // Two roundings, as the script has them: no fused product and sum.
    let product = unit * bound
    return product + centre
  }
  return try Tensor(values, shape)
}

/// Weights by their names, for whatever a model claims.
package func ruledWeights(_ claim: (ParameterPath) throws -> Void) throws -> GivenWeights {
  let store = ParameterStore(seed: 1)
  try claim(store.root)
  var shapes = store.buffers.mapValues(\.shape)
  for parameter in store.parameters { shapes[parameter.name] = parameter.shape }
  var weights: [String: Tensor] = [:]
  for (name, shape) in shapes {
    let kind = name.split(separator: ".").last ?? ""
    weights[name] =
      switch kind {
      case "running_var": try ruled(name, shape, bound: 0.3, centre: 1)
      case "running_mean", "bias": try ruled(name, shape, bound: 0.1)
      default:
        if shape.count == 1 {
          try ruled(name, shape, bound: 0.2, centre: 1)
        } else {
          try ruled(
            name, shape, bound: Float((6 / Double(shape.dropFirst().reduce(1, *))).squareRoot()))
        }
      }
  }
  return GivenWeights(weights)
}

/// A model with weights by their names.
package func ruledModel<Model>(
  precision: Precision = .float32, _ make: (ParameterPath) throws -> Model
) throws -> (model: Model, store: ParameterStore) {
  let weights = try ruledWeights { _ = try make($0) }
  let store = ParameterStore(seed: 1, precision: precision, source: weights)
  let model = try make(store.root)
  try store.loadReport().check()
  return (model, store)
}

/// How far a tensor is from the numbers that the script kept of it, in units of its root mean square,
/// or the relative difference of the norms where that is larger.
package func summaryDifference(_ found: Tensor, _ expected: Tensor) throws -> Double {
  let kept = try expected.floats()
  let flat = try found.detached().to(.float32).contiguous().reshaped([-1]).floats()
  let norm = flat.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
  let step = max(1, flat.count / 12)
  guard let last = kept.last, kept.count == min(12, flat.count) + 1 else { return .infinity }
  let unit = Double(last) / Double(flat.count).squareRoot()
  var largest = abs(norm / Double(last) - 1)
  for (place, number) in kept.dropLast().enumerated() {
    largest = max(largest, abs(Double(flat[place * step]) - Double(number)) / unit)
  }
  return largest.isFinite ? largest : .infinity
}

/// What many layers lose in float32 against float64.
package enum DeepTolerance {
  package static let map = 5e-5
  package static let gradient = 1e-3
}
