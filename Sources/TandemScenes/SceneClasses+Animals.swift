// Animals of the table. A stamp is named by its place, an emoji by Unicode's short name.

private let mammal = ["mammal", "animal"]
private let bird = ["bird", "animal"]
private let reptile = ["reptile", "animal"]
private let insect = ["insect", "animal"]
private let seaAnimal = ["sea animal", "animal"]

extension SceneClasses {
  static let mammals: [SceneClassRule] = [
    SceneClassRule(
      "cat", "cats", ["kitty"], mammal,
      [
        "cat", "cat face", "black cat", "animals/mammals/cats/kitten",
        "seasonal/halloween/blackcat",
      ]),
    SceneClassRule(
      "dog", "dogs", ["hound"], mammal,
      [
        "dog", "dog face", "poodle", "guide dog", "service dog", "animals/mammals/dogs/dog",
        "animals/mammals/dogs/dingo",
      ]),
    SceneClassRule("fox", "foxes", [], mammal, ["fox", "animals/mammals/dogs/fox"]),
    SceneClassRule(
      "lion", "lions", [], mammal,
      ["lion", "animals/mammals/cats/lion", "animals/mammals/cats/lion-2"]),
    SceneClassRule(
      "tiger", "tigers", [], mammal,
      [
        "tiger", "tiger face", "animals/mammals/cats/tiger",
        "animals/mammals/cats/tiger_sumatran",
      ]),
    SceneClassRule(
      "horse", "horses", ["pony"], mammal,
      ["horse", "horse face", "animals/mammals/equines/horse"]),
    SceneClassRule(
      "zebra", "zebras", [], mammal, setAside: true,
      ["zebra", "animals/mammals/equines/zebra", "animals/mammals/equines/zebra2"]),
    SceneClassRule(
      "cow", "cows", [], mammal,
      [
        "cow", "cow face", "animals/mammals/bovines/cow", "animals/mammals/bovines/cow_white",
      ]),
    SceneClassRule(
      "pig", "pigs", ["hog"], mammal,
      [
        "pig", "pig face", "animals/mammals/pig", "animals/mammals/pig_golden",
        "animals/mammals/pig_golden2",
      ]),
    SceneClassRule(
      "sheep", "sheep", [], mammal,
      [
        "ewe", "ram", "animals/mammals/bovines/sheep", "animals/mammals/bovines/sheep_lamb",
        "animals/mammals/bovines/ram",
      ]),
    SceneClassRule(
      "camel", "camels", [], mammal, setAside: true,
      [
        "camel", "two-hump camel", "animals/mammals/camel/camel",
        "animals/mammals/camel/dromedary",
      ]),
    SceneClassRule(
      "elephant", "elephants", [], mammal, ["elephant", "animals/mammals/elephant"]),
    SceneClassRule(
      "mouse", "mice", [], mammal, ["mouse", "mouse face", "animals/mammals/rodents/mouse"]),
    SceneClassRule(
      "rabbit", "rabbits", ["bunny"], mammal,
      [
        "rabbit", "rabbit face", "animals/mammals/rabbit_little",
        "animals/mammals/rodents/rabbit", "animals/mammals/rodents/rabbit-2",
        "seasonal/easter/bunny", "seasonal/easter/bunny-head",
      ]),
    SceneClassRule(
      "squirrel", "squirrels", [], mammal, setAside: true,
      ["chipmunk", "animals/mammals/rodents/squirrel"]),
    SceneClassRule(
      "bear", "bears", [], mammal,
      [
        "bear", "polar bear", "animals/mammals/bears/bear",
        "animals/mammals/bears/european-bear",
      ]),
    SceneClassRule(
      "koala", "koalas", [], mammal, setAside: true, ["koala", "animals/marsupials/koala"]),
    SceneClassRule(
      "kangaroo", "kangaroos", [], mammal, setAside: true,
      [
        "kangaroo", "animals/marsupials/kangaroo", "animals/marsupials/cartoon/kangaroo-silo",
      ]),
    SceneClassRule(
      "monkey", "monkeys", [], mammal,
      ["monkey", "monkey face", "see-no-evil monkey", "hear-no-evil monkey"]),
    SceneClassRule(
      "deer", "deer", [], mammal,
      [
        "deer", "animals/mammals/deer/deer", "animals/mammals/deer/doe",
        "animals/mammals/deer/wapiti", "animals/mammals/deer/caribou",
        "seasonal/christmas/rudolf_reindeer",
      ]),
    SceneClassRule(
      "whale", "whales", [], mammal,
      ["whale", "spouting whale", "animals/mammals/aquatic/whale", "animals/mammals/aquatic/orca"]),
  ]

