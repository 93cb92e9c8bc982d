// Finds the kernels that serve a model's products fastest: measured on this machine, in turn, so
// that a change of its speed meets all of them; never guessed from the processor's name.

internal import Foundation
public import TandemCore
internal import TandemFiles
public import TandemNN
public import TandemTorch

/// The kernels that serve a model, and how fast its products are with them.
public struct KernelMeasurement: Sendable {
  public let table: KernelTable
  /// Billions of operations a second of all products together, forward and backward; 0 where
  /// nothing was measured.
  public let rate: Double

  /// The table for a model's weights.
  ///
  /// - Parameters:
  ///   - store: knows the model's linear layers.
  ///   - rows: of the forwards to come; at most 2 048 are measured.
  ///   - isTraining: whether there will be gradients too.
  ///   - cache: what earlier runs measured; nil measures all anew.
  public static func of(
    _ store: ParameterStore, _ choice: LinearKernelChoice, rows: Int, isTraining: Bool = true,
    cache: KernelCache?
  ) throws -> KernelMeasurement {
    guard store.device == .cpu, choice != .plain else {
      return KernelMeasurement(table: .plain, rate: 0)
    }
    guard choice == .measured else { return KernelMeasurement(table: .oneDNN, rate: 0) }
    var table = KernelTable.oneDNN
    var operations = 0.0
    var seconds = 0.0
    for shape in store.linearShapes {
      // A vocabulary's layer sees the masked rows alone, about one in eight.
      let isVocabulary = shape.output >= 8 * shape.input
      let size = min(2048, max(1, isVocabulary ? rows / 8 : rows))
      let product = LinearProduct(
        shape: shape, rows: size, precision: store.precision, isTraining: isTraining)
      let found = try cache?.result(product) ?? product.measured()
      try cache?.store(found, for: product)
      table.entries.append(
        KernelTable.Entry(input: shape.input, output: shape.output, kernels: found.kernels))
      operations += (isTraining ? 6 : 2) * Double(size * shape.input * shape.output)
      seconds += found.seconds
    }
    return KernelMeasurement(table: table, rate: seconds > 0 ? operations / seconds / 1e9 : 0)
  }
}

/// A linear layer at a number of rows: three products to be measured, or the forward one alone.
public struct LinearProduct: Sendable, Hashable {
  public let shape: LinearShape
  public let rows: Int
  public let precision: Precision
  public let isTraining: Bool

  public init(shape: LinearShape, rows: Int, precision: Precision, isTraining: Bool = true) {
    self.shape = shape
    self.rows = rows
    self.precision = precision
    self.isTraining = isTraining
  }

  /// The fastest kernel of each product, and the seconds of the three with these.
  public struct Result: Codable, Sendable, Equatable {
    public var kernels: LinearKernels
    public var forward: Double
    public var inputGradient: Double
    public var weightGradient: Double
    public var seconds: Double { forward + inputGradient + weightGradient }
  }

  public func measured(rounds: Int = 3) throws -> Result {
    try withoutGradients {
      let dtype: DType = precision == .bfloat16 ? .bfloat16 : .float32
      let x = try Tensor.full([rows, shape.input], 0.5, dtype)
      let weight = try Tensor.full([shape.output, shape.input], 0.01, dtype)
      guard isTraining else {
        let forward = try fastest(x, weight, [.plain, .oneDNN, .oneDNNPrepacked], rounds)
        let kernels = LinearKernels(
          forward: forward.kernel, inputGradient: .oneDNN, weightGradient: .oneDNN)
        return Result(
          kernels: kernels, forward: forward.seconds, inputGradient: 0, weightGradient: 0)
      }
      let forward = try fastest(x, weight, [.plain, .oneDNN], rounds)
      // What comes out transposed would be copied by whoever reads it next, except the gradient of
      // a weight, which is only added to others.
      let gradient = try Tensor.full([rows, shape.output], 0.5, dtype)
      let input = try fastest(gradient, weight.transposed(0, 1), [.plain, .oneDNN], rounds)
      let weights = try fastest(
        gradient.transposed(0, 1), x.transposed(0, 1), [.plain, .oneDNN, .oneDNNTransposed], rounds)
      return Result(
        kernels: LinearKernels(
          forward: forward.kernel, inputGradient: input.kernel, weightGradient: weights.kernel),
        forward: forward.seconds, inputGradient: input.seconds, weightGradient: weights.seconds)
    }
  }

