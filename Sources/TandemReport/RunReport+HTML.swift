extension RunReport {
  /// The report as one HTML file in UTF-8.
  ///
  /// The markup is well-formed XML too. A content security policy in the page forbids whatever
  /// would be loaded from elsewhere.
  public func html() -> String {
    let sections = [
      section("Results", id: "results", resultsHTML),
      section("Tables", id: "tables", tablesHTML),
      section("Curves", id: "curves", curvesHTML),
      section("Examples", id: "examples", samplesHTML),
      section("Words and places", id: "alignments", alignmentsHTML),
      section("Recipe", id: "recipe", recipeHTML),
      section("Notes", id: "notes", notesHTML),
    ].compactMap { $0 }
    let page: HTML = """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8" />
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <meta name="color-scheme" content="light dark" />
      <meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; \
      style-src 'unsafe-inline'; script-src 'unsafe-inline'" />
      <title>\(title)</title>
      \(StyleSheet.html)
      </head>
      <body>
      <header>
      <h1>\(title)</h1>
      \(subtitle.isEmpty ? nil : subtitleHTML)
      \(sections.count > 1 ? navigation(sections) : nil)
      \(facts.isEmpty ? nil : factsHTML)
      </header>
      <main>
      \(sections.map(\.html))
      </main>
      \(curves.isEmpty && recipe.isEmpty ? nil : HoverScript.html)
      </body>
      </html>

      """
    return page.markup
  }

  private struct Section {
    var title: String
    var id: String
    var html: HTML
  }

  /// Nil without content, so that an empty section leaves no trace.
  private func section(_ title: String, id: String, _ content: HTML?) -> Section? {
    guard let content else { return nil }
    let html: HTML = """
      <section id="\(id)" aria-labelledby="\(id)-heading">
      <h2 id="\(id)-heading">\(title)</h2>
      \(content)
      </section>
      """
    return Section(title: title, id: id, html: html)
  }

  private var subtitleHTML: HTML {
    """
    <p class="subtitle">\(subtitle)</p>
    """
  }

  private func navigation(_ sections: [Section]) -> HTML {
    let links = sections.map { section -> HTML in
      """
      <li><a href="#\(section.id)">\(section.title)</a></li>
      """
    }
    return """
      <nav aria-label="Sections"><ul>\(links)</ul></nav>
      """
  }

  private var factsHTML: HTML {
    let items = facts.map { fact -> HTML in
      "<div><dt>\(fact.name)</dt><dd>\(fact.value)</dd></div>"
    }
    return """
      <dl class="facts">
      \(items)
      </dl>
      """
  }

  /// Two charts a row; of an odd number the first takes a row of its own.
  private var curvesHTML: HTML? {
    guard !curves.isEmpty else { return nil }
    let figures = curves.enumerated().map { index, chart in
      chart.html(number: index + 1, isWide: index == 0 && curves.count % 2 == 1)
    }
    return """
      <div class="charts">
      \(figures)
      </div>
      """
  }

  private var notesHTML: HTML? {
    guard !notes.isEmpty else { return nil }
    let items = notes.map { note -> HTML in
      """
      <li dir="auto">\(note)</li>
      """
    }
    return """
      <ul class="notes">
      \(items)
      </ul>
      """
  }
}
