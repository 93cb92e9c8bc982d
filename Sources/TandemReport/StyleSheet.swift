/// The look of the page: one column, system fonts, hairlines instead of boxes.
///
/// Written without `<` and `&`, so that it is the same text in HTML and in XML.
enum StyleSheet {
  static var html: HTML {
    """
    <style>
    :root { color-scheme: light dark; \(Palette.light.declarations) }
    @media screen and (prefers-color-scheme: dark) { :root { \(Palette.dark.declarations) } }
    \(seriesColors)
    \(page)
    \(results)
    \(charts)
    \(pictures)
    \(recipe)
    \(paper)
    </style>
    """
  }

  private static var seriesColors: HTML {
    let rules = (0..<Palette.seriesCount).map { index -> HTML in
      ".series-\(index) { --series: var(--series-\(index)); }"
    }
    return "\(rules)"
  }

  private static let page: HTML = """
    *, *::before, *::after { box-sizing: border-box; }
    html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
    body { margin: 0 auto; max-width: 1008px; padding: 56px 24px 96px; background: var(--paper);
      color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto,
      "Helvetica Neue", Arial, sans-serif; font-variant-numeric: tabular-nums;
      overflow-wrap: break-word; }
    h1 { margin: 0; font-size: 34px; line-height: 1.15; font-weight: 680;
      letter-spacing: -0.02em; text-wrap: balance; }
    h2 { margin: 0 0 24px; font-size: 22px; line-height: 1.25; font-weight: 650;
      letter-spacing: -0.01em; }
    h3 { margin: 0 0 16px; font-size: 16px; font-weight: 650; }
    p, ul, ol, dl, dd, figure { margin: 0; padding: 0; }
    section { margin-top: 56px; padding-top: 32px; border-top: 1px solid var(--hairline); }
    .subtitle { margin-top: 12px; max-width: 44em; font-size: 18px; color: var(--muted);
      text-wrap: pretty; }
    nav { margin-top: 24px; font-size: 14px; }
    nav ul { display: flex; flex-wrap: wrap; gap: 4px 24px; list-style: none; }
    a { color: var(--accent); text-decoration-thickness: 1px; text-underline-offset: 3px; }
    :focus-visible { outline: 2px solid var(--accent); outline-offset: 3px; border-radius: 2px; }
    .facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(210px, 1fr));
      gap: 20px 32px; margin-top: 36px; }
    .facts dt { font-size: 13px; color: var(--muted); }
    .facts dd { font-weight: 550; }
    .hint { font-size: 13px; color: var(--muted); }
    .scroll { overflow-x: auto; }
    .notes { padding-left: 1.1em; max-width: 44em; }
    .notes li + li { margin-top: 8px; }
    .notes li::marker { color: var(--muted); }
    """

  private static let results: HTML = """
    table { width: 100%; border-collapse: collapse; font-size: 15px; }
    th { font-size: 13px; font-weight: 500; color: var(--muted); text-align: left;
      vertical-align: bottom; }
    th, td { padding: 12px 24px 12px 0; border-bottom: 1px solid var(--hairline); }
    thead th { padding-block: 0 8px; }
    th:last-child, td:last-child { padding-right: 0; }
    .results tbody th { font-size: 15px; font-weight: 550; color: var(--ink);
      vertical-align: middle; }
    .results .number { text-align: right; white-space: nowrap; }
    .results td.value { font-size: 18px; font-weight: 650; }
    .results td .range, .results tbody .count { display: block; font-size: 13px; font-weight: 400;
      color: var(--muted); }
    .results .graphic { position: relative; width: 30%; min-width: 220px; padding: 0; }
    .results .graphic svg.scale { display: block; position: absolute; inset: 0; width: 100%;
      height: 100%; overflow: visible; }
    .results .baselines { width: 36%; padding-left: 20px; }
    .baselines li { display: grid; grid-template-columns: 12px 1fr 3.7em 4.3em;
      column-gap: 6px; font-size: 14px; line-height: 1.45; list-style: none; }
    .baselines li + li { margin-top: 4px; }
    .baselines li > :nth-child(n + 3) { text-align: right; white-space: nowrap; }
    .baselines svg { width: 12px; height: 12px; margin-top: 4px; overflow: visible; }
    .baselines .difference { font-weight: 550; }
    .key { display: flex; flex-wrap: wrap; gap: 4px 24px; margin-top: 12px; }
    .key svg { width: 28px; height: 12px; margin-right: 6px; vertical-align: -1px;
      overflow: visible; }
    .tick-line { stroke: var(--hairline); }
    .tick-text { font-size: 12px; fill: var(--muted); }
    .whisker { stroke: var(--accent); stroke-width: 1.5; }
    .measured { fill: var(--accent); }
    .baseline { stroke: var(--muted); stroke-width: 1.5; fill: var(--paper); }
    """

