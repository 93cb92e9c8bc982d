// Do the objectives pull the shared weights the same way? The cosine between their gradients, each
// from a forward of its own over the same records.

internal import TandemCore
internal import TandemData
internal import TandemNN
package import TandemTorch

/// How the gradients of two objectives lie to one another: 1 the same way, 0 at right angles, below
/// 0 against one another.
public struct GradientAngle: Codable, Sendable, Equatable {
  public var step: Int
  public var first: String
  public var second: String
  public var cosine: Double
}

/// Compares the objectives' gradients on the trunk's weights between two steps of training.
package struct GradientProbe {
  private let assembly: Assembly
  /// For each objective the same records, prepared as it alone would have them.
  private let steps: [PreparedStep]

  /// Takes the first records of the validation split, with the seed of evaluations: the same ones
  /// whenever it looks.
  package init(_ assembly: Assembly) throws {
    self.assembly = assembly
    let loader = try assembly.loader(
      .validation, training: false, limit: assembly.recipe.batch.examples)
    steps = try assembly.objectives.indices.map { place in
      let alone = try StepLoader(
        streams: loader.streams, mixture: loader.mixture.only(place), input: loader.input,
        specials: loader.specials, rowBudget: loader.rowBudget, seed: loader.seed)
      return try alone.prepared(0)
    }
  }

  /// The cosines of all pairs of objectives that have something to say of the probe.
  package func angles(afterStep step: Int) throws -> [GradientAngle] {
    let vectors = try assembly.objectives.indices.map { try gradient(of: $0) }
    var angles: [GradientAngle] = []
    for one in vectors.indices {
      for other in vectors.indices where other > one {
        guard let left = vectors[one], let right = vectors[other] else { continue }
        let product = try (left * right).sum().item()
        let lengths = try left.norm([0], keep: false).item() * right.norm([0], keep: false).item()
        guard lengths > 0 else { continue }
        angles.append(
          GradientAngle(
            step: step, first: assembly.objectives[one].definition.title,
            second: assembly.objectives[other].definition.title, cosine: product / lengths))
      }
    }
    return angles
  }

  /// The loss of one objective on its records, a sum of parts to be gone back over one after another.
  package func losses(of place: Int) throws -> [Tensor] {
    let step = try steps[place].chosen(
      by: assembly.objectives, seed: assembly.recipe.seed, encode: assembly.encode)
    return try step.microbatches.compactMap { microbatch in
      let encoding = try assembly.encode(microbatch.batch, .inference)
      return try assembly.objectives[place].runner.loss(
        encoding, microbatch.sequences, place: place, denominator: step.denominators[place])?.total
    }
  }

  /// The gradient of one objective on all weights of the trunk, end to end; nil where the records
  /// hold nothing for it.
  package func gradient(of place: Int) throws -> Tensor? {
    guard steps[place].denominators[place] > 0 else { return nil }
    try assembly.store.clearGradients()
    defer { try? assembly.store.clearGradients() }
    for loss in try losses(of: place) { try loss.backward() }
    return try withoutGradients {
      try Tensor.concatenated(
        assembly.store.parameters.filter { !assembly.isHead($0.name) }.map { parameter in
          try
            (parameter.value.gradient() ?? Tensor.zeros(parameter.shape, on: assembly.store.device))
            .reshaped([parameter.count])
        })
    }
  }
}
