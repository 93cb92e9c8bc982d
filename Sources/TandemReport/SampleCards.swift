/// Examples as cards, the wrong ones first.
extension RunReport {
  var samplesHTML: HTML? {
    let groups = [false, true].compactMap { isRight -> HTML? in
      let members = samples.filter { $0.isRight == isRight }
      guard !members.isEmpty else { return nil }
      return """
        <div class="group">
        <h3>\(Self.verdict(isRight))<span class="total">\(members.count) of \(samples.count) \
        shown</span></h3>
        <ul class="samples">
        \(members.map(card))
        </ul>
        </div>
        """
    }
    return groups.isEmpty ? nil : "\(groups)"
  }

  private func card(_ sample: Sample) -> HTML {
    let shown: HTML? =
      sample.pictures.isEmpty
      ? nil
      : """
      <div class="shown">\(sample.pictures.map { $0.html(role: "Picture for: " + sample.text) })</div>
      """
    let expected: HTML? =
      sample.expected.isEmpty
      ? nil
      : """
      expected <b dir="auto">\(sample.expected)</b>
      """
    let answers = sample.answers.map { answer($0, expected: sample.expected) }
    let list: HTML? =
      answers.isEmpty
      ? nil
      : """
      <ol class="answers">
      \(answers)
      </ol>
      """
    return """
      <li>
      \(shown)
      <p class="question" dir="auto">\(sample.text)</p>
      <p class="verdict">\(Self.verdict(sample.isRight)) \(expected)</p>
      \(list)
      </li>
      """
  }

  private func answer(_ answer: Answer, expected: String) -> HTML {
    let isExpected = answer.text == expected
    let probability = answer.probability.isFinite ? min(max(answer.probability, 0), 1) : 0
    let shape: HTML? = isExpected ? " class=\"expected\"" : nil
    let check: HTML? = isExpected ? Self.mark(isRight: true, title: "expected answer") : nil
    return """
      <li\(shape)><span dir="auto">\(answer.text)\(check)</span>\
      <span>\(NumberText.percent(answer.probability, decimals: 0))</span>\
      <span class="bar"><span style="width:\(100 * probability)%"></span></span></li>
      """
  }

  /// A word with a sign, so that colour is never all there is to tell right from wrong.
  private static func verdict(_ isRight: Bool) -> HTML {
    """
    <strong class="\(isRight ? "is-right" : "is-wrong")">\(mark(isRight: isRight, title: nil))\
    \(isRight ? "Right" : "Wrong")</strong>
    """
  }

  private static func mark(isRight: Bool, title: String?) -> HTML {
    let path: HTML = isRight ? "M2.5 7.5L5.5 10.5L11.5 3.5" : "M3 3L11 11M11 3L3 11"
    guard let title else {
      return """
        <svg class="mark" viewBox="0 0 14 14" aria-hidden="true"><path d="\(path)" /></svg>
        """
    }
    return """
      <svg class="mark" viewBox="0 0 14 14" role="img" aria-label="\(title)">\
      <path d="\(path)" /></svg>
      """
  }
}
