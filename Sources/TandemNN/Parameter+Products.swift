// What layers outside this module ask of a weight.

package import TandemTorch

extension Parameter {
  /// Moves when the masters change: what was made from one is stale then.
  package var generation: Int { store.generation }
  /// The element type of products.
  package var productType: DType { store.precision == .bfloat16 ? .bfloat16 : .float32 }
}
