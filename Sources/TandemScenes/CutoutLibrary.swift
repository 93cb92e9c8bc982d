// The cut-outs of all sources, by class, and which of them training may see.

import Foundation
public import TandemFiles

/// All usable cut-outs, with the classes they belong to.
public struct CutoutLibrary: Sendable {
  /// Classes of the splits that share classes, in the order of the table.
  public let classes: [SceneClass]
  /// Classes of `test-unseen-classes` alone.
  public let unseenClasses: [SceneClass]
  /// In the order of their classes, then by name.
  public let cutouts: [Cutout]
  /// Why candidates of the table were left out, by name.
  public let refused: [String: String]
  /// Classes of the table with too few cut-outs in the sources at hand.
  public let missingClasses: [String]

  /// A class with fewer cut-outs is left out.
  public static let minimumCutouts = 3
  /// Shorter cut-outs show nothing when enlarged.
  public static let minimumSide = 40
  /// Cut-outs are kept at no more than about this length: none is drawn larger.
  static let keptSide = 320.0
  /// The part of a class that is held out, by a hash of the name.
  static let heldOutShare = 0.2

  /// Reads the candidates that the table names.
  ///
  /// - Throws: `SceneError` when a picture cannot be read, two candidates share a name, or no class
  ///   has enough cut-outs.
  public init(
    _ candidates: [CutoutCandidate], rules: [SceneClassRule] = SceneClasses.rules
  ) throws {
    let matcher = try CutoutMatcher(rules)
    var images: [String: [(candidate: CutoutCandidate, image: AlphaImage, solid: SceneBox)]] = [:]
    var refused: [String: String] = [:]
    var seen: Set<String> = []
    for candidate in candidates {
      guard let className = matcher.className(of: candidate) else { continue }
      guard seen.insert(candidate.name).inserted else {
        throw SceneError("two cut-outs are named \(candidate.name): names must differ")
      }
      if let reason = SceneClasses.excluded[candidate.name] {
        refused[candidate.name] = reason
        continue
      }
      let bytes = try MappedFile(path: candidate.path).withBytes { Array($0) }
      let picture = try AlphaImage(png: bytes, name: candidate.path)
      switch CutoutLibrary.prepared(picture) {
      case .success(let (image, solid)):
        images[className, default: []].append((candidate, image, solid))
      case .failure(let reason): refused[candidate.name] = reason.description
      }
    }

    var classes: [SceneClass] = []
    var unseen: [SceneClass] = []
    var cutouts: [Cutout] = []
    var missing: [String] = []
    for rule in rules {
      let name = rule.sceneClass.name
      let members = (images[name] ?? []).sorted { $0.candidate.name < $1.candidate.name }
      guard members.count >= CutoutLibrary.minimumCutouts else {
        missing.append(name)
        continue
      }
      if rule.isSetAside { unseen.append(rule.sceneClass) } else { classes.append(rule.sceneClass) }
      let heldOut =
        rule.isSetAside ? [] : try CutoutLibrary.heldOut(members.map(\.candidate.name))
      cutouts += members.map { member in
        Cutout(
          member.candidate, className: name, isHeldOut: heldOut.contains(member.candidate.name),
          image: member.image, solid: member.solid)
      }
    }
    guard !classes.isEmpty else {
      throw SceneError(
        "no class has \(CutoutLibrary.minimumCutouts) cut-outs among \(candidates.count) "
          + "candidates: the packages are laid out in another way")
    }
    self.classes = classes
    self.unseenClasses = unseen
    self.cutouts = cutouts
    self.refused = refused
    self.missingClasses = missing
  }

  /// The names that are held out: those whose hash says so, so that another source moves none; of
  /// classes with 4 cut-outs or more, and never so many that fewer than 3 are left.
  public static func heldOut(_ names: [String]) throws -> Set<String> {
    guard names.count > minimumCutouts else { return [] }
    let lots = try names.map { name in
      (name, Double(try SHA256Digest.of(utf8: "tandem scenes 1: " + name).leadingBits) / 0x1p64)
    }
    let chosen = lots.filter { $0.1 < heldOutShare }.sorted { $0.1 < $1.1 }
    return Set(chosen.prefix(names.count - minimumCutouts).map(\.0))
  }

