// A small reader of event files, written from the format's description: it shares nothing with the
// writer but the checksum, which has tests of its own.

import Foundation
import TandemEvents

struct MalformedEvents: Error {
  let what: String
}

/// What one record says, as far as the tests ask.
struct ReadEvent: Equatable {
  var time: Double?
  var step: Int64 = 0
  var fileVersion: String?
  var sessionStatus: UInt64?
  var tag: String?
  var scalar: Float?
  var plugin: String?
  var tensorType: UInt64?
  var text: String?
}

func readEvents(_ path: String) throws -> [ReadEvent] {
  let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
  return try records(bytes).map(event)
}

/// The payloads of a file's records, checksums checked.
private func records(_ bytes: [UInt8]) throws -> [[UInt8]] {
  var payloads: [[UInt8]] = []
  var rest = bytes[...]
  while !rest.isEmpty {
    let length = try take(8, &rest)
    try check(length, by: take(4, &rest))
    let payload = try take(Int(littleEndian(length)), &rest)
    try check(payload, by: take(4, &rest))
    payloads.append(payload)
  }
  return payloads
}

private func check(_ bytes: [UInt8], by stored: [UInt8]) throws {
  guard CRC32C.masked(CRC32C.checksum(of: bytes)) == UInt32(littleEndian(stored)) else {
    throw MalformedEvents(what: "a checksum differs")
  }
}

private func event(_ bytes: [UInt8]) throws -> ReadEvent {
  var event = ReadEvent()
  for (number, value) in try fields(bytes) {
    switch (number, value) {
    case (1, .fixed64(let bits)): event.time = Double(bitPattern: bits)
    case (2, .varint(let bits)): event.step = Int64(bitPattern: bits)
    case (3, .bytes(let text)): event.fileVersion = String(decoding: text, as: UTF8.self)
    case (5, .bytes(let summary)): try readSummary(summary, into: &event)
    case (7, .bytes(let log)): event.sessionStatus = try varint(1, in: log)
    default: throw MalformedEvents(what: "Event has field \(number): \(value)")
    }
  }
  return event
}

private func readSummary(_ bytes: [UInt8], into event: inout ReadEvent) throws {
  let values = try fields(bytes)
  guard values.count == 1, case (1, .bytes(let value)) = values[0] else {
    throw MalformedEvents(what: "Summary holds \(values)")
  }
  for (number, field) in try fields(value) {
    switch (number, field) {
    case (1, .bytes(let tag)): event.tag = String(decoding: tag, as: UTF8.self)
    case (2, .fixed32(let bits)): event.scalar = Float(bitPattern: bits)
    case (8, .bytes(let tensor)):
      event.tensorType = try varint(1, in: tensor)
      event.text = try string(8, in: tensor)
    case (9, .bytes(let metadata)):
      for case (1, .bytes(let plugin)) in try fields(metadata) {
        event.plugin = try string(1, in: plugin)
      }
    default: throw MalformedEvents(what: "Value has field \(number): \(field)")
    }
  }
}

// MARK: the protocol buffer wire format

private enum WireValue {
  case varint(UInt64)
  case fixed64(UInt64)
  case bytes([UInt8])
  case fixed32(UInt32)
}

private func fields(_ message: [UInt8]) throws -> [(Int, WireValue)] {
  var fields: [(Int, WireValue)] = []
  var rest = message[...]
  while !rest.isEmpty {
    let key = try takeVarint(&rest)
    let value: WireValue =
      switch key & 7 {
      case 0: .varint(try takeVarint(&rest))
      case 1: .fixed64(littleEndian(try take(8, &rest)))
      case 2: .bytes(try take(Int(takeVarint(&rest)), &rest))
      case 5: .fixed32(UInt32(littleEndian(try take(4, &rest))))
      default: throw MalformedEvents(what: "wire type \(key & 7)")
      }
    fields.append((Int(key >> 3), value))
  }
  return fields
}

private func varint(_ number: Int, in message: [UInt8]) throws -> UInt64? {
  for case (number, .varint(let value)) in try fields(message) { return value }
  return nil
}

private func string(_ number: Int, in message: [UInt8]) throws -> String? {
  for case (number, .bytes(let text)) in try fields(message) {
    return String(decoding: text, as: UTF8.self)
  }
  return nil
}

private func takeVarint(_ rest: inout ArraySlice<UInt8>) throws -> UInt64 {
  var value: UInt64 = 0
  for shift in stride(from: UInt64(0), to: 70, by: 7) {
    guard let byte = rest.popFirst() else { break }
    value |= UInt64(byte & 0x7F) << shift
    if byte & 0x80 == 0 { return value }
  }
  throw MalformedEvents(what: "a varint does not end")
}

private func take(_ count: Int, _ rest: inout ArraySlice<UInt8>) throws -> [UInt8] {
  guard count <= rest.count else {
    throw MalformedEvents(what: "\(count) bytes expected, \(rest.count) left")
  }
  defer { rest = rest.dropFirst(count) }
  return Array(rest.prefix(count))
}

private func littleEndian(_ bytes: [UInt8]) -> UInt64 {
  bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
}