  private static let charts: HTML = """
    .charts { display: grid; grid-template-columns: 1fr 1fr; gap: 48px 32px; }
    .charts .wide { grid-column: 1 / -1; }
    figcaption { font-weight: 650; margin-bottom: 10px; }
    .chart { min-width: 0; }
    .chart .hint { margin-top: 6px; }
    .plot { position: relative; }
    .plot svg { display: block; width: 100%; height: auto; overflow: visible;
      font-size: 12px; }
    .tick, .label { fill: var(--muted); }
    .grid { stroke: var(--hairline); }
    .axis { stroke: var(--muted); }
    .line, .thin { fill: none; stroke: var(--series); stroke-linejoin: round;
      stroke-linecap: round; }
    .line { stroke-width: 2; }
    .thin { stroke-width: 1; opacity: 0.32; }
    .dashed { stroke-dasharray: 5 5; }
    .dot { fill: var(--series); }
    .hover { fill: var(--series); stroke: var(--paper); stroke-width: 2; }
    .rule { stroke: var(--muted); }
    .leader { fill: none; stroke: var(--series); stroke-width: 1; opacity: 0.6; }
    .name { fill: var(--series); color: var(--series); font-weight: 600; }
    .value { fill: var(--ink); }
    .reference { stroke: var(--muted); stroke-dasharray: 2 4; stroke-linecap: round;
      stroke-width: 1.25; }
    .note { fill: var(--muted); stroke: var(--paper); stroke-width: 4; stroke-linejoin: round;
      paint-order: stroke; }
    .legend { display: flex; flex-wrap: wrap; gap: 2px 20px; margin-bottom: 10px; font-size: 13px;
      list-style: none; }
    .legend svg { display: inline-block; width: 24px; height: 8px; margin-right: 6px; }
    .readout { position: absolute; top: 0; z-index: 1; padding: 6px 10px; font-size: 12px;
      line-height: 1.5; white-space: nowrap; background: var(--paper); border-radius: 6px;
      border: 1px solid var(--hairline); pointer-events: none; }
    .readout .entry { display: flex; justify-content: space-between; gap: 12px; }
    @media screen and (max-width: 820px) {
      .charts { grid-template-columns: 1fr; }
      .chart:not(.wide) { max-width: 560px; }
    }
    @media screen and (max-width: 640px) {
      .results tbody th { min-width: 136px; }
      .results .baselines { min-width: 280px; }
      .plot { overflow-x: auto; } .plot svg { min-width: 440px; }
      .wide .plot svg { min-width: 720px; }
    }
    """

