// Tensors as the transformers library takes them, padded and with masks, and the sequences that they
// are here. B examples, L text places, R region places, C choices of an example.

internal import TandemCore
internal import TandemImage
internal import TandemModels
internal import TandemNN
internal import TandemTorch

struct RawInputs {
  /// A sequence, where it belongs, and what of it was there.
  struct Part {
    var sequence: InputSequence
    /// Its example, and its choice or picture among those of the example; 0 for the only one.
    var example: Int
    var place: Int
    /// For each of its text rows its place among L, for each region its place among R.
    var columns: [Int]
    var regions: [Int]
    /// Its patches' numbers, in raster order.
    var patches: [Float]
  }

  let parts: [Part]
  let examples: Int
  /// Sequences of each example: choices, or the two pictures of a statement; 0 where examples have one
  /// each, and no side of their own for it.
  let choices: Int
  /// L and R; 0 where there are none.
  let textPlaces: Int
  let regionPlaces: Int
  let hasPairs: Bool
  let file: SafeTensorsFile

  /// Every name that means something here.
  private static let known: Set = [
    "input_ids", "attention_mask", "token_type_ids", "pixel_values", "pixel_mask", "visual_feats",
    "visual_embeds", "visual_boxes", "visual_pos", "visual_attention_mask",
    "visual_token_type_ids", "image_sizes", "mlm_labels", "itm_labels", "region_mask",
    "region_labels", "region_soft_labels",
  ]

  /// Names of tensors that nothing here reads.
  var unread: [String] { file.entries.keys.filter { !Self.known.contains($0) }.sorted() }

  /// - Throws: `DataError` that names the tensor, what was expected and what was found.
  init(_ path: String, for model: LoadedModel) throws {
    let file = try SafeTensorsFile(path: path)
    self.file = file
    var reader = RawReader(file: file)
    if case .integer(let id)? = model.files.config["endToken"] { reader.endToken = Int32(id) }
    reader.needsBoxes = model.files.model != VisualBERT.name
    let texts = try reader.texts(
      isNeeded: model.input.textLength > 0, vocabulary: model.model.facts.vocabulary)
    let pictures = try reader.pictures(model.input)
    let regions = try reader.regions(model.input)
    let counts = [texts?.examples, pictures?.examples, regions?.examples].compactMap { $0 }
    guard let examples = counts.first, counts.allSatisfy({ $0 == examples }), examples > 0 else {
      throw DataError("\(path): the tensors have \(counts) examples; all need the same number")
    }
    let inner = [texts?.choices, pictures?.choices, regions?.choices].compactMap { $0 }.max() ?? 0
    self.examples = examples
    choices = inner
    textPlaces = texts?.places ?? 0
    regionPlaces = regions?.places ?? 0
    hasPairs =
      (pictures?.choices ?? regions?.choices ?? 0) == 2 && model.heads.statements != nil
    var parts: [Part] = []
    for example in 0..<examples {
      for place in 0..<max(1, inner) {
        let text = texts?.row(example, place)
        let picture = pictures?.row(example, place)
        let region = regions?.row(example, place)
        parts.append(
          try Self.part(
            example, place, text, picture, region, isPair: hasPairs,
            key: UInt64(parts.count), model.input))
      }
    }
    self.parts = parts
  }

  private static func part(
    _ example: Int, _ place: Int, _ text: RawReader.Text?, _ picture: RawReader.Pixels?,
    _ region: RawReader.RegionRows?, isPair: Bool, key: UInt64, _ input: InputSpecification
  ) throws -> Part {
    var shown: Picture?
    if let region {
      guard !region.columns.isEmpty else {
        throw DataError("example \(example): every region is masked out")
      }
      shown = Picture(key: key, regions: region.regions)
    } else if let picture, let size = input.patches?.size {
      let (height, width) = (picture.grid.height * size, picture.grid.width * size)
      shown = Picture(
        key: key,
        image: try Image(
          width: width, height: height, pixels: [UInt8](repeating: 0, count: 3 * width * height)))
    }
    var sequence = InputSequence(text: [], picture: shown, key: key)
    if let text {
      guard !text.columns.isEmpty else {
        throw DataError("example \(example): attention_mask leaves no text")
      }
      sequence.prepared = text.prepared(hasAnswer: input.hasAnswerSlot)
    } else {
      sequence.prepared = PreparedText(tokens: [], types: [], places: [], end: 0)
    }
    if isPair { sequence.pictureOrder = place }
    sequence.unitTypes = region?.types ?? []
    sequence.hidden = region?.hidden ?? []
    return Part(
      sequence: sequence, example: example, place: place, columns: text?.columns ?? [],
      regions: region?.columns ?? [], patches: picture?.patches ?? [])
  }

  /// All sequences in one batch.
  func batch(_ input: InputSpecification) throws -> PackedBatch {
    let packed = try PackedBatch(parts.map(\.sequence), input)
    return input.patches == nil ? packed : try packed.withPatches(parts.flatMap(\.patches))
  }
}

