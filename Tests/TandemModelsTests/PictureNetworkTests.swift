import TandemCore
import TandemImage
import TandemModels
import TandemNN
import TandemTorch
import TestSupport
import Testing

/// Pictures and what an independent implementation in float64 makes of them, see
/// make_picture_networks.py.
struct NetworkFixture {
  let file: SafeTensorsFile

  init() throws { file = try Fixtures.tensors("networks/networks.safetensors") }

  func image(_ name: String) throws -> Image {
    let tensor = try file.tensor("\(name).pixels")
    return try Image(
      width: tensor.size(1), height: tensor.size(0), pixels: tensor.array(of: UInt8.self))
  }

  /// A picture of a case with its boxes.
  func picture(_ name: String, _ place: Int) throws -> Picture {
    let size = try file.integers("\(name).size")
    return Picture(
      key: UInt64(place), image: try image("\(name).\(place)"),
      regions: Regions(
        width: size[2 * place], height: size[2 * place + 1],
        boxes: try file.tensor("\(name).\(place).boxes").floats(), features: [],
        featureWidth: 0))
  }
}

/// A network that starts from its weights' names.
struct RuledNetwork<Network> {
  let network: Network
  let store: ParameterStore

  init(_ make: (ParameterPath) throws -> Network) throws {
    (network, store) = try ruledModel(make)
  }
}

extension PictureNetworkConfig {
  static func trial(_ name: String = "resnet10", frozen: Int = 0) -> PictureNetworkConfig {
    var config = PictureNetworkConfig()
    config.name = name
    config.frozenStages = frozen
    return config
  }
}

/// What a model of regions in pixels asks of its packer.
func pixelSpecification(_ pixels: PixelInput, width: Int = 512) -> InputSpecification {
  InputSpecification(
    textLength: 8, classification: 2, separator: 3, mask: 4, leadingRows: 1, trailingRows: 1,
    regions: RegionInput(featureWidth: width, most: 100, pixels: pixels))
}

extension PackedBatch {
  /// Boxes of whole pictures, up to their last pixels.
  var wholeBoxes: [Float] {
    pictures.flatMap {
      [0, 0, Float($0.width - 1) / Float($0.width), Float($0.height - 1) / Float($0.height)]
    }
  }
}

@Suite struct PictureNetworkTests {
  private let fixture: NetworkFixture

  init() throws { fixture = try NetworkFixture() }

  private static let torchvision = PixelInput(masksPixels: true)
  private static let caffe = PixelInput(
    scale: 1, mean: [102.9801, 115.9465, 122.7717], deviation: [1, 1, 1], isBlueFirst: true,
    masksPixels: true)

  private func regionNetwork(frozen: Int = 0) throws -> RuledNetwork<RegionNetwork> {
    try RuledNetwork { try RegionNetwork(.trial(frozen: frozen), bins: 4, isDilated: true, at: $0) }
  }

  private func batch(
    _ name: String, _ places: [Int], hidden: [Int] = [], _ pixels: PixelInput = torchvision,
    width: Int = 512
  ) throws -> PackedBatch {
    let sequences = try places.map {
      InputSequence(text: [7], picture: try fixture.picture(name, $0), hidden: hidden)
    }
    return try PackedBatch(sequences, pixelSpecification(pixels, width: width))
  }

  /// For each picture the whole's feature and then its regions', [1 + n, F].
  private func rows(_ network: RegionNetwork, _ batch: PackedBatch) throws -> [Tensor] {
    let made = try network(
      batch, wholeBoxes: batch.wholeBoxes, Mode(isTraining: true), on: .cpu)
    return try batch.pictures.enumerated().map { place, picture in
      try .concatenated([
        made.wholes_PF.part(place..<place + 1),
        made.regions_UF.part(picture.firstUnit..<picture.firstUnit + picture.unitCount),
      ])
    }
  }

  private func gap(_ found: Tensor, _ name: String) throws -> Double {
    try relativeDifference(found, fixture.file.tensor(name))
  }

  /// Together and each alone.
  @Test(arguments: [[[0, 1]], [[1, 0]], [[0], [1]]]) func regionsAgainstTheReference(
    _ cut: [[Int]]
  ) throws {
    let network = try regionNetwork()
    for places in cut {
      for (hidden, part) in [([Int](), ""), ([1], "masked.")] {
        let found = try withoutGradients {
          try rows(network.network, batch("regions", places, hidden: hidden))
        }
        for (row, place) in zip(found, places) {
          let gap = try gap(row, "regions.\(part)\(place).features")
          #expect(gap < DeepTolerance.map, "\(part)\(place): \(gap)")
        }
      }
    }
  }

