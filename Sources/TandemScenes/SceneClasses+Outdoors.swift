// Plants, buildings, the sky, and vehicles of the table.

private let plant = ["plant"]
private let sky = ["celestial body"]
private let building = ["building"]
private let vehicle = ["vehicle"]
private let roadVehicle = ["road vehicle", "vehicle"]
private let aircraft = ["aircraft", "vehicle"]
private let boat = ["boat", "vehicle"]

extension SceneClasses {
  static let outdoors: [SceneClassRule] = [
    SceneClassRule(
      "flower", "flowers", ["blossom"], plant,
      [
        "hibiscus", "blossom", "cherry blossom", "rose", "plants/flowers/rose",
        "plants/flowers/adeenia",
        "plants/flowers/anemone_red", "plants/flowers/daffodil", "plants/flowers/flower1",
        "plants/flowers/flower2", "plants/flowers/flower3", "plants/flowers/flower5",
        "plants/flowers/flower6", "plants/flowers/flower8", "plants/flowers/flower9",
        "plants/flowers/flower10", "plants/flowers/marigold", "plants/flowers/pigface",
        "plants/flowers/red-gazania", "plants/flowers/whitestar-petunia",
        "plants/flowers/yellow-flower",
      ]),
    SceneClassRule(
      "leafy tree", "leafy trees", ["broadleaf tree"], ["tree", "plant"],
      ["deciduous tree", "plants/trees/holm_oak", "plants/trees/tree336", "plants/trees/birch"]),
    SceneClassRule(
      "palm tree", "palm trees", ["palm"], ["tree", "plant"],
      ["palm tree", "plants/trees/liberia-palm"]),
    SceneClassRule(
      "Christmas tree", "Christmas trees", [], ["tree", "plant"],
      [
        "Christmas tree", "seasonal/christmas/Christmas_Tree_photo", "seasonal/christmas/tree",
      ]),
    SceneClassRule(
      "clover", "clovers", ["shamrock"], plant,
      ["four leaf clover", "shamrock", "seasonal/clover", "seasonal/shamrock"]),
    SceneClassRule(
      "snowman", "snowmen", [], [], setAside: true,
      [
        "snowman", "snowman without snow", "people/cartoon/snowman", "seasonal/winter/snowman",
        "seasonal/winter/snowman2",
      ]),
    SceneClassRule(
      "snowflake", "snowflakes", [], [], ["snowflake", "seasonal/winter/snowflake"]),
    SceneClassRule(
      "star", "stars", [], sky, ["star", "glowing star", "seasonal/christmas/star"]),
    SceneClassRule(
      "moon", "moons", [], sky,
      [
        "crescent moon", "full moon", "space/moon/moon_3qt", "space/moon/moon_crescent",
        "space/moon/moon_full",
      ]),
    SceneClassRule("sun", "suns", [], sky, ["sun", "sun with face", "space/planets/0_sun"]),
    SceneClassRule("fire", "fires", ["flame"], [], ["fire", "naturalforces/fire"]),
    SceneClassRule(
      "house", "houses", ["cottage"], building,
      [
        "house", "house with garden", "town/houses/cartoon/swisshome",
        "town/houses/cartoon/wooden_cottage", "town/houses/cartoon/blacksmith",
        "town/houses/cartoon/inn",
      ]),
    SceneClassRule(
      "castle", "castles", ["fortress"], building,
      [
        "castle", "town/houses/cartoon/fairytale_castle", "town/houses/cartoon/fortress",
      ]),
    SceneClassRule(
      "tent", "tents", [], building,
      [
        "tent", "circus tent", "town/houses/cartoon/circus", "town/houses/cartoon/medieval_tent",
        "town/houses/cartoon/tent", "town/houses/cartoon/tepee",
      ]),
  ]

  static let vehicles: [SceneClassRule] = [
    SceneClassRule(
      "car", "cars", ["automobile"], roadVehicle,
      [
        "automobile", "oncoming automobile", "sport utility vehicle", "vehicles/auto/beetle",
        "vehicles/auto/sedan", "vehicles/auto/sportscar", "vehicles/auto/sportscar2",
        "vehicles/auto/sportscar3",
      ]),
    SceneClassRule(
      "race car", "race cars", ["racing car"], ["car"] + roadVehicle,
      ["racing car", "vehicles/race/f1_car", "vehicles/race/indycar"]),
    SceneClassRule(
      "bus", "buses", ["coach"], roadVehicle,
      [
        "bus", "oncoming bus", "vehicles/iso_bus", "vehicles/masstransit/green_korean_bus",
        "vehicles/masstransit/cartoon/double_decker_bus",
        "vehicles/masstransit/cartoon/schoolbus",
      ]),
    SceneClassRule(
      "truck", "trucks", ["lorry"], roadVehicle,
      [
        "delivery truck", "articulated lorry", "vehicles/blue_truck", "vehicles/auto/truck",
        "vehicles/iso_lorry1", "vehicles/iso_lorry2", "vehicles/iso_lorry3",
        "vehicles/iso_lorry4", "vehicles/garbagetruck", "vehicles/toy_truck",
        "vehicles/construction/cartoon/terex",
      ]),
    SceneClassRule(
      "tractor", "tractors", [], vehicle, setAside: true,
      [
        "tractor", "vehicles/farming/cartoon/tractor", "vehicles/farming/cartoon/tux_tractor",
      ]),
    SceneClassRule(
      "bicycle", "bicycles", ["bike"], vehicle, setAside: true,
      ["bicycle", "vehicles/cycle/bluebike"]),
    SceneClassRule(
      "motorcycle", "motorcycles", ["motorbike"], roadVehicle,
      ["motorcycle", "vehicles/cycle/motorbike"]),
    SceneClassRule(
      "wheel", "wheels", ["tire"], [],
      [
        "wheel", "vehicles/7spoke256", "vehicles/bikewheel", "vehicles/tyre_with_rim",
        "vehicles/wheel_tractor",
      ]),
    SceneClassRule(
      "locomotive", "locomotives", ["train engine"], vehicle,
      [
        "locomotive", "high-speed train", "vehicles/locomotive/cartoon/toy_train",
        "vehicles/locomotive/white_train",
      ]),
    SceneClassRule(
      "airplane", "airplanes", ["plane", "aeroplane"], aircraft,
      [
        "airplane", "small airplane", "vehicles/flight/planes/747",
        "vehicles/flight/planes/plane", "vehicles/flight/planes/cartoon/plane",
        "military/vehicles/mustang",
      ]),
    SceneClassRule(
      "helicopter", "helicopters", ["chopper"], aircraft, setAside: true,
      ["helicopter", "vehicles/flight/cartoon/eddieCopter"]),
    SceneClassRule(
      "rocket", "rockets", ["rocket ship"], ["spacecraft", "vehicle"],
      [
        "rocket", "space/rocket1", "space/rocket2", "space/rocket3", "space/rocket4",
        "space/rocket5", "space/toyrocket",
      ]),
    SceneClassRule(
      "sailboat", "sailboats", ["sailing boat"], boat,
      [
        "sailboat", "vehicles/ship/sail_boat1", "vehicles/ship/sail_boat2",
        "vehicles/ship/walnutBoat", "vehicles/ship/chineseJunk",
      ]),
    SceneClassRule(
      "ship", "ships", ["steamer"], boat,
      ["ship", "passenger ship", "vehicles/ship/cartoon/tugboat"]),
  ]
}
