// Scenes and their texts as records of the official formats.

extension Lexicon {
  /// The classes as COCO categories, numbered from 1; the supercategory is the nearest hypernym,
  /// or the class itself where it has none.
  public var categories: [COCOCategory] {
    classes.enumerated().map { place, one in
      COCOCategory(
        id: place + 1, name: one.name, supercategory: one.hypernyms.first ?? one.name)
    }
  }
}

extension SceneFacts {
  /// The scene as a COCO picture with its number as id.
  public func cocoImage(fileName: String) -> COCOImage {
    COCOImage(id: scene.id, fileName: fileName, width: scene.width, height: scene.height)
  }

  /// The objects as COCO annotations, their size and tint as attributes, with ids from
  /// 100 · scene number + 1.
  ///
  /// - Parameter outline: the segmentation of an object by its index; by default the box.
  public func cocoAnnotations(
    outline: (Int) -> COCOSegmentation? = { _ in nil }
  ) -> [COCOAnnotation] {
    scene.objects.enumerated().map { place, object in
      let box = object.box
      let (x1, y1, x2, y2) = (Double(box.x1), Double(box.y1), Double(box.x2), Double(box.y2))
      return COCOAnnotation(
        id: 100 * scene.id + place + 1, imageID: scene.id, categoryID: classes[place] + 1,
        x: x1, y: y1, width: x2 - x1, height: y2 - y1, area: Double(box.area),
        segmentation: outline(place) ?? .polygons([[x1, y1, x2, y1, x2, y2, x1, y2]]),
        attributes: [object.size.rawValue]
          + (object.tint == .natural ? [] : [object.tint.rawValue]))
    }
  }
}

extension SceneTexts {
  /// The questions with the ids 1000 · scene number + 0, 1, …
  public var vqaQuestions: [VQAQuestion] {
    questions.enumerated().map {
      VQAQuestion(id: 1000 * scene + $0, imageID: scene, question: $1.text)
    }
  }

  /// The answers to `vqaQuestions`, in their order.
  public var vqaAnnotations: [VQAAnnotation] {
    questions.enumerated().map {
      VQAAnnotation(
        questionID: 1000 * scene + $0, imageID: scene, questionType: $1.type.rawValue,
        answerType: $1.form.answerType, multipleChoiceAnswer: $1.answer, answers: $1.answers)
    }
  }
}

extension QuestionForm {
  /// "yes/no", "number" or "other", as VQA sorts answers.
  public var answerType: String {
    switch self {
    case .truth: "yes/no"
    case .count: "number"
    case .className, .tint, .side: "other"
    }
  }
}
