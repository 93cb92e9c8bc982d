// Tools, devices, instruments, toys and other things of the table.

private let tool = ["tool"]
private let instrument = ["musical instrument"]
private let device = ["device"]
private let household = ["household item"]
private let ball = ["ball", "toy"]

extension SceneClasses {
  static let things: [SceneClassRule] = [
    SceneClassRule(
      "camera", "cameras", [], device,
      [
        "camera", "camera with flash", "hobbies/camera_35mm",
        "household/electronics/DSLR_Camera", "household/electronics/camera",
        "household/electronics/digitalcamera",
      ]),
    SceneClassRule(
      "laptop", "laptops", ["notebook computer"], device,
      ["laptop", "household/electronics/laptop"]),
    SceneClassRule(
      "printer", "printers", [], device,
      [
        "printer", "household/electronics/inkjet_printer",
        "household/electronics/laser_printer",
      ]),
    SceneClassRule(
      "telephone", "telephones", [], device, ["telephone", "household/electronics/phone"]),
    SceneClassRule(
      "mobile phone", "mobile phones", ["cell phone"], device,
      ["mobile phone", "household/electronics/mobile"]),
    SceneClassRule(
      "clock", "clocks", [], device, ["alarm clock", "mantelpiece clock", "three o’clock"]),
    SceneClassRule(
      "guitar", "guitars", [], instrument,
      [
        "guitar", "hobbies/music/string/guitar2", "hobbies/music/string/guitar_classical",
        "hobbies/music/string/guitar_electric", "hobbies/music/string/guitar_electric_bass",
        "hobbies/music/string/guitar_electric_bass2",
      ]),
    SceneClassRule(
      "violin", "violins", ["fiddle"], instrument,
      ["violin", "hobbies/music/string/violin", "hobbies/music/string/violin2"]),
    SceneClassRule(
      "trumpet", "trumpets", [], instrument, setAside: true,
      ["trumpet", "hobbies/music/brass/trumpet"]),
    SceneClassRule(
      "drum", "drums", [], instrument,
      ["drum", "hobbies/music/percussion/drum_tomtom_floor"]),
    SceneClassRule(
      "pencil", "pencils", [], tool,
      ["pencil", "household/arttools/Pencil", "household/arttools/pencil2"]),
    SceneClassRule(
      "pair of scissors", "pairs of scissors", [], tool,
      [
        "scissors", "household/arttools/scissors_small_closed",
        "household/arttools/scissors_small_open",
      ]),
    SceneClassRule(
      "hammer", "hammers", ["mallet"], tool,
      ["hammer", "household/tools/hammer", "household/tools/hammer2"]),
    SceneClassRule(
      "wrench", "wrenches", ["spanner"], tool,
      [
        "wrench", "household/tools/wrench", "household/tools/wrench_adjustable",
        "household/tools/wrench_plumbers",
      ]),
    SceneClassRule(
      "magnifying glass", "magnifying glasses", [], tool,
      ["magnifying glass tilted left", "magnifying glass tilted right"]),
    SceneClassRule(
      "knife", "knives", [], ["cutlery", "household item"],
      ["kitchen knife", "household/dishes/knife"]),
    SceneClassRule(
      "key", "keys", [], household, ["key", "old key", "household/key"]),
    SceneClassRule(
      "padlock", "padlocks", ["lock"], household, setAside: true,
      ["locked", "unlocked", "household/padlock_closed", "household/padlock_open"]),
    SceneClassRule(
      "light bulb", "light bulbs", [], household, ["light bulb", "household/Lightbulb"]),
    SceneClassRule(
      "candle", "candles", [], household,
      ["candle", "seasonal/candle", "household/tealight"]),
    SceneClassRule(
      "umbrella", "umbrellas", [], household, setAside: true,
      ["umbrella", "umbrella with rain drops", "umbrella on ground", "household/umbrella"]),
    SceneClassRule(
      "trash can", "trash cans", ["garbage can"], household,
      [
        "wastebasket", "household/garbagecan", "household/trash_can", "household/wheelie_bin",
      ]),
    SceneClassRule("toilet", "toilets", [], household, ["toilet", "household/toilet"]),
    SceneClassRule(
      "book", "books", [], ["household item"],
      ["closed book", "green book", "blue book", "orange book"]),
    SceneClassRule(
      "globe", "globes", [], household,
      [
        "globe showing Europe-Africa", "globe showing Americas",
        "globe showing Asia-Australia", "household/globe",
      ]),
    SceneClassRule(
      "gift", "gifts", ["present"], [],
      ["wrapped gift", "seasonal/christmas/present"]),
    SceneClassRule(
      "trophy", "trophies", [], [], ["trophy", "sports/trophy_cup"]),
    SceneClassRule(
      "mailbox", "mailboxes", ["letter box"], [],
      [
        "closed mailbox with raised flag", "postbox", "town/uk_post_box", "town/usps_mailbox",
      ]),
    SceneClassRule(
      "balloon", "balloons", [], ["toy"], ["balloon", "seasonal/balloon"]),
    SceneClassRule("soccer ball", "soccer balls", [], ball, ["soccer ball", "sports/soccer"]),
    SceneClassRule("basketball", "basketballs", [], ball, ["basketball", "sports/basketball"]),
    SceneClassRule(
      "football", "footballs", [], ball,
      ["american football", "sports/football", "sports/australian_rules_football"]),
    SceneClassRule(
      "gravestone", "gravestones", ["tombstone", "headstone"], [],
      [
        "headstone", "seasonal/halloween/grave-a", "seasonal/halloween/grave-b",
        "seasonal/halloween/grave-d", "seasonal/halloween/grave-e",
        "seasonal/halloween/grave-g", "seasonal/halloween/grave-h",
        "seasonal/halloween/grave-i", "seasonal/halloween/grave-j",
      ]),
    SceneClassRule(
      "traffic light", "traffic lights", ["stoplight"], ["road sign"],
      [
        "horizontal traffic light", "vertical traffic light", "town/roadsigns/stoplight_01_red",
        "town/roadsigns/stoplight_02_yellow", "town/roadsigns/stoplight_03_green",
      ]),
  ]
}