  /// Bottlenecks that halve in their first convolution, blue first, numbers up to 255.
  @Test func caffeAgainstTheReference() throws {
    var config = PictureNetworkConfig.trial("resnet50")
    config.stridesFirst = true
    let network = try RuledNetwork {
      try RegionNetwork(config, bins: 3, isDilated: true, at: $0)
    }
    for (hidden, part) in [([Int](), ""), ([1], "masked.")] {
      let found = try withoutGradients {
        try rows(
          network.network, batch("caffe", [0], hidden: hidden, Self.caffe, width: 2048))[0]
      }
      let gap = try gap(found, "caffe.\(part)0.features")
      #expect(gap < DeepTolerance.map, "\(part): \(gap)")
    }
    let swapped = try withoutGradients {
      var pixels = Self.caffe
      pixels.isBlueFirst = false
      return try rows(network.network, batch("caffe", [0], pixels, width: 2048))[0]
    }
    #expect(try gap(swapped, "caffe.0.features") > 100 * DeepTolerance.map)
  }

  private func expectGradients(_ store: ParameterStore, _ name: String) throws {
    var compared = 0
    for parameter in store.parameters {
      let gradient = try #require(try parameter.value.gradient(), "\(parameter.name)")
      let gap = try summaryDifference(
        gradient, fixture.file.tensor("\(name).grad.\(parameter.name)"))
      #expect(gap < DeepTolerance.gradient, "\(parameter.name): \(gap)")
      compared += 1
    }
    #expect(compared == fixture.file.entries.keys.count { $0.hasPrefix("\(name).grad.") })
  }

  @Test func regionGradientsAgainstTheReference() throws {
    let network = try regionNetwork()
    let found = try rows(network.network, batch("regions", [0, 1]))
    let sums = try found.enumerated().map { place, row in
      try (row * ruled("regions.cotangent.\(place)", row.shape)).sum()
    }
    try (sums[0] + sums[1]).backward()
    try expectGradients(network.store, "regions")
  }

  @Test func cellsAgainstTheReference() throws {
    for (pooling, learns) in [(1, false), (2, true)] {
      let network = try RuledNetwork { try CellNetwork(.trial(), pooling: pooling, at: $0) }
      let cells = CellInput(stride: CellNetwork.stride, pooling: pooling)
      for places in [[0, 1], [1], [0]] {
        let sequences = try places.map {
          InputSequence(
            text: [7],
            picture: Picture(key: UInt64($0), image: try fixture.image("cells.\($0)")))
        }
        let batch = try PackedBatch(
          sequences, pixelSpecification(PixelInput(cells: cells)))
        let found = try network.network(batch, .inference, on: .cpu)
        var sums: [Tensor] = []
        for (picture, place) in zip(batch.pictures, places) {
          let rows = try found.part(picture.firstUnit..<picture.firstUnit + picture.unitCount)
          let gap = try gap(rows, "cells.\(place).pooled.\(pooling)")
          #expect(gap < DeepTolerance.map, "\(pooling), \(place): \(gap)")
          sums.append(try (rows * ruled("cells.cotangent.\(place)", rows.shape)).sum())
        }
        if learns && places.count == 2 { try (sums[0] + sums[1]).backward() }
      }
      if learns { try expectGradients(network.store, "cells") }
    }
  }

  /// What lies in the box goes dark, and nothing else; another sequence still sees it.
  @Test func hiddenRegionsAreDarkInThePixels() throws {
    let picture = try fixture.picture("regions", 0)
    let sequences = [[], [0], [0, 2], [2, 0], []].map {
      InputSequence(text: [7], picture: picture, hidden: $0)
    }
    let batch = try PackedBatch(sequences, pixelSpecification(Self.torchvision))
    #expect(batch.pictureOfSequence == [0, 1, 2, 2, 0])
    let numbers = try batch.pixels.values()
    let (height, width) = (38, 45)
    #expect(numbers.count == 3 * 3 * height * width)
    // 0.1…0.6 of 45 columns and 0.2…0.7 of 38 rows; 0.05…0.3 and 0.75…1.
    let boxes = [(4...27, 7...26), (2...13, 28...37)]
    for (place, dark) in [[], [boxes[0]], boxes].enumerated() {
      for row in 0..<height {
        for column in 0..<width {
          let isDark = dark.contains { $0.0.contains(column) && $0.1.contains(row) }
          for channel in 0..<3 {
            let pixel = (channel * height + row) * width + column
            let number = numbers[batch.pictures[place].firstPixel + pixel]
            #expect(number == (isDark ? 0 : numbers[pixel]))
          }
        }
      }
    }
    // Where masks are elsewhere, it is one picture.
    let open = try PackedBatch(sequences, pixelSpecification(PixelInput()))
    #expect(open.pictures.count == 1)
  }

