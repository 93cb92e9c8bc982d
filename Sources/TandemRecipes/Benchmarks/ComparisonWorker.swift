// Our side of the comparison: a process that runs one case whenever it is told to, so that the two
// sides can take turns. `Benchmarks/compare.py` drives it.

internal import Foundation
internal import TandemCore
internal import TandemFiles
public import TandemNN
internal import TandemTorch

public struct ComparisonWorker {
  private struct Ready: Encodable {
    var ready = true
    var versions: [String: String]
    /// The matrix products of one run alone, on the best kernels; nil where there are none.
    var productMilliseconds: Double?
    /// The machine's rate in one large product, billions of operations a second.
    var gflops: Double?
  }

  private let subject: any ComparisonCase
  private let precision: Precision

  /// - Parameters:
  ///   - name: inference, mlm, pretrain, layers, decode or wordpiece.
  ///   - deviceName: cpu, cuda or cuda:N.
  ///   - folder: what `Benchmarks/prepare.py` wrote.
  public init(
    case name: String, batch: Int, precision: Precision, device deviceName: String, folder: String,
    threads: Int
  ) throws {
    try Runtime.configure(threads: threads)
    guard let device = Device(deviceName) else {
      throw SettingsError("--device: expected cpu, cuda or cuda:N, found '\(deviceName)'")
    }
    guard device == .cpu || Device.isCUDAAvailable else {
      throw SettingsError("--device: this libtorch finds no GPU")
    }
    self.precision = precision
    if let kind = ViLTComparison.Kind(rawValue: name) {
      subject = try ViLTComparison(kind, batch: batch, precision, on: device, folder: folder)
      return
    }
    switch name {
    case "layers":
      subject = try LayersComparison(
        batch: batch, precision, on: device, folder: folder)
    case "decode": subject = DecodeComparison(batch: batch, folder: folder)
    case "wordpiece": subject = try WordPieceComparison(folder: folder)
    default:
      throw SettingsError(
        "--case: expected inference, mlm, pretrain, layers, decode or wordpiece, found '\(name)'")
    }
  }

  /// Writes what it computes to `checkFile`, warms up, then runs once a line "go" until "quit".
  public func serve(
    checkFile: String, read: () -> String?, write: (String) throws -> Void
  ) throws {
    try AtomicFile.write(
      utf8: JSONValue(encoding: ["values": subject.check()]).compact + "\n", to: checkFile)
    for _ in 0..<2 { try subject.run() }
    // Before the products are timed: their operands are no part of a run.
    let peak = Process.megabytes("VmHWM")
    var ready = Ready(versions: ["tandem": Runtime.version, "libtorch": TorchRuntime.version])
    let products = subject.products
    if !products.isEmpty, subject.device == .cpu {
      ready.productMilliseconds = try 1000 * products.reduce(0) { try $0 + $1.seconds() }
      ready.gflops = try Benchmark.peak(precision, width: 768, inner: 3072)
    }
    try write(JSONValue(encoding: ready).compact)
    while let line = read(), line != "quit" {
      let faults = Process.pageFaults()
      let start = ContinuousClock.now
      try subject.run()
      try subject.device.wait()
      let milliseconds = (ContinuousClock.now - start) / .milliseconds(1)
      try write(
        JSONValue(encoding: [
          "milliseconds": milliseconds, "pageFaults": Double(Process.pageFaults() - faults),
        ]).compact)
    }
    var peaks = ["peakMegabytes": peak]
    if subject.device != .cpu {
      let device = try subject.device.peak()
      peaks["peakDeviceMegabytes"] = Double(device.used) / 1_048_576
      peaks["peakDeviceReservedMegabytes"] = Double(device.held) / 1_048_576
    }
    try write(JSONValue(encoding: peaks).compact)
  }
}
