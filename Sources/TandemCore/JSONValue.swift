// JSON as a value: what recipes are merged in.

internal import Foundation

/// A setting that does not fit.
public struct SettingsError: Error, CustomStringConvertible {
  public let description: String
  public init(_ description: String) { self.description = description }
}

public indirect enum JSONValue: Sendable, Equatable, Codable {
  case null
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])

  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .null
    } else if let value = try? container.decode(Bool.self) {
      self = .bool(value)
    } else if let value = try? container.decode(Int.self) {
      self = .integer(value)
    } else if let value = try? container.decode(Double.self) {
      self = .number(value)
    } else if let value = try? container.decode(String.self) {
      self = .string(value)
    } else if let value = try? container.decode([JSONValue].self) {
      self = .array(value)
    } else {
      self = .object(try container.decode([String: JSONValue].self))
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .null: try container.encodeNil()
    case .bool(let value): try container.encode(value)
    case .integer(let value): try container.encode(value)
    case .number(let value): try container.encode(value)
    case .string(let value): try container.encode(value)
    case .array(let value): try container.encode(value)
    case .object(let value): try container.encode(value)
    }
  }

  /// Any encodable value as JSON.
  public init(encoding value: some Encodable) throws {
    self = try JSONDecoder().decode(JSONValue.self, from: JSONEncoder().encode(value))
  }

  /// This JSON as a value of `type`.
  public func decoded<T: Decodable>(_ type: T.Type) throws -> T {
    try JSONDecoder().decode(type, from: JSONEncoder().encode(self))
  }

  static func parse(_ text: String) throws -> JSONValue {
    try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
  }

  /// Reads a file; the error names it.
  public init(contentsOfFile path: String) throws {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw SettingsError("\(path): no such file, or it cannot be read")
    }
    do {
      self = try JSONDecoder().decode(JSONValue.self, from: data)
    } catch {
      throw SettingsError("\(path): not JSON: \(Self.explained(error))")
    }
  }

  /// With sorted keys and indentation.
  public var pretty: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    guard let data = try? encoder.encode(self) else { return "null" }
    return String(decoding: data, as: UTF8.self)
  }

  /// On one line, with sorted keys.
  public var compact: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let data = try? encoder.encode(self) else { return "null" }
    return String(decoding: data, as: UTF8.self)
  }

  /// The value under a key path such as "optimizer.learningRate" or "objectives.0.weight".
  public subscript(_ path: String) -> JSONValue? {
    var value = self
    for part in path.split(separator: ".") {
      switch value {
      case .object(let fields):
        guard let next = fields[String(part)] else { return nil }
        value = next
      case .array(let items):
        guard let index = Int(part), items.indices.contains(index) else { return nil }
        value = items[index]
      default: return nil
      }
    }
    return value
  }

  /// What a decoding error says, in a line: the key path and what was expected.
  public static func explained(_ error: any Error) -> String {
    func path(_ context: DecodingError.Context) -> String {
      context.codingPath.map(\.stringValue).joined(separator: ".")
    }
    switch error {
    case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context),
      DecodingError.dataCorrupted(let context):
      let place = path(context)
      return place.isEmpty ? context.debugDescription : "\(place): \(context.debugDescription)"
    case DecodingError.keyNotFound(let key, let context):
      let place = path(context)
      return "the key '\(place.isEmpty ? "" : place + ".")\(key.stringValue)' is missing"
    default: return "\(error)"
    }
  }
}