  private static let pictures: HTML = """
    .group + .group { margin-top: 40px; }
    .mark { display: inline-block; width: 14px; height: 14px; margin-right: 6px;
      vertical-align: -2px; fill: none; stroke: currentColor; stroke-width: 2;
      stroke-linecap: round; stroke-linejoin: round; }
    .is-right { color: var(--right); }
    .is-wrong { color: var(--wrong); }
    h3 strong { font-weight: inherit; }
    h3 .total { margin-left: 6px; font-weight: 400; color: var(--muted); }
    .samples { display: grid; grid-template-columns: repeat(auto-fill, minmax(220px, 1fr));
      gap: 32px 24px; list-style: none; }
    .shown { display: flex; gap: 4px; aspect-ratio: 4 / 3; overflow: hidden;
      background: var(--panel); border-radius: 6px; }
    .shown img { flex: 1 1 0; min-width: 0; width: 100%; height: 100%; object-fit: contain; }
    .question { margin-top: 12px; font-weight: 550; line-height: 1.4; }
    .verdict { margin-top: 4px; font-size: 14px; color: var(--muted); }
    .verdict strong { white-space: nowrap; margin-right: 4px; font-weight: 600; }
    .verdict b { color: var(--ink); font-weight: 550; }
    .answers { margin-top: 12px; font-size: 14px; list-style: none; }
    .answers li { display: grid; grid-template-columns: 1fr auto; column-gap: 12px; }
    .answers li + li { margin-top: 6px; }
    .answers .expected { font-weight: 600; }
    .answers .expected .mark { width: 12px; height: 12px; margin: 0 0 0 4px;
      vertical-align: -1px; }
    .bar { grid-column: 1 / -1; height: 4px; margin-top: 2px; border-radius: 2px;
      background: var(--panel); overflow: hidden; }
    .bar span { display: block; height: 100%; border-radius: 2px; background: var(--muted); }
    .expected .bar span { background: var(--accent); }
    .alignments { display: grid; gap: 40px; list-style: none; }
    .alignment { display: grid; grid-template-columns: 224px 1fr; gap: 16px 32px; }
    .alignment .source img { display: block; width: 100%; background: var(--panel);
      border-radius: 6px; }
    .alignment .source figcaption { margin: 10px 0 0; font-weight: 550; line-height: 1.4; }
    .words { display: grid; grid-template-columns: repeat(auto-fill, minmax(108px, 1fr));
      gap: 16px 12px; align-content: start; list-style: none; }
    .words img { display: block; width: 100%; border-radius: 4px; }
    .words figcaption { margin: 6px 0 0; font-size: 14px; font-weight: 400; text-align: center; }
    @media screen and (max-width: 640px) { .alignment { grid-template-columns: 1fr; } }
    """

  private static let recipe: HTML = """
    details { border-bottom: 1px solid var(--hairline); }
    details:first-of-type { border-top: 1px solid var(--hairline); }
    summary { display: flex; align-items: baseline; gap: 10px; padding: 12px 0; cursor: pointer;
      font-weight: 550; list-style: none; }
    summary::-webkit-details-marker { display: none; }
    summary::before { content: ""; flex: none; width: 6px; height: 6px; margin: 0 4px 0 2px;
      border: solid var(--muted); border-width: 0 1.5px 1.5px 0;
      transform: translateY(-2px) rotate(-45deg); }
    details[open] summary::before { transform: translateY(-3px) rotate(45deg); }
    summary .total { font-weight: 400; font-size: 14px; color: var(--muted); }
    .settings { margin: 0 0 20px; font-size: 14px; table-layout: fixed; }
    .settings th, .settings td { padding-block: 7px; vertical-align: baseline; }
    .settings tbody tr:last-child > * { border-bottom: 0; }
    .settings tbody th { color: var(--ink); font-weight: 400; }
    .settings .key-column { width: 36%; padding-left: 22px; }
    .settings .value-column { width: 34%; }
    .settings tbody th, .settings .set { font-family: ui-monospace, "SF Mono", "Cascadia Mono",
      Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 13px; }
    .settings .origin { color: var(--muted); }
    """

  /// Print: no links, everything open, nothing torn apart.
  private static let paper: HTML = """
    @page { margin: 16mm 14mm; }
    @media print {
      :root { color-scheme: light; }
      body { max-width: none; padding: 0; font-size: 10pt; }
      h1 { font-size: 24pt; } h2 { font-size: 15pt; }
      nav, .readout { display: none; }
      section { margin-top: 28px; padding-top: 20px; }
      h2, h3, summary { break-after: avoid; }
      tr, .chart, .samples > li, .alignment, .notes li { break-inside: avoid; }
      .charts { gap: 28px 24px; }
      .results .graphic { min-width: 170px; }
      .samples { grid-template-columns: repeat(4, 1fr); gap: 24px 16px; }
      .alignment { grid-template-columns: 168px 1fr; }
      .words { grid-template-columns: repeat(auto-fill, minmax(76px, 1fr)); }
      .scroll { overflow: visible; }
      .bar, .bar span, .shown { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
      details::details-content { display: block; content-visibility: visible;
        block-size: auto; }
    }
    """
}