  /// The cut-outs a split may show, by class; classes without any are left out.
  public func pool(for split: SceneSplit) -> [(class: SceneClass, cutouts: [Cutout])] {
    let isUnseenClass = split == .testUnseenClasses
    let isHeldOut = split == .testUnseenCutouts
    let byClass = Dictionary(grouping: cutouts.filter { $0.isHeldOut == isHeldOut }) {
      $0.className
    }
    return (isUnseenClass ? unseenClasses : classes).compactMap { one in
      byClass[one.name].map { (one, $0) }
    }
  }

  /// The cut-outs of each source.
  public var countBySource: [String: Int] {
    cutouts.reduce(into: [:]) { $0[$1.source, default: 0] += 1 }
  }

  /// SHA-256 over the names and pixels of all cut-outs. Throws `FileError`.
  public func checksum() throws -> SHA256Digest {
    let hasher = try SHA256()
    for cutout in cutouts {
      try hasher.update(Array("\(cutout.className)\t\(cutout.name)\t".utf8))
      for level in cutout.levels.prefix(1) {
        try hasher.update(Array("\(level.width)x\(level.height)\n".utf8))
        try hasher.update(level.pixels)
      }
    }
    return try hasher.finish()
  }

  /// The picture trimmed and, where it is large, shrunk; with its solid part.
  static func prepared(_ picture: AlphaImage) -> Result<(AlphaImage, SceneBox), SceneError> {
    guard let solid = picture.box(alpha: AlphaImage.solidAlpha),
      let whole = picture.box(alpha: 8)
    else { return .failure(SceneError("it has no solid pixels")) }
    guard max(solid.width, solid.height) >= minimumSide else {
      return .failure(SceneError("its longest side is \(max(solid.width, solid.height)) pixels"))
    }
    let filled = picture.count(alpha: AlphaImage.solidAlpha)
    if filled == picture.width * picture.height {
      return .failure(SceneError("it is a full rectangle without transparency"))
    }
    if Double(filled) < 0.02 * Double(solid.area) {
      return .failure(SceneError("nearly all of it is empty"))
    }
    let trimmed = picture.cropped(to: whole, border: 0)
    let scale = min(1, keptSide / Double(max(solid.width, solid.height)))
    guard scale < 1 else {
      let moved = SceneBox(
        x1: solid.x1 - whole.x1, y1: solid.y1 - whole.y1, x2: solid.x2 - whole.x1,
        y2: solid.y2 - whole.y1)
      return .success((trimmed, moved))
    }
    let small = trimmed.shrunk(
      width: max(1, Int((Double(trimmed.width) * scale).rounded())),
      height: max(1, Int((Double(trimmed.height) * scale).rounded())))
    guard let box = small.box(alpha: AlphaImage.solidAlpha) else {
      return .failure(SceneError("it has no solid pixels"))
    }
    return .success((small, box))
  }
}

/// Finds the class of a candidate.
private struct CutoutMatcher {
  private var byEmoji: [String: String] = [:]
  private var byStamp: [String: String] = [:]
  private var prefixes: [(prefix: String, className: String)] = []

  /// Throws `SceneError` when the table gives one member to two classes.
  init(_ rules: [SceneClassRule]) throws {
    for rule in rules {
      let name = rule.sceneClass.name
      for member in rule.members {
        let flat = "tuxpaint/" + member.replacing("/", with: "-")
        var earlier: String?
        if !member.contains("/") {
          earlier = byEmoji.updateValue(name, forKey: member)
        } else if member.hasSuffix("*") {
          prefixes.append((String(flat.dropLast()), name))
        } else {
          earlier = byStamp.updateValue(name, forKey: flat)
        }
        if let earlier {
          throw SceneError("the table of classes gives \"\(member)\" to \(earlier) and to \(name)")
        }
      }
    }
  }

  func className(of candidate: CutoutCandidate) -> String? {
    guard candidate.source == "tuxpaint" else { return byEmoji[candidate.caption] }
    return byStamp[candidate.name]
      ?? prefixes.first { candidate.name.hasPrefix($0.prefix) }?.className
  }
}
