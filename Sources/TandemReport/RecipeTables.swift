/// The settings of the run, folded section by section.
extension RunReport {
  var recipeHTML: HTML? {
    let sections = recipe.filter { !$0.rows.isEmpty }
    guard !sections.isEmpty else { return nil }
    let parts = sections.map { section -> HTML in
      let rows = section.rows.map { setting -> HTML in
        """
        <tr><th class="key-column" scope="row">\(setting.key)</th>\
        <td class="value-column set">\(setting.value)</td>\
        <td class="origin">\(setting.origin)</td></tr>
        """
      }
      let total = section.rows.count == 1 ? "1 setting" : "\(section.rows.count) settings"
      return """
        <details>
        <summary>\(section.name)<span class="total">\(total)</span></summary>
        <table class="settings">
        <thead><tr><th class="key-column" scope="col">Setting</th>\
        <th class="value-column" scope="col">Value</th><th scope="col">From</th></tr></thead>
        <tbody>
        \(rows)
        </tbody>
        </table>
        </details>
        """
    }
    return "\(parts)"
  }
}
