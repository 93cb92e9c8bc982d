internal import TandemTorch
#if canImport(Glibc)
  internal import Glibc
#endif

/// VL-BERT's embedding of a box: the centre and the size in percent of the picture's, each as sines
/// followed by cosines of x / 1000^(k/K), k from 0 to K − 1 (Su et al. 2020, after Hu et al. 2018).
///
/// Shapes: B boxes, K frequencies.
struct SinusoidalBoxes {
  let frequencies: Int
  /// Numbers of a box: 8·K.
  var width: Int { 8 * frequencies }

  /// Boxes [B, 4] over the picture's size → [B, 8·K], float32.
  func callAsFunction(_ boxes_B4: Tensor) throws -> Tensor {
    let start_B2 = try boxes_B4.narrow(1, from: 0, 2)
    let end_B2 = try boxes_B4.narrow(1, from: 2, 2)
    let numbers_B4 = try Tensor.concatenated(
      [(start_B2 + end_B2) * 50, (end_B2 - start_B2) * 100], 1)
    let rates_K = try Tensor(rates, on: boxes_B4.device)
    let angles_B4K = try numbers_B4.unsqueezed(2) * rates_K
    return try Tensor.concatenated([angles_B4K.sin(), angles_B4K.cos()], 2)
      .reshaped([boxes_B4.size(0), width])
  }

  private var rates: [Float] {
    (0..<frequencies).map { Float(pow(1000, -Double($0) / Double(frequencies))) }
  }
}
