// The lists beside the scenes, the files of lines, and what is counted on the way.

import Foundation

/// One entry of `classes.json`; also decodes as a `SceneClass`.
public struct SceneClassRecord: Sendable, Codable, Equatable {
  public let name: String
  public let plural: String
  public let synonyms: [String]
  public let hypernyms: [String]
  /// Shown in `test-unseen-classes` only.
  public let isUnseen: Bool

  init(_ sceneClass: SceneClass, isUnseen: Bool) {
    name = sceneClass.name
    plural = sceneClass.plural
    synonyms = sceneClass.synonyms
    hypernyms = sceneClass.hypernyms
    self.isUnseen = isUnseen
  }
}

/// One entry of `cutouts.json`.
public struct CutoutRecord: Sendable, Codable, Equatable {
  public let name: String
  public let className: String
  public let source: String
  public let caption: String
  /// Shown in `test-unseen-cutouts` only.
  public let isHeldOut: Bool
  /// The tint that its own colours look like; absent where they look like none.
  public let look: SceneTint?

  init(_ cutout: Cutout) {
    name = cutout.name
    className = cutout.className
    source = cutout.source
    caption = cutout.caption
    isHeldOut = cutout.isHeldOut
    look = cutout.look
  }
}

/// A file that grows by lines.
final class LineFile {
  private let path: String
  private let handle: FileHandle
  private var buffer = Data()

  /// Throws `SceneError` when the file cannot be made.
  init(_ path: String) throws {
    self.path = path
    guard FileManager.default.createFile(atPath: path, contents: nil),
      let handle = FileHandle(forWritingAtPath: path)
    else { throw SceneError("cannot make \(path): check the folder's permissions") }
    self.handle = handle
  }

  func append(_ line: Data) throws {
    buffer.append(line)
    buffer.append(10)
    if buffer.count > 1 << 18 { try flush() }
  }

  func close() throws {
    try flush()
    try handle.close()
  }

  private func flush() throws {
    do {
      try handle.write(contentsOf: buffer)
    } catch {
      throw SceneError("cannot write \(path): \(error.localizedDescription)")
    }
    buffer.removeAll(keepingCapacity: true)
  }
}

/// Counts over splits, and the check that no scene is in two of them.
struct SceneTally {
  private(set) var counts: [String: Int] = [:]
  private(set) var sources: [String: Int] = [:]
  private var scenes = 0
  private var objects = 0
  private var standing = 0
  private var tints: [SceneTint: Int] = [:]
  private var splits: [UInt64: SceneSplit] = [:]

  /// Begins the counts of a split; rates go on.
  mutating func begin() {
    counts = ["scenes": 0, "objects": 0]
    sources = [:]
  }

  /// - Parameter fingerprint: a hash of the scene's picture.
  /// - Throws: `SceneError` when another split has the same picture.
  mutating func add(_ scene: Scene, fingerprint: UInt64, _ split: SceneSplit) throws {
    counts["scenes", default: 0] += 1
    counts["objects", default: 0] += scene.objects.count
    scenes += 1
    objects += scene.objects.count
    for object in scene.objects {
      tints[object.tint, default: 0] += 1
      sources[String(object.cutout.prefix { $0 != "/" }), default: 0] += 1
    }
    if scene.relations.contains(where: { $0.relation == .on }) { standing += 1 }
    let earlier = splits.updateValue(split, forKey: fingerprint)
    if let earlier, earlier != split {
      throw SceneError(
        "scene \(scene.id) of \(split.rawValue) is also in \(earlier.rawValue): choose another seed"
      )
    }
  }

  var rates: [String: Double] {
    guard scenes > 0, objects > 0 else { return [:] }
    var rates = ["scenes with an object on another": Double(standing) / Double(scenes)]
    rates["objects a scene"] = Double(objects) / Double(scenes)
    for (tint, count) in tints {
      rates["objects tinted \(tint.rawValue)"] = Double(count) / Double(objects)
    }
    return rates.mapValues { ($0 * 10_000).rounded() / 10_000 }
  }
}
