// What can be asked of a model that no recipe of ours trained.

internal import TandemCore

extension Recipe {
  /// Names the heads of a model as objectives, so that each answers what a run of that objective does.
  init(asking loaded: LoadedModel, specials: SpecialTokens) {
    let files = loaded.files
    self.init()
    name = files.path
    model.name = files.model
    model.config = files.config
    data.vocabulary = files.vocabulary?.path ?? ""
    data.lowercased = files.isLowercased
    let heads = loaded.heads
    if heads.vocabulary != nil, specials.mask >= 0 { objectives.append(ObjectiveChoice("mlm")) }
    if heads.matching != nil { objectives.append(ObjectiveChoice("itm")) }
    if heads.ranking != nil { objectives.append(ObjectiveChoice("retrieval")) }
    if heads.answers != nil {
      let names =
        files.answers.count == heads.answerCount
        ? files.answers : (0..<heads.answerCount).map { "#\($0)" }
      objectives.append(
        ObjectiveChoice("vqa", options: .object(["answers": .array(names.map(JSONValue.string))])))
    }
  }
}