/// Reads the tensors of one kind of input.
struct RawReader {
  struct Text {
    var tokens: [Int32]
    var types: [Int]
    var columns: [Int]
    /// nil where the end is the greatest id.
    var endToken: Int32?

    func prepared(hasAnswer: Bool) -> PreparedText {
      // Of a text that is read by its end; the first of several.
      let end =
        endToken.map { tokens.firstIndex(of: $0) ?? 0 }
        ?? tokens.indices.max { (tokens[$0], $1) < (tokens[$1], $0) } ?? 0
      return PreparedText(
        tokens: tokens, types: types, places: columns, end: end,
        answer: hasAnswer && tokens.count > 1 ? tokens.count - 2 : -1)
    }
  }

  struct Pixels {
    var grid: PatchGrid
    var patches: [Float]
  }

  struct RegionRows {
    var regions: Regions
    var types: [Int]
    var hidden: [Int]
    var columns: [Int]
  }

  /// Rows of one kind: of each example, or of each choice of each.
  struct Rows<Row> {
    var examples: Int
    /// nil without a side of their own.
    var choices: Int?
    var places: Int
    var rows: [Row]

    func row(_ example: Int, _ choice: Int) -> Row {
      choices.map { rows[example * $0 + min(choice, $0 - 1)] } ?? rows[example]
    }
  }

  let file: SafeTensorsFile
  var endToken: Int32?
  /// Whether the model looks at where regions lie.
  var needsBoxes = true

  private func has(_ name: String) -> Bool { file.entries[name] != nil }

  private func bad(_ name: String, _ reason: String) -> DataError {
    DataError("\(file.path): \(name): \(reason)")
  }

  /// Masks are also written as 0.0 and 1.0.
  private func whole(_ name: String) throws -> [Int] {
    let tensor = try file.tensor(name)
    if tensor.dtype.isFloatingPoint {
      guard try name.hasSuffix("mask") && tensor.floats().allSatisfy({ $0 == 0 || $0 == 1 }) else {
        throw bad(name, "expected whole numbers, found \(tensor.dtype)")
      }
    }
    return try tensor.to(.int64).array(of: Int64.self).map(Int.init)
  }

  /// Sides of a tensor: those of `rank`, or one more for choices.
  private func sides(_ name: String, rank: Int, _ form: String) throws -> (
    examples: Int, choices: Int?, rest: [Int]
  ) {
    let shape = try file.tensor(name).shape
    guard shape.count == rank || shape.count == rank + 1, shape.allSatisfy({ $0 > 0 }) else {
      throw bad(name, "expected \(form), found \(shape)")
    }
    return shape.count == rank
      ? (shape[0], nil, Array(shape.dropFirst()))
      : (shape[0], shape[1], Array(shape.dropFirst(2)))
  }

  /// A tensor of the same shape as another one, or the same number everywhere.
  ///
  /// - Parameter shape: of the other one, without sides that this one has not.
  private func beside(_ name: String, _ other: String, _ shape: [Int], or standard: Int) throws
    -> [Int]
  {
    guard has(name) else { return Array(repeating: standard, count: shape.reduce(1, *)) }
    let found = try file.tensor(name).shape
    guard found == shape else {
      throw bad(name, "expected \(shape), as \(other) has it, found \(found)")
    }
    return try whole(name)
  }

  // MARK: texts

  func texts(isNeeded: Bool, vocabulary: Int) throws -> Rows<Text>? {
    guard isNeeded else { return nil }
    guard has("input_ids") else { throw bad("input_ids", "is missing: the model reads texts") }
    let (examples, choices, rest) = try sides(
      "input_ids", rank: 2, "[B, L] or [B, C, L] whole numbers")
    let ids = try whole("input_ids")
    if let wrong = ids.first(where: { !(0..<vocabulary).contains($0) }) {
      throw bad("input_ids", "\(wrong) is none of the model's \(vocabulary) tokens")
    }
    let shape = try file.tensor("input_ids").shape
    let mask = try beside("attention_mask", "input_ids", shape, or: 1)
    let types = try beside("token_type_ids", "input_ids", shape, or: 0)
    let length = rest[0]
    let rows = (0..<ids.count / length).map { row in
      let columns = (0..<length).filter { mask[row * length + $0] != 0 }
      return Text(
        tokens: columns.map { Int32(ids[row * length + $0]) },
        types: columns.map { types[row * length + $0] }, columns: columns, endToken: endToken)
    }
    return Rows(examples: examples, choices: choices, places: length, rows: rows)
  }

  // MARK: pictures

