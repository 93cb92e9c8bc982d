// Cut-outs of the table that were looked at and refused.

extension SceneClasses {
  /// The reason for each, by the cut-out's name.
  static let excluded: [String: String] = [
    "openmoji/1f315": "a plain yellow disc, no moon",
    "tuxpaint/clothes-white_pants": "white without an outline",
    "tuxpaint/household-tealight": "a metal tin, its flame hidden",
    "tuxpaint/plants-trees-birch": "bare of leaves, a grey haze when small",
    "tuxpaint/seasonal-easter-chick-in-egg": "an egg with a hole",
    "tuxpaint/seasonal-halloween-grave-g": "a bare slab",
    "tuxpaint/seasonal-halloween-grave-h": "a bare slab",
    "tuxpaint/seasonal-halloween-grave-j": "a bare slab",
    "tuxpaint/space-planets-0_sun": "a glow without an edge",
  ]
}
