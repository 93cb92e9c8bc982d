// Where each identifier's record is, for millions of identifiers and no memory to speak of.

import TandemFiles

/// Hashes and a number for each, in hash order, in a file without a name (`SpilledArray`).
///
/// An open-addressed table whose slots are kept in order of their hashes (Amble and Knuth, *Ordered
/// hash tables*, 1974) with the hash's upper bits as its home: reading the slots from first to last
/// gives the sorted index, so no sort is needed to write it.
final class IDTable {
  private(set) var count = 0
  private var slots: SpilledArray<Slot>
  private var shift: UInt64

  private struct Slot: BitwiseCopyable {
    var hash: UInt64
    /// The number, plus one: 0 marks a free slot.
    var stored: UInt64
  }

  /// Room for members pushed past the last home.
  private static let slack = 64

  /// Throws `FileError` where the folder for temporary files has no room.
  init() throws(FileError) {
    slots = try SpilledArray(count: 1024 + Self.slack)
    shift = 64 - 10
  }

  /// Adds a number under `hash`; the same hash may have several.
  func insert(_ hash: UInt64, _ number: Int) throws(FileError) {
    if count * 2 >= 1 << (64 - shift) || slots[slots.count - 1].stored != 0 { try grow() }
    place(Slot(hash: hash, stored: UInt64(number) + 1))
    count += 1
  }

  /// Calls `body` with each number under `hash` until it returns true; whether it did.
  func contains(_ hash: UInt64, where body: (Int) throws -> Bool) rethrows -> Bool {
    var index = Int(hash >> shift)
    while index < slots.count {
      let slot = slots[index]
      guard slot.stored != 0, slot.hash <= hash else { return false }
      if slot.hash == hash, try body(Int(slot.stored - 1)) { return true }
      index += 1
    }
    return false
  }

  /// All members, by increasing hash.
  func forEach(_ body: (_ hash: UInt64, _ number: Int) throws -> Void) rethrows {
    for index in 0..<slots.count {
      let slot = slots[index]
      if slot.stored != 0 { try body(slot.hash, Int(slot.stored - 1)) }
    }
  }

  private func place(_ new: Slot) {
    var index = Int(new.hash >> shift)
    while slots[index].stored != 0, slots[index].hash <= new.hash { index += 1 }
    // The last slot is free: the row that moves up by one ends there at the latest.
    var carried = new
    while carried.stored != 0 {
      let next = slots[index]
      slots[index] = carried
      carried = next
      index += 1
    }
  }

  private func grow() throws(FileError) {
    let old = slots
    var bigger = shift
    repeat {
      bigger -= 1
      slots = try SpilledArray(count: (1 << Int(64 - bigger)) + Self.slack)
      shift = bigger
      for index in 0..<old.count where old[index].stored != 0 {
        if slots[slots.count - 1].stored != 0 { break }
        place(old[index])
      }
    } while slots[slots.count - 1].stored != 0
  }
}
