import TandemVision
import Testing

@Test func overlapOfBoxes() {
  let a = Box(x1: 0, y1: 0, x2: 4, y2: 2)
  #expect(a.overlap(Box(x1: 2, y1: 0, x2: 6, y2: 2)) == 1.0 / 3)
  #expect(a.overlap(Box(x1: 4, y1: 0, x2: 6, y2: 2)) == 0)
}
