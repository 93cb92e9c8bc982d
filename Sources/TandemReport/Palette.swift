/// The colours of a report, once for light and once for dark surroundings.
///
/// Every colour that carries text has a contrast of at least 4.5 : 1 with what it stands on
/// (WCAG 2.2, criterion 1.4.3); a test computes it.
package struct Palette: Sendable {
  package static let seriesCount = 6

  /// The background of the page, of pictures and bars, and of hairlines.
  package let paper: String
  package let panel: String
  package let hairline: String
  /// Text, lesser text, links and the marks of results.
  package let ink: String
  package let muted: String
  package let accent: String
  package let right: String
  package let wrong: String
  package let series: [String]

  package static let light = Palette(
    paper: "#ffffff", panel: "#f3f4f6", hairline: "#dde1e6",
    ink: "#1a1e24", muted: "#59616d", accent: "#2456b3",
    right: "#17714f", wrong: "#b0361b",
    series: ["#2456b3", "#b4500c", "#0f766e", "#93358a", "#6b6413", "#4f5865"])

  package static let dark = Palette(
    paper: "#14171b", panel: "#1e2228", hairline: "#333a43",
    ink: "#e8ebef", muted: "#a3acb8", accent: "#8ab1fa",
    right: "#62c99c", wrong: "#f38d68",
    series: ["#8ab1fa", "#f0a05c", "#55c7b6", "#e493d6", "#cfc25a", "#aab3c0"])

  /// The colours as custom properties of the style sheet.
  var declarations: HTML {
    let named = [
      ("paper", paper), ("panel", panel), ("hairline", hairline), ("ink", ink), ("muted", muted),
      ("accent", accent), ("right", right), ("wrong", wrong),
    ]
    let numbered = series.enumerated().map { ("series-\($0)", $1) }
    return HTML(
      stringLiteral: (named + numbered).map { "--\($0): \($1);" }.joined(separator: " "))
  }
}
