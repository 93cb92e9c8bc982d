internal import TandemNN

/// Refuses a config that makes no sense, with the setting's name.
struct ConfigCheck {
  func need(_ condition: Bool, _ message: @autoclosure () -> String) throws {
    guard condition else { throw ParameterError("model.config: \(message())") }
  }

  /// What every stream of a transformer needs.
  ///
  /// - Parameters:
  ///   - least: the fewest layers that make sense.
  ///   - title: what the config calls them.
  func stream(
    width: Int, layers: Int, least: Int = 1, heads: Int, feedForward: Int,
    titled title: String = "layers"
  ) throws {
    try need(
      width > 0 && layers >= least && feedForward > 0,
      "width and feedForward must be positive and \(title) at least \(least), found \(width), "
        + "\(feedForward) and \(layers)")
    try depth(layers, titled: title)
    try need(
      heads > 0 && width % heads == 0, "width \(width) is not a multiple of heads \(heads)")
  }

  /// A typing mistake must not fill the memory with layers.
  func depth(_ count: Int, titled title: String) throws {
    try need(
      (0...Self.mostLayers).contains(count),
      "\(title) must be at most \(Self.mostLayers) and not negative, found \(count)")
  }

  private static let mostLayers = 1000

  /// - Parameters:
  ///   - rows: text rows that must have a place of their own, [CLS] and [SEP] included.
  ///   - reserved: places that stand after the longest text.
  ///   - title: what the config calls the places.
  func text(
    vocabulary: Int, rows: Int, places: Int, reserved: Int = 0, titled title: String = "places"
  ) throws {
    try need(vocabulary > 0, "vocabulary must be positive, found \(vocabulary)")
    try need(rows > 2, "textLength \(rows) leaves no room for words; 3 is the least")
    try need(
      rows + reserved <= places,
      "textLength \(rows) needs \(rows + reserved) \(title), found \(title) \(places)")
  }

  func regions(featureWidth: Int, most: Int) throws {
    try need(
      featureWidth > 0 && most > 0,
      "featureWidth and mostRegions must be positive, found \(featureWidth) and \(most)")
  }

  func pixels(patchSize: Int, mean: [Float], deviation: [Float]) throws {
    try need(patchSize > 0, "patchSize must be positive, found \(patchSize)")
    try need(
      mean.count == 3 && deviation.count == 3 && deviation.allSatisfy { $0 > 0 },
      "mean and deviation need three numbers each, deviations above 0")
  }

  func rates(dropout: Double, attentionDropout: Double, normEpsilon: Double) throws {
    try need(
      (0..<1).contains(dropout) && (0..<1).contains(attentionDropout),
      "dropout and attentionDropout must be in 0..<1, found \(dropout) and \(attentionDropout)")
    try need(normEpsilon > 0, "normEpsilon must be positive, found \(normEpsilon)")
  }
}
