import TandemCore
import TandemTorch
import Testing
import TestSupport

/// Against float64 values of the reference implementation, see make_vilt.py.
@Suite struct TransportTests {
  private struct Case: Decodable { let loss: Double }
  private struct Description: Decodable {
    let beta: Double
    let iterations: Int
    let vilt: Case
    let scattered: Case
    struct Sharp: Decodable {
      let beta: Double
      let iterations: Int
    }
    let sharp: Sharp
  }

  /// A thousand iterations in float32 drift further than fifty.
  private static let sharpTolerance = 1e-4

  @Test(arguments: ["vilt", "scattered"]) func againstTheReference(_ name: String) throws {
    let description = try Fixtures.json(Description.self, "vilt/transport.json")
    let file = try Fixtures.tensors("vilt/transport.safetensors")
    var transport = OptimalTransport()
    #expect(transport.beta == description.beta)
    #expect(transport.iterations == description.iterations)
    let x = try leaf(file.tensor(name + ".x"))
    let y = try leaf(file.tensor(name + ".y"))
    let padX = try file.tensor(name + ".text_pad").to(.bool)
    let padY = try file.tensor(name + ".image_pad").to(.bool)
    let (distance, plan) = try transport.distances(x, padX, y, padY)
    #expect(try difference(plan, file.tensor(name + ".plan")) < Tolerance.rounding)
    #expect(try difference(distance, file.tensor(name + ".distance")) < Tolerance.output)
    let signs = try file.integers(name + ".labels").map { Float($0 == 1 ? 1 : -1) }
    let loss = try (distance * Tensor(signs)).sum() / 4
    let expected = (name == "vilt" ? description.vilt : description.scattered).loss
    #expect(abs(try loss.item() - expected) < Tolerance.output)
    try loss.backward()
    for (leaf, part, pad) in [(x, "grad_x", padX), (y, "grad_y", padY)] {
      let found = try #require(try leaf.gradient())
      let gap = try relativeDifference(found, file.tensor("\(name).\(part)"))
      #expect(gap < Tolerance.gradient, "\(part)")
      // What is padding gets nothing at all.
      #expect(try largest(found * pad.to(.float32).unsqueezed(2)) == 0)
    }
    guard name == "vilt" else { return }
    transport.beta = description.sharp.beta
    transport.iterations = description.sharp.iterations
    let sharp = try transport.distances(x, padX, y, padY).plan_BNM
    #expect(try difference(sharp, file.tensor("vilt.sharp_plan")) < Self.sharpTolerance)
  }

  /// The plan's columns sum to one word's share; equal sets cost nothing.
  @Test func marginals() throws {
    let x = try randomTensor([1, 5, 8], seed: 1)
    let y = try randomTensor([1, 7, 8], seed: 2)
    let noX = try Tensor([Bool](repeating: false, count: 5), [1, 5])
    let noY = try Tensor([Bool](repeating: false, count: 7), [1, 7])
    let transport = OptimalTransport()
    let plan = try transport.distances(x, noX, y, noY).plan_BNM
    for share in try plan.sum([1]).floats() { #expect(abs(Double(share) - 0.2) < 1e-5) }
    #expect(abs(try plan.sum().item() - 1) < 1e-5)
    var sharp = transport
    sharp.beta = 0.05
    sharp.iterations = 200
    let same = try sharp.distances(x, noX, x, noX).distance_B
    let other = try sharp.distances(x, noX, y, noY).distance_B
    #expect(try same.item() < 1e-3)
    #expect(try other.item() > 0.1)
  }
}
