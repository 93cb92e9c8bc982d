/// Tables of a page: a header and rows of text, numbers to the right.
extension RunReport {
  public struct Table: Sendable, Equatable {
    public var title: String
    public var header: [String]
    public var rows: [[String]]
    public var note: String

    public init(title: String, header: [String], rows: [[String]], note: String = "") {
      self.title = title
      self.header = header
      self.rows = rows
      self.note = note
    }

    /// The table for a terminal or a Markdown file, its columns aligned.
    public var markdown: String {
      let all = [header] + rows
      let widths = header.indices.map { column in
        all.map { $0.count > column ? $0[column].count : 0 }.max() ?? 0
      }
      func line(_ cells: [String]) -> String {
        let padded = header.indices.map { column -> String in
          let cell = cells.count > column ? cells[column] : ""
          let space = String(repeating: " ", count: widths[column] - cell.count)
          return column == 0 ? cell + space : space + cell
        }
        return "| " + padded.joined(separator: " | ") + " |"
      }
      let rule =
        "|"
        + widths.enumerated().map { column, width in
          (column == 0 ? ":" : "-") + String(repeating: "-", count: width)
            + (column == 0 ? "-" : ":")
        }.joined(separator: "|") + "|"
      return
        (["## \(title)", "", line(header), rule] + rows.map(line)
        + (note.isEmpty ? [] : ["", note])).joined(separator: "\n") + "\n"
    }
  }

  var tablesHTML: HTML? {
    guard !tables.isEmpty else { return nil }
    let all = tables.map { table -> HTML in
      let head = table.header.enumerated().map { column, cell -> HTML in
        column == 0
          ? """
          <th scope="col">\(cell)</th>
          """
          : """
          <th class="number" scope="col">\(cell)</th>
          """
      }
      let body = table.rows.map { row -> HTML in
        let cells = row.enumerated().map { column, cell -> HTML in
          column == 0
            ? """
            <th scope="row">\(cell)</th>
            """
            : """
            <td class="number">\(cell)</td>
            """
        }
        return """
          <tr>\(cells)</tr>
          """
      }
      let note: HTML? =
        table.note.isEmpty
        ? nil
        : """
        <p class="note">\(table.note)</p>
        """
      return """
        <h3>\(table.title)</h3>
        <div class="scroll">
        <table class="results">
        <thead><tr>\(head)</tr></thead>
        <tbody>
        \(body)
        </tbody>
        </table>
        </div>
        \(note)
        """
    }
    return """
      \(all)
      """
  }
}
