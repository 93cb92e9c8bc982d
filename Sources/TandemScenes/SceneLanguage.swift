// The texts of the scenes, as a further file of lines beside them.

import Foundation

extension SceneLines {
  /// `<split>/language.jsonl`: one line a scene with its captions, regions, graph, questions,
  /// referring expressions and reasoned choices (`SceneTexts`), compared with other scenes of the
  /// same split.
  ///
  /// - Throws: `SceneTextError` when the library's classes make no lexicon.
  public static func language(
    of library: CutoutLibrary, seed: UInt64,
    options: SceneTextWriter.Options = SceneTextWriter.Options()
  ) throws -> SceneLines {
    let lexicon = try Lexicon(library.classes + library.unseenClasses)
    let texts = SceneTextWriter(lexicon, options)
    return SceneLines(fileName: "language.jsonl") { split, sample in
      var pool = ScenePool(capacity: ScenesBuilder.sampleCount)
      var random = SceneRandom(seed: seed &+ 1, split: split, id: -1)
      for scene in sample { pool.add(try SceneFacts(scene, lexicon), using: &random) }
      let filled = pool
      return { scene in
        // Another stream than the one the scene was composed from.
        var random = SceneRandom(seed: seed &+ 1, split: split, id: scene.id)
        let facts = try SceneFacts(scene, lexicon)
        return [try texts.texts(of: facts, among: filled, using: &random).jsonLine()]
      }
    }
  }
}
