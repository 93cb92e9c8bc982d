internal import Foundation
internal import TandemCore
internal import TandemData
internal import TandemFiles
internal import TandemImage
public import TandemRegions
public import TandemVision

/// Reads pictures, makes their regions and appends them to a store; what is there already is
/// passed over, so that a run that was killed is gone on with by the same command.
public enum RegionExtraction {
  public struct Settings: Sendable {
    public var featureType: FeatureType
    /// Pictures that go through the network together.
    public var batch: Int
    /// Threads that decode pictures.
    public var loaders: Int

    public init(featureType: FeatureType = .float16, batch: Int = 4, loaders: Int = 1) {
      self.featureType = featureType
      self.batch = batch
      self.loaders = loaders
    }
  }

  public struct Failure: Sendable, Codable, Equatable {
    public let id: String
    public let reason: String
  }

  public struct Summary: Sendable {
    /// Pictures that an earlier run had stored.
    public var earlier = 0
    public var stored = 0
    public var regions = 0
    public var failures: [Failure] = []
    public var seconds = 0.0
  }

  /// What the loader hands over: a picture, or why there is none.
  private struct Loaded: Sendable {
    let index: Int
    let image: Result<Image, Failure>
  }

  /// - Parameters:
  ///   - given: boxes by picture id, in pixels of the picture, instead of those the extractor finds;
  ///     a picture without any is counted as a failure.
  ///   - progress: after every batch: pictures done, all, failures so far.
  /// - Throws: `RegionError` or `FileError` when the store cannot be written; pictures that cannot
  ///   be read are failures, listed in `failures.jsonl` of the store.
  public static func run(
    _ pictures: PictureList, with extractor: any RegionExtractor, given: [String: [Box]]? = nil,
    into path: String, _ settings: Settings,
    progress: (_ done: Int, _ total: Int, _ failures: Int) -> Void
  ) throws -> Summary {
    guard settings.batch > 0, settings.loaders > 0 else {
      throw SettingsError(
        "the batch and the loaders must be 1 or more, found \(settings.batch) and "
          + "\(settings.loaders)")
    }
    let writer = try FeatureStoreWriter(
      path: path, header: extractor.header(settings.featureType))
    defer { writer.close() }
    let start = ContinuousClock.now
    var summary = Summary()
    let todo = try pictures.ids.indices.filter { try !writer.contains(pictures.ids[$0]) }
    summary.earlier = pictures.count - todo.count
    progress(summary.earlier, pictures.count, 0)

    let loaded = OrderedPrefetch<Loaded>(
      0..<todo.count, workers: settings.loaders, capacity: 2 * settings.batch + settings.loaders
    ) { place in
      let index = todo[place]
      do {
        return Loaded(index: index, image: .success(try pictures.image(at: index)))
      } catch {
        return Loaded(
          index: index, image: .failure(Failure(id: pictures.ids[index], reason: "\(error)")))
      }
    }
    var done = summary.earlier
    var batch: [(id: String, image: Image, boxes: [Box])] = []
    func store() throws {
      guard !batch.isEmpty else { return }
      let records = try extractor.regions(
        batch.map(\.image), ids: batch.map(\.id), boxes: given == nil ? nil : batch.map(\.boxes))
      for record in records {
        if record.count == 0 {
          summary.failures.append(Failure(id: record.id, reason: "no region was found"))
          continue
        }
        try writer.write(record)
        summary.stored += 1
        summary.regions += record.count
      }
      batch = []
    }
    while let next = try loaded.next() {
      let id = pictures.ids[next.index]
      switch next.image {
      case .failure(let failure): summary.failures.append(failure)
      case .success(let image):
        if let given {
          switch boxes(given, of: id, in: image) {
          case .success(let boxes): batch.append((id, image, boxes))
          case .failure(let failure): summary.failures.append(failure)
          }
        } else {
          batch.append((id, image, []))
        }
      }
      done += 1
      if batch.count == settings.batch {
        try store()
        progress(done, pictures.count, summary.failures.count)
      }
    }
    try store()
    try writer.finish()
    try list(summary.failures, in: path)
    summary.seconds = (ContinuousClock.now - start) / .seconds(1)
    progress(pictures.count, pictures.count, summary.failures.count)
    return summary
  }

  private static func boxes(
    _ given: [String: [Box]], of id: String, in image: Image
  ) -> Result<[Box], Failure> {
    guard let boxes = given[id] ?? given[(id as NSString).lastPathComponent], !boxes.isEmpty else {
      return .failure(Failure(id: id, reason: "the annotations give it no box"))
    }
    for box in boxes {
      let isInside =
        box.x1 >= -0.5 && box.y1 >= -0.5 && box.x2 <= Float(image.width) + 0.5
        && box.y2 <= Float(image.height) + 0.5
      guard isInside, box.width > 0, box.height > 0 else {
        return .failure(
          Failure(
            id: id,
            reason: "the given box (\(box.x1), \(box.y1), \(box.x2), \(box.y2)) is not inside the "
              + "picture of \(image.width) × \(image.height)"))
      }
    }
    return .success(boxes)
  }

  /// `failures.jsonl`: what this run could not store, gone where everything was.
  private static func list(_ failures: [Failure], in path: String) throws {
    let file = path + "/failures.jsonl"
    guard !failures.isEmpty else {
      try? FileManager.default.removeItem(atPath: file)
      return
    }
    let lines = try failures.map { try JSONValue(encoding: $0).compact + "\n" }
    try AtomicFile.write(utf8: lines.joined(), to: file)
  }
}

extension RegionExtraction.Failure: Error {}
