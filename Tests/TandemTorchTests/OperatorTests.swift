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
}