  static let otherAnimals: [SceneClassRule] = [
    SceneClassRule(
      "penguin", "penguins", [], bird,
      [
        "penguin", "animals/birds/penguin", "animals/birds/little-penguin",
        "animals/birds/magellanic_penguin", "animals/birds/cartoon/tux",
        "animals/birds/cartoon/pengwin",
      ]),
    SceneClassRule("owl", "owls", [], bird, ["owl", "animals/birds/owl"]),
    SceneClassRule(
      "duck", "ducks", [], bird,
      ["duck", "animals/birds/duck", "animals/birds/drake"]),
    SceneClassRule(
      "chicken", "chickens", [], bird,
      [
        "chicken", "rooster", "animals/birds/hen", "animals/birds/chicken_profile",
        "animals/birds/rooster",
      ]),
    SceneClassRule(
      "chick", "chicks", [], bird,
      [
        "baby chick", "front-facing baby chick", "hatching chick", "seasonal/easter/chick",
        "seasonal/easter/chick-hatched", "seasonal/easter/chick-in-egg",
      ]),
    SceneClassRule(
      "turkey", "turkeys", [], bird, setAside: true, ["turkey", "animals/birds/turkey"]),
    SceneClassRule(
      "parrot", "parrots", [], bird,
      ["parrot", "animals/birds/adelaide-rosella", "animals/birds/rainbow-lorikeet"]),
    SceneClassRule(
      "frog", "frogs", ["toad"], ["amphibian", "animal"],
      ["frog", "animals/amphibians/frog", "animals/amphibians/frog-1"]),
    SceneClassRule("lizard", "lizards", [], reptile, ["lizard", "animals/lizards/iguana"]),
    SceneClassRule(
      "dinosaur", "dinosaurs", [], reptile,
      ["T-Rex", "sauropod", "animals/dinosaur/cartoon/dinosaurSings"]),
    SceneClassRule(
      "dragon", "dragons", [], ["mythical creature"], ["dragon", "dragon face"]),
    SceneClassRule(
      "fish", "fish", [], ["animal"],
      [
        "fish", "tropical fish", "animals/fish/bluegroper", "animals/fish/butterflyfish",
        "animals/fish/clownfish", "animals/fish/coraltrout", "animals/fish/dolphinfish",
        "animals/fish/stripedfish", "animals/fish/moonwrasse",
      ]),
    SceneClassRule(
      "snail", "snails", [], ["animal"],
      ["snail", "animals/insects/cartoon/snail", "animals/insects/cartoon/snail2"]),
    SceneClassRule(
      "butterfly", "butterflies", [], insect,
      [
        "butterfly", "animals/insects/cartoon/butterfly",
        "animals/insects/cartoon/monarchbutterfly", "seasonal/easter/butterfly",
      ]),
    SceneClassRule(
      "bee", "bees", ["honeybee"], insect,
      ["honeybee", "animals/insects/bee", "animals/insects/hoverfly"]),
    SceneClassRule(
      "ladybug", "ladybugs", ["ladybird", "lady beetle"], insect, setAside: true,
      [
        "lady beetle", "animals/insects/cartoon/ladybug", "animals/insects/cartoon/ladybug-2",
      ]),
    SceneClassRule(
      "spider", "spiders", [], ["animal"],
      [
        "spider", "animals/insects/cartoon/spider", "animals/insects/cartoon/spider2",
        "seasonal/halloween/spider",
      ]),
  ]
}
