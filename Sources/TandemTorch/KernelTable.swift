// Which kernel serves what: written by a short measurement, stored in the run, never guessed from
// the name of the processor.

/// How a matrix product is computed.
public enum ProductKernel: Int32, Codable, Sendable, CaseIterable {
  /// The BLAS that libtorch was built with.
  case plain = 0
  /// oneDNN, which also keeps its speed where the BLAS takes a slow path.
  case oneDNN = 1
  /// oneDNN for the transposed product, transposed back without a copy.
  case oneDNNTransposed = 2
  /// oneDNN over a weight that was laid out for it beforehand: forward, where nothing learns.
  case oneDNNPrepacked = 3
}

/// The kernels of a linear layer: of its forward product and of the two of its backward.
public struct LinearKernels: Codable, Sendable, Hashable {
  public var forward: ProductKernel
  public var inputGradient: ProductKernel
  public var weightGradient: ProductKernel

  public init(
    forward: ProductKernel, inputGradient: ProductKernel, weightGradient: ProductKernel
  ) {
    self.forward = forward
    self.inputGradient = inputGradient
    self.weightGradient = weightGradient
  }

  var all: [ProductKernel] { [forward, inputGradient, weightGradient] }

  /// Operators of libtorch alone.
  public static let plain = LinearKernels(
    forward: .plain, inputGradient: .plain, weightGradient: .plain)
  public static let oneDNN = LinearKernels(
    forward: .oneDNN, inputGradient: .oneDNN, weightGradient: .oneDNN)
}

/// How what lies between the products is computed: residual sums, dropout and norms.
public enum RowKernel: String, Codable, Sendable, CaseIterable {
  /// One operator of libtorch after another.
  case plain
  /// One pass over the rows.
  case fused
}

/// Which kernels serve a run.
public struct KernelTable: Codable, Sendable, Equatable {
  /// A linear layer by its sizes, and what serves it.
  public struct Entry: Codable, Sendable, Equatable {
    public var input: Int
    public var output: Int
    public var kernels: LinearKernels

    public init(input: Int, output: Int, kernels: LinearKernels) {
      self.input = input
      self.output = output
      self.kernels = kernels
    }
  }

  public var entries: [Entry]
  /// What serves layers of other sizes.
  public var otherwise: LinearKernels
  public var rows: RowKernel

  public init(entries: [Entry] = [], otherwise: LinearKernels, rows: RowKernel) {
    self.entries = entries
    self.otherwise = otherwise
    self.rows = rows
  }

  /// libtorch's own operators throughout: what everything else is checked against, and what a GPU
  /// has.
  public static let plain = KernelTable(otherwise: .plain, rows: .plain)
  public static let oneDNN = KernelTable(otherwise: .oneDNN, rows: .fused)

  /// What serves the products, in a word or two.
  public var title: String {
    let used = Set((entries.isEmpty ? [otherwise] : entries.map(\.kernels)).flatMap(\.all))
    return used == [.plain] ? "plain" : used.contains(.plain) ? "plain and oneDNN" : "oneDNN"
  }

  public func linear(input: Int, output: Int) -> LinearKernels {
    entries.first { $0.input == input && $0.output == output }?.kernels ?? otherwise
  }
}