  /// A wide picture: what is hidden at its left moves its whole and what overlaps, but nothing that
  /// lies farther away than the network looks.
  @Test func maskedPixelsMoveWhatShowsThem() throws {
    let boxes: [Float] = [0, 0, 0.1, 0.9, 0.05, 0.1, 0.2, 0.7, 0.8, 0.2, 0.95, 0.9]
    let image = try Toy.picture(320, 64, key: 3).image
    let regions = Regions(
      width: 320, height: 64, boxes: boxes, features: [], featureWidth: 0)
    let picture = Picture(key: 99, image: image, regions: regions)
    let other = try fixture.picture("regions", 1)
    let sequences = [
      InputSequence(text: [7], picture: picture), InputSequence(text: [7], picture: other),
      InputSequence(text: [7], picture: picture, hidden: [0]),
    ]
    let network = try regionNetwork()
    let batch = try PackedBatch(sequences, pixelSpecification(Self.torchvision))
    let found = try withoutGradients { try rows(network.network, batch) }
    func moved(_ row: Int) throws -> Double {
      try relativeDifference(found[2].part(row..<row + 1), found[0].part(row..<row + 1))
    }
    // The whole, the hidden one, the one that overlaps it, and one far away.
    for row in 0..<3 { #expect(try moved(row) > 0.01, "\(row)") }
    #expect(try moved(3) < Tolerance.rounding)
    #expect(try gap(found[1], "regions.1.features") < DeepTolerance.map)
  }

  @Test(arguments: [0, 1, 2, 4, 5]) func frozenStagesDoNotLearn(_ frozen: Int) throws {
    let network = try regionNetwork(frozen: frozen)
    let stages = ["backbone.conv1.", "backbone.layer1.", "backbone.layer2.", "backbone.layer3."]
    let fixed = Array((stages + ["head.0."]).prefix(frozen))
    func check() throws {
      for parameter in network.store.parameters {
        let isFixed = fixed.contains { parameter.name.hasPrefix($0) }
        #expect(parameter.isFixed == isFixed && parameter.group.isFrozen == isFixed)
        let gradient = try parameter.value.gradient()
        #expect((gradient == nil) == isFixed, "\(parameter.name)")
        if let gradient { #expect(try largest(gradient) > 0, "\(parameter.name)") }
      }
    }
    guard frozen < 5 else {
      let row = try rows(network.network, batch("regions", [1]))[0]
      #expect(!row.requiresGradient)
      return
    }
    try rows(network.network, batch("regions", [1]))[0].sum().backward()
    try check()
    // However the store is laid out.
    try network.store.seal { _ in ParameterGroup(decays: true) }
    try rows(network.network, batch("regions", [1]))[0].sum().backward()
    try check()
  }

  @Test func finiteDifferences() throws {
    let network = try regionNetwork()
    let batch = try batch("regions", [1])
    for name in ["head.0.0.conv2.weight", "backbone.layer3.0.conv1.weight"] {
      let weight = try #require(network.store[name])
      func value() throws -> Tensor {
        let row = try rows(network.network, batch)[0]
        return try (row * ruled("slopes", row.shape)).sum()
      }
      try value().backward()
      let gradient = try #require(try weight.value.gradient()).clone()
      let kept = try weight.value.detached().clone()
      let slopes = try slopes(at: kept, gradient: gradient, step: 5e-5, seed: 4) { moved in
        try weight.value.detached().copy(from: moved)
        network.store.mastersChanged()
        return try value().item()
      }
      #expect(
        abs(slopes.difference - slopes.gradient) < 1e-2 * abs(slopes.gradient),
        "\(name): \(slopes)")
      try weight.value.detached().copy(from: kept)
      network.store.mastersChanged()
      try network.store.parameters.forEach { try $0.value.gradient()?.fillZero() }
    }
  }

  /// Pictures of one size go through the network together.
  @Test func companyChangesNothing() throws {
    let network = try regionNetwork()
    let pictures = try (0..<40).map { place in
      let size = [(48, 32), (32, 48), (40, 40)][place % 3]
      return Picture(
        key: UInt64(place), image: try Toy.picture(size.0, size.1, key: UInt64(place)).image,
        regions: Regions(
          width: 2 * size.0, height: 2 * size.1, boxes: [0.1, 0.2, 0.7, 0.8], features: [],
          featureWidth: 0))
    }
    func found(_ pictures: [Picture]) throws -> [Tensor] {
      try withoutGradients {
        try rows(
          network.network,
          PackedBatch(
            pictures.map { InputSequence(text: [7], picture: $0) },
            pixelSpecification(Self.torchvision)))
      }
    }
    let together = try found(pictures)
    for place in [0, 1, 2, 17, 38, 39] {
      let alone = try found([pictures[place]])[0]
      #expect(try relativeDifference(together[place], alone) < Tolerance.output)
    }
  }

  // MARK: what is refused

  private func refusal(_ pixels: PixelInput, _ sequence: InputSequence) -> String? {
    message { _ = try PackedBatch([sequence], pixelSpecification(pixels)) }
  }

  @Test func picturesThatCannotBeReadAreRefused() throws {
    let picture = try fixture.picture("regions", 0)
    func sequence(_ picture: Picture, hidden: [Int] = []) -> InputSequence {
      InputSequence(text: [7], picture: picture, hidden: hidden)
    }
    func changed(_ change: (inout Regions) -> Void) throws -> Picture {
      var regions = try #require(picture.regions)
      change(&regions)
      return Picture(key: 1, image: picture.image, regions: regions)
    }
    let pixels = Self.torchvision
    #expect(refusal(pixels, sequence(picture)) == nil)
    let blind = Picture(key: 1, regions: picture.regions)
    #expect(refusal(pixels, sequence(blind))?.contains("pixels") == true)
    let bare = Picture(key: 1, image: picture.image)
    #expect(refusal(pixels, sequence(bare))?.contains("data.regions") == true)
    let turned = try changed { swap(&$0.width, &$0.height) }
    #expect(refusal(pixels, sequence(turned))?.contains("45×38") == true)
    let rounded = try changed { $0.width = 91 }
    #expect(refusal(pixels, sequence(rounded)) == nil)
    let broken = try changed { $0.boxes[2] = .nan }
    #expect(refusal(pixels, sequence(broken))?.contains("numbers") == true)
    #expect(refusal(pixels, sequence(picture, hidden: [3]))?.contains("region 3") == true)
    var replaced = sequence(picture)
    replaced.replaced = [ReplacedRegion(region: 0, feature: [])]
    #expect(refusal(pixels, replaced)?.contains("otherShare") == true)
  }

  @Test func cellsThatAreNotThereAreRefused() throws {
    let cells = PixelInput(cells: CellInput(stride: 32, pooling: 2))
    func refusal(_ width: Int, _ height: Int, cells drawn: [Int]? = nil) throws -> String? {
      let image = try Toy.picture(width, height, key: 1).image
      return self.refusal(
        cells,
        InputSequence(text: [7], picture: Picture(key: 1, image: image, cells: drawn)))
    }
    #expect(try refusal(33, 33) == nil)
    #expect(try refusal(32, 80)?.contains("33 pixels") == true)
    #expect(try refusal(80, 20)?.contains("80×20") == true)
    #expect(try refusal(97, 97, cells: [0, 3]) == nil)
    for drawn in [[], [4], [-1], [1, 1], [2, 0]] {
      #expect(try refusal(97, 97, cells: drawn)?.contains("0..<4") == true)
    }
  }

  /// A mirrored picture has its regions mirrored: the same pixels go dark.
  @Test func mirroredRegionsHideTheSamePixels() throws {
    // A box from column 9 to column 27 of 45, and what is not mirrored beside it.
    let image = try fixture.image("regions.0")
    let regions = Regions(
      width: 90, height: 76, boxes: [0.21, 0.2, 0.61, 0.7], features: [], featureWidth: 0)
    func numbers(_ image: Image, _ regions: Regions) throws -> [Float] {
      let picture = Picture(key: 1, image: image, regions: regions)
      return try PackedBatch(
        [InputSequence(text: [7], picture: picture, hidden: [0])],
        pixelSpecification(Self.torchvision)
      ).pixels.values()
    }
    let seen = try numbers(image, regions)
    let mirrored = try numbers(image.mirrored(), regions.mirrored())
    var dark = (0, 0)
    for row in 0..<3 * 38 {
      for column in 0..<45 {
        let (one, other) = (seen[row * 45 + column], mirrored[row * 45 + 44 - column])
        #expect(one == other)
        dark.0 += one == 0 ? 1 : 0
        dark.1 += other == 0 ? 1 : 0
      }
    }
    #expect(dark == (3 * 19 * 20, 3 * 19 * 20))
    #expect(regions.mirrored().mirrored().boxes.map { ($0 * 100).rounded() } == [21, 20, 61, 70])
  }

  @Test func gridsOfCells() {
    func grid(_ width: Int, _ height: Int, pooling: Int) -> [Int] {
      let grid = CellInput(stride: 32, pooling: pooling).grid(
        PixelSize(width: width, height: height))
      return [grid.height, grid.width]
    }
    #expect(grid(1333, 800, pooling: 2) == [12, 21])
    #expect(grid(1333, 800, pooling: 1) == [25, 42])
    #expect(grid(33, 64, pooling: 1) == [2, 2])
    #expect(grid(32, 31, pooling: 2) == [0, 0])
  }
}
