// Sines and cosines, for embeddings of places.

private let sinOperator = Operator("aten::sin")
private let cosOperator = Operator("aten::cos")

extension Tensor {
  public func sin() throws -> Tensor { try sinOperator(.tensor(self)) }
  public func cos() throws -> Tensor { try cosOperator(.tensor(self)) }
}
