// Fixtures: numbers that reference libraries made, see the scripts beside them.

package import Foundation
internal import TandemNN
package import TandemTorch

package enum Fixtures {
  package static let repository = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  package static func path(_ name: String) -> String {
    repository.appending(path: "Tests/Fixtures/\(name)").path(percentEncoded: false)
  }

  package static func tensors(_ name: String) throws -> SafeTensorsFile {
    try SafeTensorsFile(path: path(name))
  }

  package static func json<Value: Decodable>(_ type: Value.Type, _ name: String) throws -> Value {
    try JSONDecoder().decode(type, from: Data(contentsOf: URL(fileURLWithPath: path(name))))
  }
}

extension SafeTensorsFile {
  /// A vector of whole numbers.
  package func integers(_ name: String) throws -> [Int] {
    try tensor(name).array(of: Int64.self).map(Int.init)
  }
}

/// Weights from anywhere, for a store.
package struct GivenWeights: WeightSource {
  package let title: String
  package var tensors: [String: Tensor]

  package init(_ tensors: [String: Tensor], title: String = "given") {
    self.tensors = tensors
    self.title = title
  }

  /// Every tensor of a file.
  package init(_ file: SafeTensorsFile) throws {
    title = file.path
    tensors = [:]
    for name in file.entries.keys { tensors[name] = try file.tensor(name) }
  }

  package var names: [String] { Array(tensors.keys) }
  package func weight(_ name: String) throws -> Tensor? { try tensors[name]?.clone() }
}

/// A folder that goes away with this object.
package final class TemporaryFolder: Sendable {
  package let path: String

  package init() throws {
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "tandem-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    path = folder.path(percentEncoded: false)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  package func file(_ name: String, _ bytes: some Collection<UInt8>) throws -> String {
    let file = path + "/" + name
    try Data(bytes).write(to: URL(fileURLWithPath: file))
    return file
  }
}

/// The message of the error that `body` throws; nil when it throws none.
package func message(_ body: () throws -> Void) -> String? {
  do {
    try body()
    return nil
  } catch {
    return "\(error)"
  }
}
