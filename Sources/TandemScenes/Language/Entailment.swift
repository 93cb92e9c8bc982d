// Hypotheses about a picture: entailed, contradicted, or open (SNLI-VE: Xie et al. 2019).

public enum EntailmentLabel: String, Codable, Sendable, CaseIterable {
  case entailment, neutral, contradiction
}

/// A hypothesis about a scene.
public struct EntailmentTriple: Codable, Sendable, Equatable {
  /// The number of the scene.
  public var scene: Int
  /// A true caption of the scene.
  public var premise: String
  public var hypothesis: String
  public var claim: SceneClaim
  public var label: EntailmentLabel

  public init(
    scene: Int, premise: String, hypothesis: String, claim: SceneClaim, label: EntailmentLabel
  ) {
    self.scene = scene
    self.premise = premise
    self.hypothesis = hypothesis
    self.claim = claim
    self.label = label
  }
}

extension SceneFacts {
  /// What the picture says of a claim.
  ///
  /// Entailment where the claim is clearly true, contradiction where it is clearly false. Neutral
  /// only where it turns on a hidden property, "hungry", that no picture shows: were all objects
  /// so, the claim would be clearly the one, and were none, clearly the other. nil where the
  /// picture itself is unclear.
  public func label(_ claim: SceneClaim) -> EntailmentLabel? {
    if let truth = truth(claim) { return truth ? .entailment : .contradiction }
    var revealed = self
    revealed.hidden = .all
    guard let all = revealed.truth(claim) else { return nil }
    revealed.hidden = .none
    guard let none = revealed.truth(claim) else { return nil }
    return all != none ? .neutral : nil
  }
}

extension SceneTextWriter {
  /// Hypotheses over the scenes of a chunk, each with one scene for every label it can have, two
  /// or three: over the whole, the words of a hypothesis favour no label. Returned group by group;
  /// fewer than `groups` where the chunk has too few scenes that differ.
  ///
  /// Five forms take part, so that the labels come out even: "a hungry cat or a dog" and "fewer
  /// hungry cats than dogs" can have three labels; "a cat" can be entailed or contradicted, "a
  /// hungry cat" neutral or contradicted, "no hungry cat" entailed or neutral.
  public func entailments(
    groups count: Int, among index: SceneIndex, using rng: inout some RandomNumberGenerator
  ) -> [[EntailmentTriple]] {
    guard index.scenes.count > 1 else { return [] }
    var random = TextRandom(from: &rng)
    var groups: [[EntailmentTriple]] = []
    var texts: Set<String> = []
    // The forms with two labels take turns, so that each label is left out equally often.
    var turn = random.below(3)
    for _ in 0..<(10 * count) where groups.count < count {
      let isOpen = random.chance(0.6)
      let form: HypothesisForm =
        isOpen ? random.pick(.alternative, .fewer) : [.plain, .hidden, .noneHidden][turn]
      guard let (claim, nouns) = hypothesis(form, index, &random),
        let scenes = scenes(claim, nouns, form.labels, index, &random)
      else { continue }
      let text = Wording.sentence(plainWording.hypothesis(claim, &random))
      guard texts.insert(text).inserted else { continue }
      if !isOpen { turn = (turn + 1) % 3 }
      groups.append(
        scenes.map { label, facts in
          EntailmentTriple(
            scene: facts.scene.id, premise: captions(facts, 1, &random).first?.text ?? "",
            hypothesis: text, claim: claim, label: label)
        })
    }
    return groups
  }

  private enum HypothesisForm {
    case alternative, fewer, plain, hidden, noneHidden

    var labels: [EntailmentLabel] {
      switch self {
      case .alternative, .fewer: EntailmentLabel.allCases
      case .plain: [.entailment, .contradiction]
      case .hidden: [.neutral, .contradiction]
      case .noneHidden: [.entailment, .neutral]
      }
    }
  }

  /// One scene for each label.
  private func scenes(
    _ claim: SceneClaim, _ nouns: [String], _ labels: [EntailmentLabel], _ index: SceneIndex,
    _ random: inout TextRandom
  ) -> [(EntailmentLabel, SceneFacts)]? {
    var found: [EntailmentLabel: SceneFacts] = [:]
    for attempt in 0..<48 {
      guard let facts = index.likely(nouns[attempt % nouns.count], &random),
        let label = facts.label(claim), labels.contains(label)
      else { continue }
      found[label] = facts
      if found.count == labels.count { break }
    }
    let pairs = labels.compactMap { label in found[label].map { (label, $0) } }
    return pairs.count == labels.count ? random.shuffled(pairs) : nil
  }

  private func hypothesis(
    _ form: HypothesisForm, _ index: SceneIndex, _ random: inout TextRandom
  ) -> (SceneClaim, [String])? {
    guard let facts = index.any(&random), let other = index.any(&random),
      !facts.scene.objects.isEmpty, !other.scene.objects.isEmpty
    else { return nil }
    let place = random.below(facts.scene.objects.count)
    let hypernym = random.chance(0.4) ? facts.hypernym(place, &random) : nil
    var open = facts.described(place, noun: hypernym, attributes: 0, &random)
    if random.chance(0.3) { open.size = facts.scene.objects[place].size }
    open.hidden = random.pick(HiddenProperty.fitting(open.noun, lexicon))
    switch form {
    case .alternative, .fewer:
      let second = random.below(other.scene.objects.count)
      let noun = random.chance(0.4) ? other.hypernym(second, &random) : nil
      let plain = other.described(second, noun: noun, attributes: 0.2, &random)
      guard !lexicon.overlap(open.noun, plain.noun) else { return nil }
      let claim: SceneClaim =
        form == .alternative
        ? .any(claims: random.shuffled([.exists(open), .exists(plain)]))
        : .more(of: plain, than: open)
      return (claim, [open.noun, plain.noun])
    case .plain: return plainHypothesis(facts, place, hypernym, &random)
    case .hidden: return (.exists(open), [open.noun])
    case .noneHidden: return (.count(is: Quantity(.exactly, 0), of: open), [open.noun])
    }
  }

  private func plainHypothesis(
    _ facts: SceneFacts, _ place: Int, _ hypernym: String?, _ random: inout TextRandom
  ) -> (SceneClaim, [String])? {
    var description = facts.described(place, noun: hypernym, attributes: 0.3, &random)
    if random.chance(0.4), let (subject, object) = facts.pair(&random),
      let bearing = random.pick(facts.bearings(subject, object))
    {
      let noun = facts.hypernym(subject, &random)
      description = facts.described(subject, noun: noun, attributes: 0, &random)
      let landmark = SceneDescription(facts.hypernym(object, &random) ?? Lexicon.anything)
      description.relatives = [.init(bearing, isDefinite: false, landmark)]
      return (.exists(description), [description.noun])
    }
    guard random.coin(), let count = facts.count(description) else {
      return (.exists(description), [description.noun])
    }
    let comparison: Quantity.Comparison = random.pick(.exactly, .atLeast, .atMost)
    return (.count(is: Quantity(comparison, count), of: description), [description.noun])
  }
}
