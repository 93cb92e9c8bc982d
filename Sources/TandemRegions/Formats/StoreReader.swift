// A store read from its first record to its last, as the other formats are.

final class StoreReader: RegionReader {
  let path: String
  let fields: Set<RegionField>
  private let store: FeatureStore
  private var place = 0

  init(path: String) throws {
    self.path = path
    store = try FeatureStore(path: path)
    fields = Set(store.header.fields)
  }

  var format: RegionFormat { .store }
  var expectedCount: Int? { store.count }
  var classNames: [String]? { store.header.classNames }

  func next(where wanted: (String) throws -> Bool) throws -> RegionRecord? {
    while place < store.count {
      place += 1
      if try wanted(store.id(at: place - 1)) { return try store.record(at: place - 1) }
    }
    return nil
  }
}
