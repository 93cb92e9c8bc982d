// The keys of COCO's pictures, categories and objects.

extension COCOImage {
  init(from scanner: inout JSONScanner) throws {
    var (id, width, height): (Int?, Int?, Int?)
    var fileName: String?
    try scanner.object { scanner, key in
      switch key {
      case "id": id = try scanner.int()
      case "file_name": fileName = try scanner.string()
      case "width": width = try scanner.int()
      case "height": height = try scanner.int()
      default: try scanner.skip()
      }
    }
    self.init(
      id: try scanner.need(id, "id"), fileName: try scanner.need(fileName, "file_name"),
      width: try scanner.need(width, "width"), height: try scanner.need(height, "height"))
    guard self.width > 0, self.height > 0 else {
      throw scanner.error(
        "expected a width and height above 0, found \(self.width) x \(self.height)")
    }
  }

  func write(to sink: JSONSink) throws {
    try sink.raw("{\"id\":\(id),\"file_name\":")
    try sink.string(fileName)
    try sink.raw(",\"width\":\(width),\"height\":\(height)}")
  }
}

extension COCOCategory {
  init(from scanner: inout JSONScanner) throws {
    var id: Int?
    var name: String?
    var supercategory = ""
    try scanner.object { scanner, key in
      switch key {
      case "id": id = try scanner.int()
      case "name": name = try scanner.string()
      case "supercategory": supercategory = try scanner.string()
      default: try scanner.skip()
      }
    }
    self.init(
      id: try scanner.need(id, "id"), name: try scanner.need(name, "name"),
      supercategory: supercategory)
  }

  func write(to sink: JSONSink) throws {
    try sink.raw("{\"id\":\(id),\"name\":")
    try sink.string(name)
    try sink.raw(",\"supercategory\":")
    try sink.string(supercategory)
    try sink.raw("}")
  }
}

extension COCOAnnotation {
  init(from scanner: inout JSONScanner, _ keepsSegmentation: Bool) throws {
    var (id, imageID, categoryID): (Int?, Int?, Int?)
    var box: [Double]?
    var area: Double?
    var isCrowd = false
    var segmentation: COCOSegmentation?
    var attributes: [String] = []
    try scanner.object { scanner, key in
      switch key {
      case "id": id = try scanner.int()
      case "image_id": imageID = try scanner.int()
      case "category_id": categoryID = try scanner.int()
      case "bbox":
        let found = try scanner.doubles()
        guard found.count == 4, found[2] >= 0, found[3] >= 0 else {
          throw scanner.error("expected [x, y, width, height] of a box, found \(found)")
        }
        box = found
      case "area": area = try scanner.double()
      case "iscrowd":
        let flag = try scanner.int()
        guard flag == 0 || flag == 1 else { throw scanner.error("expected 0 or 1, found \(flag)") }
        isCrowd = flag == 1
      // Others keep other things under this name: only a list of words is ours.
      case "attributes" where scanner.peek() == 0x5B:
        try scanner.array { scanner, _ in attributes.append(try scanner.string()) }
      case "segmentation" where keepsSegmentation:
        segmentation = try COCOSegmentation(from: &scanner)
      default: try scanner.skip()
      }
    }
    let corners = try scanner.need(box, "bbox")
    self.init(
      id: try scanner.need(id, "id"), imageID: try scanner.need(imageID, "image_id"),
      categoryID: try scanner.need(categoryID, "category_id"), x: corners[0], y: corners[1],
      width: corners[2], height: corners[3], area: area ?? corners[2] * corners[3],
      isCrowd: isCrowd, segmentation: segmentation, attributes: attributes)
  }

  func write(to sink: JSONSink) throws {
    try sink.raw(
      "{\"id\":\(id),\"image_id\":\(imageID),\"category_id\":\(categoryID),\"bbox\":")
    try sink.numbers([x, y, width, height])
    try sink.raw(",\"area\":")
    try sink.number(area)
    try sink.raw(",\"iscrowd\":\(isCrowd ? 1 : 0)")
    if !attributes.isEmpty {
      try sink.raw(",\"attributes\":[")
      for (place, attribute) in attributes.enumerated() {
        if place > 0 { try sink.raw(",") }
        try sink.string(attribute)
      }
      try sink.raw("]")
    }
    if let segmentation {
      try sink.raw(",\"segmentation\":")
      try segmentation.write(to: sink)
    }
    try sink.raw("}")
  }
}

extension COCOSegmentation {
  init(from scanner: inout JSONScanner) throws {
    if scanner.peek() == 0x5B {
      var polygons: [[Double]] = []
      try scanner.array { scanner, _ in
        let points = try scanner.doubles()
        guard points.count >= 6, points.count.isMultiple(of: 2) else {
          throw scanner.error(
            "expected x, y of three points or more, found \(points.count) numbers")
        }
        polygons.append(points)
      }
      self = .polygons(polygons)
      return
    }
    var size: [Int]?
    var runs: [Int]?
    var text: String?
    try scanner.object { scanner, key in
      switch key {
      case "size":
        var found: [Int] = []
        try scanner.array { scanner, _ in found.append(try scanner.int()) }
        guard found.count == 2 else {
          throw scanner.error("expected [height, width], found \(found)")
        }
        size = found
      case "counts":
        if scanner.peek() == 0x22 {
          text = try scanner.string()
        } else {
          var found: [Int] = []
          try scanner.array { scanner, _ in found.append(try scanner.int()) }
          runs = found
        }
      default: try scanner.skip()
      }
    }
    let found = try scanner.need(size, "size")
    if let text {
      self = .compressedRuns(height: found[0], width: found[1], counts: text)
    } else {
      let counts = try scanner.need(runs, "counts")
      self = .runs(height: found[0], width: found[1], counts: counts)
    }
  }

  func write(to sink: JSONSink) throws {
    switch self {
    case .polygons(let polygons):
      try sink.raw("[")
      for (place, polygon) in polygons.enumerated() {
        if place > 0 { try sink.raw(",") }
        try sink.numbers(polygon)
      }
      try sink.raw("]")
    case .runs(let height, let width, let counts):
      try sink.raw("{\"size\":[\(height),\(width)],\"counts\":\(counts)}")
    case .compressedRuns(let height, let width, let counts):
      try sink.raw("{\"size\":[\(height),\(width)],\"counts\":")
      try sink.string(counts)
      try sink.raw("}")
    }
  }
}

extension JSONScanner {
  /// The value, or an error that the key is missing.
  func need<Value>(_ value: Value?, _ key: String) throws -> Value {
    guard let value else { throw error("expected this key, found an object without it", at: key) }
    return value
  }

  mutating func doubles() throws -> [Double] {
    var found: [Double] = []
    try array { scanner, _ in found.append(try scanner.double()) }
    return found
  }
}
