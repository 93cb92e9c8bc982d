import Foundation

/// Numbers as text, the same on every machine whatever its locale.
package enum NumberText {
  /// A coordinate with at most two decimals; what is not finite becomes 0.
  package static func coordinate(_ value: Double) -> String {
    guard value.isFinite else { return "0" }
    let hundredths = Int((min(max(value, -1e6), 1e6) * 100).rounded())
    let (whole, rest) = abs(hundredths).quotientAndRemainder(dividingBy: 100)
    var text = hundredths < 0 ? "-" : ""
    text += String(whole)
    if rest > 0 {
      text += rest < 10 ? ".0" : "."
      text += String(rest % 10 == 0 ? rest / 10 : rest)
    }
    return text
  }

  /// A fixed number of decimals, thousands set apart by commas: 12,345.60.
  package static func fixed(_ value: Double, decimals: Int) -> String {
    guard value.isFinite else { return "–" }
    let text = String(format: "%.\(max(decimals, 0))f", value.magnitude)
    let parts = text.split(separator: ".")
    var whole = ""
    for (index, digit) in (parts.first ?? "0").enumerated() {
      if index > 0, ((parts.first?.count ?? 0) - index) % 3 == 0 { whole += "," }
      whole.append(digit)
    }
    let isZero = text.allSatisfy { $0 == "0" || $0 == "." }
    let sign = value < 0 && !isZero ? "−" : ""
    return sign + whole + (parts.count > 1 ? "." + parts[1] : "")
  }

  /// At most `digits` significant digits without trailing zeros: 2.05, 12,340, 3.2e-5.
  package static func significant(_ value: Double, digits: Int = 4) -> String {
    guard value.isFinite else { return "–" }
    guard value != 0 else { return "0" }
    let (mantissa, exponent) = scientificParts(of: value, digits: digits)
    if exponent < -4 || exponent > 6 {
      return (value < 0 ? "−" : "") + mantissa + "e\(exponent)"
    }
    return withoutTrailingZeros(fixed(value, decimals: digits - 1 - exponent))
  }

  /// With a power of ten whatever the size: 1e-4, 2.5e3.
  package static func scientific(_ value: Double, digits: Int = 4) -> String {
    guard value.isFinite, value != 0 else { return significant(value, digits: digits) }
    let (mantissa, exponent) = scientificParts(of: value, digits: digits)
    return (value < 0 ? "−" : "") + mantissa + "e\(exponent)"
  }

  /// Printing settles the exponent after rounding: 9.9996 has four digits as 1.0e1.
  private static func scientificParts(of value: Double, digits: Int) -> (String, Int) {
    let parts = String(format: "%.\(max(digits - 1, 0))e", value.magnitude).split(separator: "e")
    let exponent = parts.count == 2 ? Int(parts[1]) ?? 0 : 0
    return (withoutTrailingZeros(String(parts[0])), exponent)
  }

  /// A share as a percentage: 0.6417 as 64.2%.
  package static func percent(_ share: Double, decimals: Int = 1) -> String {
    share.isFinite ? fixed(100 * share, decimals: decimals) + "%" : "–"
  }

  /// For the read-out script: short, without grouping, exact to six digits.
  package static func data(_ value: Double) -> String {
    guard value.isFinite else { return "0" }
    if value == value.rounded(), value.magnitude < 1e15 { return String(Int64(value)) }
    return String(format: "%.6g", value)
  }

  package static func text(_ value: Double, style: RunReport.NumberStyle) -> String {
    switch style {
    case .share: percent(value)
    case .plain: significant(value)
    }
  }

  /// An interval with its unit written once: 62.9–65.5%.
  package static func text(
    _ interval: ClosedRange<Double>, style: RunReport.NumberStyle
  ) -> String {
    let (low, high) = (interval.lowerBound, interval.upperBound)
    switch style {
    case .share:
      return fixed(100 * low, decimals: 1) + "–" + percent(high)
    case .plain:
      return significant(low) + "–" + significant(high)
    }
  }

  /// A signed difference; shares in percentage points: +27.1.
  package static func difference(_ value: Double, style: RunReport.NumberStyle) -> String {
    guard value.isFinite else { return "–" }
    let text = style == .share ? fixed(100 * value, decimals: 1) : significant(value)
    return value > 0 && text.contains(where: { ("1"..."9").contains($0) }) ? "+" + text : text
  }

  private static func withoutTrailingZeros(_ text: String) -> String {
    guard text.contains(".") else { return text }
    var trimmed = Substring(text)
    while trimmed.last == "0" { trimmed.removeLast() }
    if trimmed.last == "." { trimmed.removeLast() }
    return String(trimmed)
  }
}
