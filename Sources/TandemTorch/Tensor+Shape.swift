// Views, and rows gathered or laid together.

private let reshapeOperator = Operator("aten::reshape")
private let viewOperator = Operator("aten::view")
private let transposeOperator = Operator("aten::transpose", "int")
private let permuteOperator = Operator("aten::permute")
private let narrowOperator = Operator("aten::narrow")
private let unsqueezeOperator = Operator("aten::unsqueeze")
private let squeezeOperator = Operator("aten::squeeze", "dim")
private let expandOperator = Operator("aten::expand")
private let contiguousOperator = Operator("aten::contiguous")
private let cloneOperator = Operator("aten::clone")
private let catOperator = Operator("aten::cat")
private let stackOperator = Operator("aten::stack")
private let indexSelectOperator = Operator("aten::index_select")
private let gatherOperator = Operator("aten::gather")
private let indexAddOperator = Operator("aten::index_add")
private let indexCopyOperator = Operator("aten::index_copy")
private let diagonalOperator = Operator("aten::diagonal")

extension Tensor {
  /// One size may be −1: it is what is left.
  public func reshaped(_ shape: [Int]) throws -> Tensor {
    try reshapeOperator(.tensor(self), .ints(shape))
  }
  /// Never a copy; throws where one would be needed.
  public func view(_ shape: [Int]) throws -> Tensor {
    try viewOperator(.tensor(self), .ints(shape))
  }
  public func transposed(_ a: Int, _ b: Int) throws -> Tensor {
    try transposeOperator(.tensor(self), .int(a), .int(b))
  }
  public func permuted(_ order: [Int]) throws -> Tensor {
    try permuteOperator(.tensor(self), .ints(order))
  }
  /// `length` entries of `dimension`, from `start` on: a view.
  public func narrow(_ dimension: Int, from start: Int, _ length: Int) throws -> Tensor {
    try narrowOperator(.tensor(self), .int(dimension), .int(start), .int(length))
  }
  public func unsqueezed(_ dimension: Int) throws -> Tensor {
    try unsqueezeOperator(.tensor(self), .int(dimension))
  }
  public func squeezed(_ dimension: Int) throws -> Tensor {
    try squeezeOperator(.tensor(self), .int(dimension))
  }
  public func expanded(_ shape: [Int]) throws -> Tensor {
    try expandOperator(.tensor(self), .ints(shape))
  }
  public func contiguous() throws -> Tensor {
    isContiguous ? self : try contiguousOperator(.tensor(self))
  }
  public func clone() throws -> Tensor { try cloneOperator(.tensor(self)) }
  public static func concatenated(_ tensors: [Tensor], _ dimension: Int = 0) throws -> Tensor {
    try catOperator(.tensors(tensors), .int(dimension))
  }
  public static func stacked(_ tensors: [Tensor], _ dimension: Int = 0) throws -> Tensor {
    try stackOperator(.tensors(tensors), .int(dimension))
  }
  /// Rows of `dimension` in the order of the int64 vector `index`.
  public func rows(_ index: Tensor, _ dimension: Int = 0) throws -> Tensor {
    try indexSelectOperator(.tensor(self), .int(dimension), .tensor(index))
  }
  /// Elements picked along `dimension` by an int64 tensor of the result's shape.
  public func gathered(_ dimension: Int, _ index: Tensor) throws -> Tensor {
    try gatherOperator(.tensor(self), .int(dimension), .tensor(index))
  }
  /// This tensor with the rows of `source` added at `index`.
  public func addingRows(_ source: Tensor, at index: Tensor) throws -> Tensor {
    try indexAddOperator(.tensor(self), .int(0), .tensor(index), .tensor(source))
  }
  /// This tensor with the rows of `source` in place of those at `index`.
  public func replacingRows(at index: Tensor, with source: Tensor) throws -> Tensor {
    try indexCopyOperator(.tensor(self), .int(0), .tensor(index), .tensor(source))
  }
  public func diagonal(_ a: Int, _ b: Int) throws -> Tensor {
    try diagonalOperator(.tensor(self), .int(0), .int(a), .int(b))
  }
}