  /// a · bᵀ on some kernels in turn; the least time of each counts, after a round to warm up.
  private func fastest(
    _ a: Tensor, _ b: Tensor, _ candidates: [ProductKernel], _ rounds: Int
  ) throws -> (kernel: ProductKernel, seconds: Double) {
    var least: [ProductKernel: Double] = [:]
    let packed = try candidates.contains(.oneDNNPrepacked) ? b.prepacked(rows: a.size(0)) : b
    for round in 0...rounds {
      for kernel in candidates {
        let kernels = LinearKernels(
          forward: kernel, inputGradient: .oneDNN, weightGradient: .oneDNN)
        let start = ContinuousClock.now
        _ = try a.linear(kernel == .oneDNNPrepacked ? packed : b, nil, kernels: kernels)
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        if round > 0 { least[kernel] = min(least[kernel] ?? .infinity, seconds) }
      }
    }
    // A second layout of a weight takes memory: it has to be worth it.
    if let gain = least[.oneDNNPrepacked] { least[.oneDNNPrepacked] = 1.03 * gain }
    let best = least.min { ($0.value, $0.key.rawValue) < ($1.value, $1.key.rawValue) }
    return (best?.key ?? .plain, best?.value ?? 0)
  }
}

/// What was measured on this machine before, in one file.
public final class KernelCache {
  private let path: String
  private let machine: String
  private var results: [String: LinearProduct.Result]

  /// - Parameter path: the file; made when something is stored.
  public init(path: String, threads: Int) {
    self.path = path
    machine = "\(Self.processor()), \(threads) threads, libtorch \(TorchRuntime.version)"
    let data = FileManager.default.contents(atPath: path)
    results =
      data.flatMap { try? JSONDecoder().decode([String: LinearProduct.Result].self, from: $0) }
      ?? [:]
  }

  /// `$XDG_CACHE_HOME/tandem/kernels.json`, by default under `~/.cache`.
  public static var defaultPath: String {
    let environment = ProcessInfo.processInfo.environment
    let root = environment["XDG_CACHE_HOME"] ?? NSHomeDirectory() + "/.cache"
    return root + "/tandem/kernels.json"
  }

  func result(_ product: LinearProduct) -> LinearProduct.Result? { results[key(product)] }

  /// Remembers a result. A cache that cannot be written costs the next run a measurement.
  func store(_ result: LinearProduct.Result, for product: LinearProduct) throws {
    guard results.updateValue(result, forKey: key(product)) != result else { return }
    let folder = (path as NSString).deletingLastPathComponent
    try? FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true)
    try? AtomicFile.write(utf8: JSONValue(encoding: results).pretty + "\n", to: path)
  }

  private func key(_ product: LinearProduct) -> String {
    "\(machine), \(product.precision.rawValue), \(product.rows) rows, "
      + "\(product.shape.input) to \(product.shape.output)"
      + (product.isTraining ? "" : ", forward")
  }

  /// The processor by name, family and model: names alone are shared by unlike ones.
  private static func processor() -> String {
    let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    let lines = text.split(separator: "\n")
    let values = ["model name", "cpu family", "model\t"].compactMap { title in
      lines.first { $0.hasPrefix(title) }?.split(separator: ":").last?
        .trimmingCharacters(in: .whitespaces)
    }
    return values.joined(separator: " / ") + ", " + TorchRuntime.cpuCapability
  }
}
