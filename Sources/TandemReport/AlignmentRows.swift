/// Pictures beside the heat maps of the words.
extension RunReport {
  var alignmentsHTML: HTML? {
    guard !alignments.isEmpty else { return nil }
    let rows = alignments.map { alignment -> HTML in
      let words = alignment.words.map { word -> HTML in
        """
        <li><figure>\(word.heat.html(role: "Heat map of the word “\(word.word)”"))\
        <figcaption dir="auto">\(word.word)</figcaption></figure></li>
        """
      }
      let maps: HTML? =
        words.isEmpty
        ? nil
        : """
        <ul class="words">
        \(words)
        </ul>
        """
      return """
        <li class="alignment">
        <figure class="source">\(alignment.picture.html(role: "Picture for: " + alignment.text))\
        <figcaption dir="auto">\(alignment.text)</figcaption></figure>
        \(maps)
        </li>
        """
    }
    return """
      <ul class="alignments">
      \(rows)
      </ul>
      """
  }
}
