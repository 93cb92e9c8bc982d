public import TandemRegions

/// Features with mean 0 and deviation 1, number by number.
///
/// Features that a network ends with are never negative and share a large mean. A model that starts from
/// random weights first learns from that mean: its first layer grows along it, and what tells regions
/// apart is lost in the norm that follows (docs/results). The published models read features as they
/// are.
public struct FeatureScaling: Codable, Sendable, Equatable {
  /// [F]
  public let mean: [Float]
  /// [F]; 1 for a number that never changes.
  public let deviation: [Float]

  public init(mean: [Float], deviation: [Float]) {
    self.mean = mean
    self.deviation = deviation
  }

  /// Of the regions of `most` pictures of a store, spread evenly over it.
  public init(of store: FeatureStore, most: Int = 2000) throws {
    let width = store.header.featureWidth
    var sum = [Double](repeating: 0, count: width)
    var squares = sum
    var rows = 0
    let step = max(1, store.count / most)
    for picture in stride(from: 0, to: store.count, by: step) {
      let record = try store.record(at: picture)
      for row in 0..<record.count {
        for place in 0..<width {
          let value = Double(record.features[row * width + place])
          sum[place] += value
          squares[place] += value * value
        }
      }
      rows += record.count
    }
    let count = Double(max(1, rows))
    let means = sum.map { $0 / count }
    let deviations = zip(squares, means).map { max(0, $0 / count - $1 * $1).squareRoot() }
    let least = 1e-4 * (deviations.max() ?? 0)
    mean = means.map(Float.init)
    deviation = deviations.map { $0 > least ? Float($0) : 1 }
  }

  /// Scales rows of features in place, [R, F].
  public func apply(to features: inout [Float]) {
    let width = mean.count
    features.withUnsafeMutableBufferPointer { values in
      for start in stride(from: 0, to: values.count - width + 1, by: width) {
        for place in 0..<width {
          values[start + place] = (values[start + place] - mean[place]) / deviation[place]
        }
      }
    }
  }
}
