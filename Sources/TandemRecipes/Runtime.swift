internal import Foundation
public import TandemCore
internal import TandemNN
public import TandemTorch
internal import TandemTrain

/// The process a run lives in: threads, and which kernel serves matrix products.
public struct Runtime: Sendable {
  public static let version = "0.1.0"

  public let threads: Int
  public let kernel: LinearKernel
  /// Billions of operations a second of the model's own products, forward and backward, on the
  /// kernel that serves; 0 on a GPU, where nothing is measured.
  public let rate: Double

  /// Sets the threads and chooses the kernel; call before the first operator.
  public static func configure(_ compute: Recipe.Compute, shapes: [KernelShape]) throws -> Runtime {
    let threads =
      compute.threads > 0 ? compute.threads : ProcessInfo.processInfo.activeProcessorCount
    try TorchRuntime.configure(threads: threads)
    guard compute.device == "cpu" else {
      return Runtime(threads: threads, kernel: .plain, rate: 0)
    }
    let seconds = try KernelChoice.measure(shapes, compute.precision)
    let fastest: LinearKernel =
      seconds[.oneDNN, default: .infinity] < seconds[.plain, default: .infinity] ? .oneDNN : .plain
    let kernel: LinearKernel =
      switch compute.linearKernel {
      case .plain: .plain
      case .oneDNN: .oneDNN
      case .measured: fastest
      }
    let operations = shapes.reduce(0.0) { $0 + 6 * Double($1.rows * $1.input * $1.output) }
    return Runtime(
      threads: threads, kernel: kernel,
      rate: operations / seconds[kernel, default: .infinity] / 1e9)
  }

  /// The threads of an earlier sitting.
  static func restore(_ environment: RunEnvironment) throws {
    try TorchRuntime.configure(threads: environment.threads)
  }

  func environment(started: String) -> RunEnvironment {
    RunEnvironment(
      tandem: Self.version, libtorch: TorchRuntime.version, cpu: TorchRuntime.cpuCapability,
      threads: threads, linearKernel: "\(kernel)", started: started)
  }
}

/// The shape of a linear layer to be measured: rows × input → output.
public struct KernelShape: Sendable, Hashable {
  public let rows: Int
  public let input: Int
  public let output: Int

  public init(rows: Int, input: Int, output: Int) {
    self.rows = rows
    self.input = input
    self.output = output
  }

  /// The feed-forward products of a recipe's model, which make most of its work.
  static func shapes(of recipe: Recipe) -> [KernelShape] {
    guard case .integer(let width)? = recipe.model.config["width"],
      case .integer(let inner)? = recipe.model.config["feedForward"], width > 0, inner > 0
    else { return [KernelShape(rows: 1024, input: 256, output: 1024)] }
    let rows = min(recipe.batch.rows, 2048)
    return [
      KernelShape(rows: rows, input: width, output: inner),
      KernelShape(rows: rows, input: inner, output: width),
    ]
  }
}

/// Times forward and backward of a linear layer on each kernel: which of them serves is measured,
/// never guessed from the processor's name.
enum KernelChoice {
  /// For each kernel the seconds of all shapes together.
  static func measure(
    _ shapes: [KernelShape], _ precision: Precision
  ) throws -> [LinearKernel: Double] {
    var sums: [LinearKernel: Double] = [:]
    for shape in shapes {
      let layer = try Layer(shape, precision)
      // Runs in turn, so that a change of the machine's speed meets both; the least counts.
      var least: [LinearKernel: Double] = [:]
      for _ in 0..<9 {
        for kernel in LinearKernel.allCases {
          least[kernel] = min(least[kernel] ?? .infinity, try layer.time(kernel))
        }
      }
      for (kernel, seconds) in least { sums[kernel, default: 0] += seconds }
    }
    return sums
  }

  private struct Layer {
    let x: Tensor
    let weight: Tensor
    let bias: Tensor

    init(_ shape: KernelShape, _ precision: Precision) throws {
      let dtype: DType = precision == .bfloat16 ? .bfloat16 : .float32
      x = try Tensor.full([shape.rows, shape.input], 0.5, dtype)
      weight = try Tensor.full([shape.output, shape.input], 0.01, dtype)
      bias = try Tensor.zeros([shape.output], dtype)
      for tensor in [x, weight, bias] { try tensor.setRequiresGradient(true) }
    }

    /// Seconds of a forward and a backward.
    func time(_ kernel: LinearKernel) throws -> Double {
      let start = ContinuousClock.now
      let y = try x.linear(weight, bias, kernel: kernel)
      _ = try y.sum().gradients(of: [x, weight, bias])
      return (ContinuousClock.now - start) / .seconds(1)
    }
  }
}
