// What the check finds in a file that was made to be wrong.

import Foundation
import TandemRegions
import Testing

@Suite struct CheckTests {
  @Test func aCleanFile() throws {
    let check = try RegionCheck.run(
      RegionFormat.open(fixture("lxmert.tsv")), wanted: ["img_0001", "img_0010"])
    #expect(check.isClean)
    #expect(check.records == 3)
    #expect(check.regions == 6)
    #expect(check.featureWidth == 8)
    #expect(check.fields == RegionFormat.lxmert.fields)
    #expect(check.boxCounts.minimum == 1)
    #expect(check.boxCounts.maximum == 3)
    #expect(check.boxCounts.quantile(0.5) == 2)
    #expect(check.boxCounts.mean == 2)
    let confidences = try Picture.all().flatMap(\.objects_conf)
    #expect(check.confidences.count == 6)
    #expect(check.confidences.maximum == Double(confidences.max() ?? 0))
    #expect(check.confidences.bins.reduce(0, +) == 6)
    #expect(check.summary.contains("3 pictures, 6 regions"))
    #expect(check.summary.contains("regions a picture: 1 to 3, median 2, mean 2.00"))
    #expect(check.summary.contains("nothing is wrong"))
  }

  @Test func everythingThatIsWrong() throws {
    try withFolder { folder throws in
      var rng = Numbers(4)
      var records = (0..<12).map {
        randomRecord("p\($0)", regions: 3, fields: RegionFormat.butd.fields, using: &rng)
      }
      records[1].features[2] = .infinity
      records[2].boxes[0] = records[2].boxes[2] + 5
      records[3].boxes[2] = Float(records[3].width) * 2
      records[4].boxes[3] = records[4].boxes[1]
      records[5].boxes = []
      records[5].features = []
      records[6] = randomRecord(
        "p6", regions: 1, width: 9, fields: RegionFormat.butd.fields, using: &rng)
      records[7].id = "p0"
      let writer = try RegionFormat.butd.writer(folder + "/in.tsv", fitting: records[0])
      for record in records { try writer.write(record) }
      try writer.finish()
      try write(bytes(folder + "/in.tsv") + Array("torn\n".utf8), to: folder + "/in.tsv")
      var calls = 0
      let check = try RegionCheck.run(
        RegionFormat.open(folder + "/in.tsv"), wanted: ["p0", "p7", "q"]
      ) { calls = $0 }
      #expect(calls == 13)
      #expect(!check.isClean)
      #expect(check.records == 12)
      #expect(check.unreadable == 1)
      #expect(check.nonFinite == 1)
      #expect(check.boxFaults == counts(reversed: 1, outside: 1, empty: 1))
      #expect(check.recordsWithBoxFaults == 3)
      #expect(check.withoutRegions == 1)
      #expect(check.otherWidths == 1)
      #expect(check.duplicates == 1)
      #expect(check.firstDuplicates == ["p0"])
      #expect(check.missing == 2)
      #expect(check.firstMissing == ["p7", "q"])
      for line in [
        "! 1 records cannot be read:", "in.tsv:13: expected 6 fields", "! 1 records with NaN",
        "! 1 boxes are reversed", "! 1 boxes have no area", "! 1 boxes reach outside",
        "! 1 pictures have no regions", "! 1 records have features of another width",
        "! 1 identifiers stand there a second time:", "! 2 wanted pictures are missing:",
      ] {
        #expect(check.summary.contains(line), "\(line)")
      }
      #expect(!check.summary.contains("nothing is wrong"))
    }
  }

  private func counts(reversed: Int, outside: Int, empty: Int) -> BoxFaults {
    var faults = BoxFaults()
    (faults.reversed, faults.outside, faults.empty) = (reversed, outside, empty)
    return faults
  }

  /// Boxes as published files have them: half a pixel over, or rounded fractions.
  @Test func roundingIsNoFault() {
    func faults(_ box: [Float], _ width: Int, _ height: Int) -> Int {
      RegionRecord(
        id: "a", width: width, height: height, boxes: box, features: [0], featureWidth: 1
      ).boxFaults.count
    }
    #expect(faults([0, 0, 640.4, 480], 640, 480) == 0)
    #expect(faults([0, 0, 642, 480], 640, 480) == 1)
    #expect(faults([0, 0, 1.0004, 1], 1, 1) == 0)
    #expect(faults([0, 0, 1.01, 1], 1, 1) == 1)
    #expect(faults([.nan, 0, 1, 1], 1, 1) == 1)
  }
}