  func pictures(_ input: InputSpecification) throws -> Rows<Pixels>? {
    guard let size = input.patches?.size, input.regions == nil else { return nil }
    guard has("pixel_values") else {
      throw bad("pixel_values", "is missing: the model reads pictures")
    }
    let (examples, choices, rest) = try sides(
      "pixel_values", rank: 4, "[B, 3, H, W] or [B, 2, 3, H, W]")
    let (channels, height, width) = (rest[0], rest[1], rest[2])
    guard channels == 3, height >= size, width >= size else {
      throw bad(
        "pixel_values", "expected 3 channels of at least \(size)×\(size), found \(rest)")
    }
    let pixels = try file.tensor("pixel_values").floats()
    let plane = height * width
    let pictures = pixels.count / (3 * plane)
    let shape = try file.tensor("pixel_values").shape
    let mask = try beside("pixel_mask", "pixel_values", shape.dropLast(3) + [height, width], or: 1)
    let rows = try (0..<pictures).map { picture -> Pixels in
      let (gridHeight, gridWidth) = (height / size, width / size)
      // A patch is there when its first pixel is: so the mask is shrunk by taking the nearest one.
      func isThere(_ row: Int, _ column: Int) -> Bool {
        mask[picture * plane + row * size * width + column * size] != 0
      }
      let grid = PatchGrid(
        height: (0..<gridHeight).count { isThere($0, 0) },
        width: (0..<gridWidth).count { isThere(0, $0) })
      guard grid.count > 0 else {
        throw bad("pixel_mask", "leaves nothing of picture \(picture)")
      }
      let first = picture * 3 * plane
      var patches: [Float] = []
      patches.reserveCapacity(grid.count * 3 * size * size)
      for row in 0..<grid.height {
        for column in 0..<grid.width {
          for channel in 0..<3 {
            for line in 0..<size {
              let start =
                first + channel * plane + (row * size + line) * width + column * size
              patches += pixels[start..<start + size]
            }
          }
        }
      }
      return Pixels(grid: grid, patches: patches)
    }
    return Rows(examples: examples, choices: choices, places: 0, rows: rows)
  }

  // MARK: regions

  func regions(_ input: InputSpecification) throws -> Rows<RegionRows>? {
    guard let needed = input.regions, needed.cells == nil else { return nil }
    let name = has("visual_embeds") ? "visual_embeds" : "visual_feats"
    guard has(name) else {
      // A text alone, for models that read such.
      guard !has("visual_pos"), !has("visual_boxes") else {
        throw bad(name, "is missing: there are boxes without features")
      }
      return nil
    }
    let (examples, choices, rest) = try sides(name, rank: 3, "[B, R, F] or [B, C, R, F]")
    let (places, width) = (rest[0], rest[1])
    guard width == needed.featureWidth else {
      throw bad(name, "the model reads features of width \(needed.featureWidth), found \(width)")
    }
    let features = try file.tensor(name).floats()
    let count = features.count / width
    let shape = try Array(file.tensor(name).shape.dropLast())
    let boxes = try boxes(name, shape)
    let mask = try beside("visual_attention_mask", name, shape, or: 1)
    let types =
      has("visual_token_type_ids")
      ? try beside("visual_token_type_ids", name, shape, or: 0) : []
    let masked = try beside("region_mask", name, shape, or: 0)
    let sizes = try sizes(count / places)
    let rows = (0..<count / places).map { row in
      let columns = (0..<places).filter { mask[row * places + $0] != 0 }
      let all = columns.map { row * places + $0 }
      return RegionRows(
        regions: Regions(
          width: sizes[2 * row], height: sizes[2 * row + 1],
          boxes: all.flatMap { boxes[$0 * 4..<$0 * 4 + 4] },
          features: all.flatMap { features[$0 * width..<($0 + 1) * width] }, featureWidth: width),
        types: types.isEmpty ? [] : all.map { types[$0] },
        hidden: all.indices.filter { masked[all[$0]] != 0 }, columns: columns)
    }
    return Rows(examples: examples, choices: choices, places: places, rows: rows)
  }

  /// Four numbers a region over the picture's size; zeros where the model looks at none.
  private func boxes(_ features: String, _ shape: [Int]) throws -> [Float] {
    let name = has("visual_boxes") ? "visual_boxes" : "visual_pos"
    guard has(name) else {
      guard !needsBoxes else { throw bad(name, "is missing: the model reads where regions lie") }
      return [Float](repeating: 0, count: 4 * shape.reduce(1, *))
    }
    let tensor = try file.tensor(name)
    guard tensor.shape == shape + [4] else {
      throw bad(name, "expected \(shape + [4]), as \(features) has it, found \(tensor.shape)")
    }
    return try tensor.floats()
  }

  /// Width and height of each picture in pixels: what VL-BERT's box of the whole picture ends at.
  private func sizes(_ count: Int) throws -> [Int] {
    guard has("image_sizes") else { return [Int](repeating: 1000, count: 2 * count) }
    let values = try whole("image_sizes")
    guard values.count == 2 * count, values.allSatisfy({ $0 > 0 }) else {
      throw bad("image_sizes", "expected width and height of \(count) pictures")
    }
    return values
  }
}
