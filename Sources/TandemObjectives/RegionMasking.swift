// Which regions of a picture are hidden, for every objective that asks about regions.

package import TandemCore
internal import TandemNN
package import TandemTorch

/// How regions are chosen, and what becomes of the chosen ones. What a hidden region looks like
/// (zeros, a learned vector, no pixels) is the model's affair.
///
/// Region objectives of one pass share what the first of them draws: the `masking` of the others
/// is then without effect, but for `onFalsePairs`.
public struct RegionMasking: Codable, Sendable, Equatable {
  /// The chance of a region to be chosen.
  public var probability = 0.15
  /// Of the chosen ones, how many are hidden, and how many are shown with the feature of a region
  /// of another picture; the rest is shown as it is.
  public var maskShare = 1.0
  public var otherShare = 0.0
  /// Choose one region where the draw gives none (UNITER does).
  public var atLeastOne = false
  /// Hide every region, too, whose intersection over union with a chosen one is larger: it would
  /// give the chosen one away (UNIMO, 0.3). It is no target, and one that was chosen itself keeps
  /// its own lot. 1 hides none.
  public var overlapThreshold = 1.0
  /// Give one region back, as if it had not been chosen, where all of several would be hidden:
  /// models whose feature of the whole picture is the mean of what is seen need one.
  public var keepsOne = true
  /// Ask about pictures with a foreign text too, where the pass has such (LXMERT does, ViLBERT does
  /// not).
  public var onFalsePairs = true

  public init() {}

  /// Chen et al. 2020.
  public static let uniter: RegionMasking = {
    var masking = RegionMasking()
    masking.atLeastOne = true
    return masking
  }()

  /// Su et al. 2020.
  public static let vlbert: RegionMasking = {
    var masking = RegionMasking()
    masking.maskShare = 0.9
    return masking
  }()

  /// Tan & Bansal 2019. Each of its foreign features comes from a picture of its own; here those
  /// of one sequence come from one picture, so that one more has to be read and not several.
  public static let lxmert: RegionMasking = {
    var masking = RegionMasking()
    masking.maskShare = 0.8
    masking.otherShare = 0.1
    return masking
  }()

  /// Lu et al. 2019. Neighbours of chosen regions stay to be seen: its code leaves them out of the
  /// mean over the picture alone.
  public static let vilbert: RegionMasking = {
    var masking = RegionMasking()
    masking.maskShare = 0.9
    masking.onFalsePairs = false
    return masking
  }()

  /// Li et al. 2021, as the paper has it; 0.4 in the configuration of its base model.
  public static let unimo: RegionMasking = {
    var masking = RegionMasking()
    masking.overlapThreshold = 0.3
    return masking
  }()

  /// - Throws: `ParameterError` that names the setting of the objective.
  func check(_ objective: String, _ facts: ModelFacts) throws {
    guard otherShare == 0 || facts.featureWidth > 0 else {
      throw ParameterError(
        "objectives.\(objective).options.masking.otherShare is \(otherShare), expected 0: "
          + "\(facts.name) makes its features of pixels, and no other region's can stand in")
    }
    guard (0...1).contains(probability), maskShare >= 0, otherShare >= 0,
      maskShare + otherShare <= 1 + 1e-9
    else {
      throw ParameterError(
        "objectives.\(objective).options.masking: probability \(probability), maskShare "
          + "\(maskShare) and otherShare \(otherShare) must be shares, the last two together at "
          + "most 1")
    }
    guard (0...1).contains(overlapThreshold) else {
      throw ParameterError(
        "objectives.\(objective).options.masking.overlapThreshold is \(overlapThreshold), "
          + "expected 0...1 (1 hides no neighbours)")
    }
  }

  /// The regions of the sequence's picture and those among them that are asked about, drawn and
  /// hidden now unless another objective has done so; nil where there is nothing to ask about.
  package func regions(
    of sequence: inout InputSequence, _ example: Example, _ context: PreparationContext,
    using stream: inout RandomStream
  ) throws -> (all: Regions, chosen: [Int])? {
    guard onFalsePairs || sequence.isTruePair != false, let regions = sequence.picture?.regions,
      regions.count > 0
    else { return nil }
    if !sequence.hasDrawn && sequence.chosen.isEmpty {
      try draw(regions, for: &sequence, example, context, using: &stream)
      sequence.hasDrawn = true
    }
    return (regions, sequence.chosen)
  }

  private func draw(
    _ regions: Regions, for sequence: inout InputSequence, _ example: Example,
    _ context: PreparationContext, using stream: inout RandomStream
  ) throws {
    let count = regions.count
    var chosen = (0..<count).filter { _ in stream.uniform() < probability }
    if chosen.isEmpty, atLeastOne { chosen = [stream.below(count)] }
    var isHidden = [Bool](repeating: false, count: count)
    var foreign: [Int] = []
    for region in chosen {
      let draw = stream.uniform()
      if draw < maskShare {
        isHidden[region] = true
      } else if draw < maskShare + otherShare {
        foreign.append(region)
      }
    }
    if !foreign.isEmpty {
      let other = try context.otherPicture(example, &stream).regions
      for region in foreign {
        guard let other, other.count > 0 else {
          // Nothing stands in for it: it is hidden like most.
          isHidden[region] = true
          continue
        }
        let feature = Array(other.feature(stream.below(other.count)))
        sequence.replaced.append(ReplacedRegion(region: region, feature: feature))
      }
    }
    if overlapThreshold < 1 { hideNeighbours(of: chosen, regions, &isHidden) }
    if keepsOne, count > 1, !isHidden.contains(false) {
      // The only chosen one must stay hidden: there would be nothing left to ask.
      let candidates = chosen.count > 1 ? Array(0..<count) : (0..<count).filter { $0 != chosen[0] }
      let kept = candidates[stream.below(candidates.count)]
      isHidden[kept] = false
      chosen.removeAll { $0 == kept }
    }
    sequence.chosen = chosen
    sequence.hidden = (0..<count).filter { isHidden[$0] }
  }

  private func hideNeighbours(of chosen: [Int], _ regions: Regions, _ isHidden: inout [Bool]) {
    let own = Set(chosen)
    for region in 0..<regions.count where !own.contains(region) {
      isHidden[region] = chosen.contains {
        Double(regions.overlap($0, region)) > overlapThreshold
      }
    }
  }
}
