/// The depth of a weight by its name: 0 for embeddings, 1… for layers, and one more for the rest.
struct LayerDepth {
  /// What names of layers begin with, up to the layer's number.
  let layers: String
  /// What names of embeddings begin with.
  let embeddings: [String]
  let layerCount: Int

  func callAsFunction(of parameter: String) -> Int {
    if parameter.hasPrefix(layers) {
      let number = parameter.dropFirst(layers.count).prefix { $0 != "." }
      return 1 + (Int(number) ?? 0)
    }
    return embeddings.contains(where: parameter.hasPrefix) ? 0 : layerCount + 1
  }
}
