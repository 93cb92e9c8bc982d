// Runs that many tests start from, trained once and copied for each.

import Foundation
import TandemCore
import Testing

extension Workspace {
  /// The tiny world with two finished runs: `pretrained`, and `answers` fine-tuned from it.
  static func trained() throws -> Workspace {
    let copy = try Workspace()
    try FileManager.default.removeItem(atPath: copy.path)
    try FileManager.default.copyItem(atPath: original.get().path, toPath: copy.path)
    return copy
  }

  nonisolated(unsafe) private static let original = Result {
    let work = try withData()
    try work.succeed("pretrain", "pretrain.json", "--output", "pretrained")
    try work.succeed("finetune", "finetune.json", "--from", "pretrained", "--output", "answers")
    return work
  }

  static let picture = "questions/pictures/16.png"
  static let question = "what colour is the square"

  /// The folder of a run's last checkpoint.
  func lastCheckpoint(_ run: String) throws -> String {
    let index = try json("\(run)/checkpoints/index.json")
    let name = try #require(index["last"]?.string)
    return "\(run)/checkpoints/\(name)"
  }
}
