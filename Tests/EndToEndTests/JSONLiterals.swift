// JSON as these tests write and read it.

public import TandemCore
import Testing

extension JSONValue {
  var number: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }

  var string: String? {
    if case .string(let value) = self { value } else { nil }
  }

  var array: [JSONValue] {
    if case .array(let items) = self { items } else { [] }
  }

  var object: [String: JSONValue] {
    if case .object(let fields) = self { fields } else { [:] }
  }
}

/// A text that must be JSON.
func parsed(_ text: String) throws -> JSONValue {
  try #require(JSONValue(parsing: text), "not JSON: \(text)")
}

// JSON is written as Swift literals in these tests.
extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByFloatLiteral, ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral,
  ExpressibleByDictionaryLiteral
{
  public init(stringLiteral value: String) { self = .string(value) }
  public init(integerLiteral value: Int) { self = .integer(value) }
  public init(floatLiteral value: Double) { self = .number(value) }
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  public init(dictionaryLiteral elements: (String, JSONValue)...) {
    self = .object(Dictionary(elements) { $1 })
  }
}
