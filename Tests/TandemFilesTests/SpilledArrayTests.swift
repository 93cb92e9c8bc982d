import TandemFiles
import Testing

@Suite struct SpilledArrayTests {
  /// In memory and in a file.
  @Test(arguments: [0, 1, 1000, 300_000]) func numbersStay(_ count: Int) throws {
    let array = try SpilledArray<UInt64>(count: count)
    #expect((0..<count).allSatisfy { array[$0] == 0 })
    for index in 0..<count { array[index] = UInt64(index) &* 0x9E37_79B9_7F4A_7C15 }
    array.release()
    #expect((0..<count).allSatisfy { array[$0] == UInt64($0) &* 0x9E37_79B9_7F4A_7C15 })
    #expect(array.count == count)
  }

  @Test func setsHoldWhatWasPutIn() throws {
    let set = try SpilledSet(capacity: 100_000)
    // Even numbers: the lowest bit is not kept.
    for value in UInt64(0)..<100_000 { #expect(set.insert(2 * value)) }
    #expect(!set.insert(4) && set.count == 100_000)
    set.release()
    #expect((UInt64(0)..<100_000).allSatisfy { set.contains(2 * $0) })
    #expect((UInt64(100_000)..<200_000).allSatisfy { !set.contains(2 * $0) })
    let empty = try SpilledSet(capacity: 0)
    #expect(!empty.contains(0) && empty.insert(0) && empty.contains(0))
  }

  @Test func noRoomIsAnError() {
    #expect(throws: FileError.self) { try SpilledArray<UInt64>(count: 1 << 50) }
  }
}
