import Foundation
import TandemTorch
import Testing
import TestSupport

@Suite struct OperatorTests {
  struct Named: Hashable, CustomTestStringConvertible {
    let name: String
    let overload: String
    var testDescription: String { "\(name).\(overload)" }
  }

  /// Every operator that the library names, read from its sources.
  static let named: [Named] = {
    let folder = Fixtures.repository.appending(path: "Sources/TandemTorch")
    let files =
      (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil))
      ?? []
    var found: Set<Named> = []
    for file in files where file.pathExtension == "swift" {
      let text = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
      for match in text.matches(of: /Operator\(\s*"([^"]+)"(?:,\s*"([^"]*)")?\s*\)/) {
        found.insert(Named(name: String(match.1), overload: String(match.2 ?? "")))
      }
    }
    return found.sorted { ($0.name, $0.overload) < ($1.name, $1.overload) }
  }()

  @Test func thereAreOperators() { #expect(Self.named.count > 50) }

  @Test(arguments: named) func resolvesWithASchema(_ named: Named) throws {
    let schema = try Operator(named.name, named.overload).schema()
    let title = named.overload.isEmpty ? named.name : "\(named.name).\(named.overload)"
    #expect(schema.hasPrefix("\(title)("))
    #expect(schema.contains(" -> "))
  }

  @Test func anUnknownOperatorSaysItsName() throws {
    let found = message { _ = try Operator("aten::no_such_thing", "Tensor").schema() }
    #expect(found?.contains("aten::no_such_thing.Tensor") == true)
  }

  @Test func theRuntimeSaysWhatItIs() {
    #expect(TorchRuntime.version.hasPrefix("2."))
    #expect(!TorchRuntime.cpuCapability.isEmpty)
    #expect(TorchRuntime.threads >= 1)
  }

  /// A linear layer of 5 rows, 7 to 11: 2·5·7·11, and as much again for each gradient; a batch of 3
  /// products besides. What runs outside the count is not in it.
  @Test(arguments: [LinearKernels.plain, .oneDNN]) func operationsAreCounted(
    _ kernels: LinearKernels
  ) throws {
    let x = try leaf(Tensor.full([5, 7], 0.5))
    let weight = try leaf(Tensor.full([11, 7], 0.25))
    let one = 2.0 * 5 * 7 * 11
    let forward = try TorchRuntime.operations {
      _ = try withoutGradients { try x.linear(weight, nil, kernels: kernels) }
    }
    #expect(forward == one)
    _ = try x.linear(weight, nil, kernels: kernels)
    let both = try TorchRuntime.operations {
      try x.linear(weight, nil, kernels: kernels).sum().backward()
    }
    #expect(both == 3 * one)
    let pile = try Tensor.full([3, 4, 2], 1)
    // 3 times 2·4·2·4.
    let products = try TorchRuntime.operations { _ = try pile.matmul(pile.transposed(1, 2)) }
    #expect(products == 192)
    let refused = try TorchRuntime.operations {
      let inner: Double? = try? TorchRuntime.operations {}
      #expect(inner == nil)
    }
    #expect(refused == 0)
  }
}
