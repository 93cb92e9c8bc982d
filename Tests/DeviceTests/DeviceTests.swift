// The code path of a GPU: on a recording device, which every machine has, and on a GPU where there is
// one. What is held to: the same numbers as on the processor, and a host that waits for nothing.

import RecordingDevice
import TandemCore
import TandemNN
import TandemTorch
import TandemTrain
import TestSupport
import Testing

/// One device for a process: libtorch has one accelerator, and a GPU goes first.
private let onlyDevice: Device? = {
  if Device.isCUDAAvailable { return .cuda(0) }
  return recording_device_register() == nil ? .registered(0) : nil
}()

@Suite(.serialized) struct DeviceTests {
  private let device: Device
  init() throws { device = try #require(onlyDevice) }

  @Test(arguments: [Recomputation.none, .layer])
  func gradientsAreThoseOfTheProcessor(_ recomputation: Recomputation) throws {
    var settings = LessonSettings()
    settings.recomputation = recomputation
    let expected = try Lesson(settings).gradients()
    settings.device = device
    let found = try Lesson(settings).gradients()
    #expect(found.losses.count == 8)
    for (a, b) in zip(found.losses, expected.losses) {
      #expect(abs(a - b) < Tolerance.gradient * max(1, abs(b)))
    }
    #expect(found.gradients.count == expected.gradients.count)
    for (name, gradient) in expected.gradients {
      let own = try #require(found.gradients[name])
      #expect(try relativeDifference(own, gradient, floor: 1e-2) < 1e-4, "\(name)")
    }
  }

  /// bfloat16 goes through the flash kernel.
  @Test func bfloat16IsClose() throws {
    var settings = LessonSettings()
    settings.precision = .bfloat16
    let expected = try Lesson(settings).gradients()
    settings.device = device
    let found = try Lesson(settings).gradients()
    for (a, b) in zip(found.losses, expected.losses) {
      #expect(abs(a - b) < Tolerance.bfloat16 * max(1, abs(b)))
    }
  }

  @Test func trainingIsThatOfTheProcessor() throws {
    var settings = LessonSettings()
    let expected = try Lesson(settings)
    try expected.train()
    settings.device = device
    let found = try Lesson(settings)
    try found.train()
    #expect(found.lines.map(\.step) == [1, 2, 3, 4])
    for (a, b) in zip(found.lines, expected.lines) {
      #expect(abs(a.loss - b.loss) < 1e-4 * abs(b.loss))
      #expect(abs(a.gradientNorm - b.gradientNorm) < 1e-3 * b.gradientNorm)
      #expect(Set(a.metrics.keys) == Set(b.metrics.keys) && a.metrics.count >= 6)
      #expect(a.rows == b.rows && a.seconds > 0)
    }
    for (a, b) in zip(found.store.groups, expected.store.groups) {
      #expect(try relativeDifference(a.values.to(.cpu), b.values) < 1e-3)
    }
  }

  /// Dropout's bits come from the device's own generator, seeded at each place: the same again in a
  /// second run, others in another step.
  @Test(arguments: [Precision.float32, .bfloat16])
  func dropoutIsSeeded(_ precision: Precision) throws {
    var settings = LessonSettings()
    settings.precision = precision
    settings.dropout = 0.1
    settings.device = device
    let runs = try (0..<2).map { _ in
      let lesson = try Lesson(settings)
      try lesson.train()
      return lesson.lines.map(\.loss)
    }
    #expect(runs[0] == runs[1])
    let x = try Tensor.ones([40, 50], on: device)
    let keys = try Tensor([Int64](repeating: 0, count: 40), on: device)
    let dropped = try [1, 1, 2].map {
      try x.rowDropout(RowDropout(0.1, rowKeys: keys, seed: $0)).floats()
    }
    #expect(dropped[0] == dropped[1] && dropped[0] != dropped[2])
    let kept = dropped[0].filter { $0 != 0 }
    #expect(abs(Double(kept.count) / 2000 - 0.9) < 0.03 && kept.allSatisfy { $0 == Float(1 / 0.9) })
  }

  /// Spans of every kind, where rows have to be gathered, are in no call, or lie in another stream.
  @Test(arguments: 0..<4) func attentionBySpans(_ which: Int) throws {
    let layout = PackedLayout(lengths: [5, 9, 1, 7], sequenceKeys: [1, 2, 3, 4])
    let other = PackedLayout(lengths: [3, 2, 6, 4], sequenceKeys: [1, 2, 3, 4])
    var some = AttentionSpans()
    some.append(queries: 5..<14, keys: 5..<14)
    some.append(queries: 1..<4, keys: 0..<5, causal: true)
    let (spans, keys) = [
      (AttentionSpans.full(layout), layout),
      (.prefixCausal(layout, prefixes: [2, 4, 1, 7]), layout),
      (.cross(from: layout, to: other), other), (some, layout),
    ][which]
    func run(_ device: Device) throws -> [Tensor] {
      let rows = try PackedRows(layout, on: device)
      let plan = try AttentionPlan(
        spans, queryRows: layout.rowCount, keyRows: keys.rowCount, on: device)
      let store = ParameterStore(seed: 5, device: device)
      let attention = try Attention(24, heads: 3, weightDropout: 0, at: store.root)
      let x = try leaf(randomTensor([layout.rowCount, 24], seed: 1).to(device))
      let y = try leaf(randomTensor([keys.rowCount, 24], seed: 2).to(device))
      let out = try attention(x, keys: y, rows, plan, .inference)
      try (out * randomTensor(out.shape, seed: 3).to(device)).sum().backward()
      return try [out.detached(), #require(try x.gradient()), #require(try y.gradient())].map {
        try $0.to(.cpu)
      }
    }
    for (found, expected) in zip(try run(device), try run(.cpu)) {
      #expect(try relativeDifference(found, expected) < Tolerance.gradient)
    }
  }

  @Test func checkpointsHoldWhatTheDeviceHas() throws {
    let folder = try TemporaryFolder()
    var settings = LessonSettings()
    settings.device = device
    let lesson = try Lesson(settings)
    try lesson.train()
    let path = folder.path + "/weights.safetensors"
    try SafeTensors.write(lesson.store.tensors(), to: path)
    let file = try SafeTensorsFile(path: path)
    for parameter in lesson.store.parameters {
      #expect(try difference(file.tensor(parameter.name), parameter.value.to(.cpu)) == 0)
    }
  }
}

/// The record counts the whole process: nothing else may use the device meanwhile, which `.serialized`
/// of the suite above cannot promise; these tests belong to the recording device alone.
extension DeviceTests {
  struct Case: CustomTestStringConvertible, Sendable {
    var precision: Precision
    var kind: Recipe.Optimizer.Kind
    var averaging = 0.0
    var testDescription: String { "\(precision) \(kind)" }
  }

