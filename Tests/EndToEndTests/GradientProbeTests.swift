import TandemCore
import TandemNN
import TandemRecipes
import TandemTorch
import Testing

@Suite struct GradientProbeTests {
  /// The product of two gradients is how fast one loss rises along the other's gradient: by finite
  /// differences of the losses, the angles come out again.
  @Test func anglesAreThoseOfFiniteDifferences() throws {
    let work = try Workspace.withData()
    let recipe = try RecipeResolver.resolve(
      work.file("pretrain.json"),
      set: [
        "data.root=\(work.file("captions"))", "data.vocabulary=\(work.file("vocabulary.txt"))",
      ]
    ).recipe
    let assembly = try Assembly(recipe)
    try assembly.sealForTraining()
    let probe = try GradientProbe(assembly)
    let names = assembly.objectives.map(\.definition.name)
    #expect(names == ["mlm", "itm", "wpa"])

    let trunk = assembly.store.parameters.filter { !assembly.isHead($0.name) }
    /// Moves the trunk along a vector over all its weights.
    func move(_ vector: Tensor, _ scale: Double) throws {
      var first = 0
      for parameter in trunk {
        try parameter.value.detached().add(
          vector.narrow(0, from: first, parameter.count).reshaped(parameter.shape), scale: scale)
        first += parameter.count
      }
    }
    func loss(_ place: Int) throws -> Double {
      try probe.losses(of: place).reduce(0.0) { try $0 + Double($1.item()) }
    }
    /// Richardson's rule: the differences of one step and of its half leave no error of third order.
    func rise(_ place: Int, along vector: Tensor) throws -> Double {
      let length = Double(try vector.norm([0], keep: false).item())
      func difference(_ step: Double) throws -> Double {
        let scale = step / length
        try move(vector, scale)
        let above = try loss(place)
        try move(vector, -2 * scale)
        let below = try loss(place)
        try move(vector, scale)
        return (above - below) / (2 * step)
      }
      return try withoutGradients { try (4 * difference(0.01) - difference(0.02)) / 3 }
    }
    let vectors = try names.indices.map { try #require(try probe.gradient(of: $0)) }
    let lengths = try vectors.indices.map { try rise($0, along: vectors[$0]) }
    for angle in try probe.angles(afterStep: 1) {
      let one = try #require(names.firstIndex(of: angle.first))
      let other = try #require(names.firstIndex(of: angle.second))
      let cosine = try rise(one, along: vectors[other]) / lengths[one]
      #expect(abs(cosine - angle.cosine) < 0.02, "\(angle) \(cosine)")
      #expect(abs(angle.cosine) < 1)
    }
    #expect(try probe.angles(afterStep: 1).count == 3)
  }
}
