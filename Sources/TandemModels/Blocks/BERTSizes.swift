// The settings that six families have from BERT under the same names.

/// What a config has of BERT.
protocol BERTSizes {
  var width: Int { get set }
  var heads: Int { get set }
  var feedForward: Int { get set }
  var vocabulary: Int { get set }
  var textLength: Int { get set }
  var dropout: Double { get set }
  var attentionDropout: Double { get set }
}

extension BERT.Config: BERTSizes {}
extension LXMERT.Config: BERTSizes {}
extension PixelBERT.Config: BERTSizes {}
extension UNITER.Config: BERTSizes {}
extension ViLBERT.Config: BERTSizes {}
extension VisualBERT.Config: BERTSizes {}
extension VLBERT.Config: BERTSizes {}

/// Presets of one name are of one size in every model: what is compared is the systems.
enum PresetSize {
  /// BERT-large's.
  case large
  /// About half a million weights beside the table of words, for comparisons on processors.
  case small
  /// For tests.
  case tiny
}

extension BERTSizes {
  func sized(_ size: PresetSize) -> Self {
    var config = self
    switch size {
    case .large:
      (config.width, config.heads, config.feedForward) = (1024, 16, 4096)
    case .small:
      (config.width, config.heads, config.feedForward) = (96, 4, 384)
      config.textLength = 24
      (config.dropout, config.attentionDropout) = (0, 0)
    case .tiny:
      (config.width, config.heads, config.feedForward) = (32, 4, 64)
      config.textLength = 16
    }
    return config
  }
}
