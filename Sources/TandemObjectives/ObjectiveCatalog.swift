public import TandemCore

/// Every pre-training objective.
public enum ObjectiveCatalog {
  public static let all: [any Objective.Type] = [
    MaskedLanguageModeling.self, ImageTextMatching.self, WordPatchAlignment.self,
    MaskedPatchPrediction.self, MaskedRegionFeatures.self, MaskedRegionClasses.self,
    RegionLabels.self, ImageQuestionAnswering.self, ImageTextContrast.self, TripletRanking.self,
  ]
}