  @Test(
    .disabled(if: Device.isCUDAAvailable, "the recording device steps back for a GPU"),
    arguments: [
      Case(precision: .float32, kind: .adamW, averaging: 0.9),
      Case(precision: .bfloat16, kind: .adamW), Case(precision: .bfloat16, kind: .bertAdam),
      Case(precision: .float32, kind: .sgd),
    ])
  func aStepCopiesNothingBack(_ test: Case) throws {
    var settings = LessonSettings()
    settings.device = .registered(0)
    settings.precision = test.precision
    settings.kind = test.kind
    settings.averaging = test.averaging
    settings.dropout = 0.1
    var reads: [String] = []
    var operators: [Int] = []
    var isRecording = false
    try Lesson(settings).train(
      began: {
        recording_device_start()
        isRecording = true
      },
      ended: {
        guard isRecording else { return }
        isRecording = false
        let (text, count) = Self.stopped()
        reads.append(text)
        operators.append(count)
      })
    #expect(reads == ["", "", "", ""])
    #expect(operators.allSatisfy { $0 > 300 })
  }

  /// The record would show it.
  @Test(.disabled(if: Device.isCUDAAvailable, "the recording device steps back for a GPU"))
  func aReadIsSeen() throws {
    let x = try Tensor.ones([3], on: .registered(0))
    recording_device_start()
    _ = try x.sum().item()
    let (text, count) = Self.stopped()
    #expect(!text.isEmpty && count > 0)
  }

  private static func stopped() -> (text: String, operators: Int) {
    var buffer = [CChar](repeating: 0, count: 4096)
    var operators = 0
    recording_device_stop(&buffer, buffer.count, &operators)
    return (
      String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self),
      operators
    )
  }
}
