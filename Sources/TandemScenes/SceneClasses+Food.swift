// Food and clothing of the table. What comes in pairs or bunches is named so, that "a" fits it.

private let fruit = ["fruit", "food"]
private let vegetable = ["vegetable", "food"]
private let sweet = ["sweet", "food"]
private let clothes = ["clothing"]
private let headgear = ["headgear", "clothing"]

extension SceneClasses {
  static let food: [SceneClassRule] = [
    SceneClassRule(
      "apple", "apples", [], fruit,
      [
        "red apple", "green apple", "food/fruit/cartoon/apple", "food/fruit/apple_fuji",
        "food/fruit/apple_granny_smith", "food/fruit/apple_green", "food/fruit/apple_red",
        "food/fruit/apple_sierra_beauty",
      ]),
    SceneClassRule(
      "pear", "pears", [], fruit, ["pear", "food/fruit/cartoon/pear", "food/fruit/pear"]),
    SceneClassRule(
      "banana", "bananas", [], fruit,
      ["banana", "food/fruit/banana", "food/fruit/cartoon/banana"]),
    SceneClassRule(
      "orange", "oranges", [], fruit,
      [
        "tangerine", "food/fruit/orange", "food/fruit/mandarine", "food/fruit/orange_seville",
        "food/fruit/cartoon/orange",
      ]),
    SceneClassRule(
      "lemon", "lemons", [], fruit, ["lemon", "food/fruit/lemon", "food/fruit/cartoon/lemon"]),
    SceneClassRule(
      "bunch of grapes", "bunches of grapes", ["cluster of grapes"], fruit,
      ["grapes", "food/fruit/grapes", "food/fruit/cartoon/grapes"]),
    SceneClassRule(
      "watermelon", "watermelons", ["melon"], fruit,
      ["watermelon", "food/fruit/cartoon/watermelon"]),
    SceneClassRule(
      "pineapple", "pineapples", [], fruit, setAside: true,
      ["pineapple", "food/fruit/pineapple", "food/fruit/cartoon/pineapple"]),
    SceneClassRule(
      "strawberry", "strawberries", [], fruit,
      [
        "strawberry", "food/fruit/strawberry", "food/fruit/Strawberry2",
        "food/fruit/cartoon/strawberry",
      ]),
    SceneClassRule(
      "cherry", "cherries", [], fruit,
      [
        "cherries", "food/fruit/Cherry_Stella", "food/fruit/cartoon/cherries",
        "food/fruit/cartoon/cherries2",
      ]),
    SceneClassRule(
      "tomato", "tomatoes", [], vegetable, ["tomato", "food/vegetables/tomato"]),
    SceneClassRule(
      "avocado", "avocados", [], fruit, setAside: true, ["avocado", "food/fruit/avocado"]),
    SceneClassRule(
      "eggplant", "eggplants", ["aubergine"], vegetable,
      ["eggplant", "food/vegetables/eggplant"]),
    SceneClassRule("carrot", "carrots", [], vegetable, ["carrot", "food/vegetables/carrot"]),
    SceneClassRule(
      "ear of corn", "ears of corn", ["corncob"], vegetable,
      ["ear of corn", "food/vegetables/corn"]),
    SceneClassRule(
      "chili pepper", "chili peppers", ["hot pepper"], vegetable,
      ["hot pepper", "food/vegetables/chilepepper"]),
    SceneClassRule(
      "mushroom", "mushrooms", ["toadstool"], vegetable,
      [
        "mushroom", "food/vegetables/mushroom", "plants/toadstool", "plants/mushrooms/cep",
        "plants/mushrooms/cep-1", "plants/mushrooms/cep-2",
      ]),
    SceneClassRule(
      "pumpkin", "pumpkins", ["jack-o'-lantern"], vegetable,
      [
        "jack-o-lantern", "food/vegetables/pumpkin_small",
        "seasonal/halloween/jackolantern_mean",
      ]),
    SceneClassRule(
      "loaf of bread", "loaves of bread", [], ["food"],
      ["bread", "baguette bread", "food/bread", "food/loaf_of_bread"]),
    SceneClassRule(
      "piece of cheese", "pieces of cheese", ["wedge of cheese"], ["food"],
      ["cheese wedge", "food/cheese"]),
    SceneClassRule("pizza", "pizzas", [], ["food"], setAside: true, ["pizza", "food/pizza"]),
    SceneClassRule(
      "cake", "cakes", [], sweet,
      [
        "birthday cake", "shortcake", "food/dessert/cartoon/birthday_cake",
        "food/dessert/cartoon/pink_cake",
      ]),
    SceneClassRule(
      "candy cane", "candy canes", [], sweet,
      [
        "seasonal/christmas/candy_cane", "seasonal/christmas/Candy_cane_photo_1",
        "seasonal/christmas/Candy_cane_photo_2",
      ]),
    SceneClassRule(
      "ice cream", "ice creams", [], sweet, ["soft ice cream", "ice cream"]),
    SceneClassRule(
      "cup of coffee", "cups of coffee", ["coffee cup"], ["drink"],
      ["hot beverage", "household/dishes/coffeecup", "household/dishes/expresso"]),
    SceneClassRule("beer mug", "beer mugs", [], ["drink"], ["beer mug", "clinking beer mugs"]),
  ]

  static let clothing: [SceneClassRule] = [
    SceneClassRule(
      "pair of glasses", "pairs of glasses", ["pair of spectacles"], clothes,
      ["glasses", "clothes/glasses1", "clothes/glasses2"]),
    SceneClassRule(
      "pair of sunglasses", "pairs of sunglasses", [], clothes, setAside: true,
      ["sunglasses", "clothes/sunglasses_01", "clothes/sunglasses_02"]),
    SceneClassRule(
      "hat", "hats", [], headgear,
      [
        "top hat", "woman’s hat", "clothes/hats/blue_fedora", "clothes/hats/brownhat",
        "clothes/hats/brownhat2", "clothes/hats/cowboy_hat", "clothes/hats/green_fedora",
        "clothes/hats/greenhat", "clothes/hats/purplehat", "clothes/hats/sombrero",
        "clothes/hats/tophat", "clothes/hats/feathered_hat",
      ]),
    SceneClassRule(
      "crown", "crowns", [], headgear, ["crown", "clothes/hats/crown1", "clothes/hats/crown2"]),
    SceneClassRule("dress", "dresses", ["gown"], clothes, ["dress", "clothes/black_dress"]),
    SceneClassRule(
      "pair of trousers", "pairs of trousers", ["pair of pants"], clothes,
      [
        "jeans", "clothes/bellbottoms", "clothes/bluejeans1", "clothes/bluejeans2",
        "clothes/t_pants", "clothes/white_pants",
      ]),
    SceneClassRule(
      "T-shirt", "T-shirts", ["tee"], clothes,
      ["t-shirt", "clothes/t-shirt_01", "clothes/t_tshirt"]),
    SceneClassRule(
      "boot", "boots", [], ["shoe", "clothing"],
      ["woman’s boot", "hiking boot", "clothes/hikingboot"]),
    SceneClassRule(
      "helmet", "helmets", [], headgear,
      [
        "rescue worker’s helmet", "military helmet", "clothes/hats/hardhat",
        "clothes/armor/cartoon/knight_helmet",
      ]),
    SceneClassRule(
      "graduation cap", "graduation caps", ["mortarboard"], headgear,
      ["graduation cap", "clothes/hats/mortarboard"]),
  ]
}
