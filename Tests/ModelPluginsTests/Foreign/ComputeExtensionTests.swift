// SPDX-License-Identifier: Apache-2.0
import CPluginABI
import Foundation
import Runtime
import Testing

@testable import ModelPlugins

/// The example classifier in C, which has no mathematics of its own, on the lent runtime.
@Suite(.enabled(if: isInstalled("cc"), "needs a C compiler"))
struct ComputeExtensionTests {
  static let library = Result { try compileExample("classifier/classifier.c") }
  private static let configuration = #"{"hidden":8,"epochs":3,"batch_size":16}"#

  private func plugin(threads: Int = 2) throws -> ModelPlugins.ModelPlugin {
    try TestRegistry(threads: threads).load(Self.library.get().path)
  }

  private func trainer(
    threads: Int = 2, configuration: String = configuration
  ) throws -> PluginTrainer {
    try plugin(threads: threads).makeTrainer(
      configuration: configuration, seed: 7, dataset: TwoMoons.dataset())
  }

  private func artifacts(_ write: (ArtifactWriter) throws -> Void) throws -> [Artifact] {
    var files: [String: [UInt8]] = [:]
    try write { files[$0, default: []] += Array($1) }
    return files.map { Artifact(name: $0.key, copying: $0.value) }
  }

  @Test func learnsAndAnswers() throws {
    let plugin = try plugin()
    let configuration = #"{"hidden":16,"epochs":20,"batch_size":16,"learning_rate":0.03}"#
    let trainer = try plugin.makeTrainer(
      configuration: configuration, seed: 7, dataset: TwoMoons.dataset())
    for epoch in 1...trainer.epochs {
      _ = try trainer.trainEpoch(epoch) { _ in true }
    }
    let metrics = try trainer.evaluate(split: "test")
    #expect(try #require(metrics.first { $0.name == "accuracy" }).value > 0.9)
    let model = try plugin.makeModel(
      artifacts: artifacts { try trainer.export(to: $0) }, configuration: configuration)
    #expect(model.maxBatchSize == 64)
    #expect(model.memoryByteCount > 0)
    let execution = model.makeExecution()
    let (points, labels) = TwoMoons.points(32, salt: 3)
    execution.batchSize = 32
    execution.setFloats(0, points, shape: [32, 2])
    try model.execute(execution)
    let probabilities = execution.output(0).floats
    let right = (0..<32).filter {
      (probabilities[2 * $0 + 1] > probabilities[2 * $0]) == (labels[$0] == 1)
    }
    #expect(right.count > 28)
    for row in 0..<32 {
      #expect(abs(probabilities[2 * row] + probabilities[2 * row + 1] - 1) < 1e-5)
    }
  }

  @Test func theSameBitsAtAnyNumberOfThreadsAndAcrossACheckpoint() throws {
    func weights(_ trainer: PluginTrainer) throws -> [UInt8] {
      let files = try artifacts { try trainer.export(to: $0) }
      return try Array(#require(files.first { $0.name == "weights.safetensors" }).bytes)
    }
    let whole = try trainer(threads: 1)
    for epoch in 1...3 { _ = try whole.trainEpoch(epoch) { _ in true } }
    let expected = try weights(whole)
    let first = try trainer(threads: 7)
    _ = try first.trainEpoch(1) { _ in true }
    let checkpoint = try artifacts { try first.checkpoint(to: $0) }
    let second = try trainer(threads: 2)
    try second.restore(from: checkpoint)
    #expect(second.completedEpochs == 1)
    for epoch in 2...3 { _ = try second.trainEpoch(epoch) { _ in true } }
    #expect(try weights(second) == expected)
  }

  @Test func goesOnLearningFromFurtherSamples() throws {
    let trainer = try trainer()
    _ = try trainer.trainEpoch(1) { _ in true }
    let metrics = try trainer.partialFit(TwoMoons.dataset(salt: 9))
    #expect(metrics.map(\.name) == ["loss", "accuracy"])
    #expect(trainer.completedEpochs == 1)
    let error = failure {
      _ = try trainer.partialFit(TwoMoons.dataset(width: 3))
    }
    #expect(error?.code == .invalidArgument)
  }

  @Test func stopsWhenToldTo() throws {
    let trainer = try trainer()
    #expect(failure { _ = try trainer.trainEpoch(1) { _ in false } }?.code == .cancelled)
    let again = try self.trainer()
    #expect(
      failure { _ = try again.trainEpoch(1, isCancelled: { true }) { _ in true } }?.code
        == .cancelled)
  }

  @Test func saysWhatIsWrong() throws {
    let plugin = try plugin()
    for (configuration, field) in [
      (#"{"hidden":0}"#, "configuration.hidden"), (#"{"epochs":1.5}"#, "configuration.epochs"),
      (#"{"depth":3}"#, "configuration"), ("[]", "configuration"),
    ] {
      let error = failure { try plugin.validate(configuration: configuration, dataset: nil) }
      #expect(error?.violations.first?.field == field, "\(configuration)")
    }
    let estimate = try plugin.estimateMemory(configuration: "{}", dataset: nil)
    #expect(estimate.trainingByteCount > estimate.inferenceByteCount / 64)
    let label = failure {
      let trainer = try plugin.makeTrainer(
        configuration: "{}", seed: 1, dataset: TwoMoons.dataset(labels: 5))
      _ = try trainer.trainEpoch(1) { _ in true }
    }
    #expect(label?.message.contains("integers of 0 to 1") == true, "\(label?.message ?? "")")
    let weights = failure {
      _ = try plugin.makeModel(
        artifacts: [
          Artifact(name: "width.txt", copying: Array("2".utf8)),
          Artifact(name: "weights.safetensors", copying: [1, 2, 3]),
        ], configuration: "{}")
    }
    #expect(weights?.code == .invalidArgument)
  }
}

/// The table itself, where a plugin makes mistakes.
struct ComputeTableTests {
  private let services: ComputeServices
  private var table: UnsafePointer<msf_compute> { UnsafePointer(services.table) }

  init() throws {
    services = ComputeServices(
      workers: try WorkerPool(threadCount: 1), instructionSet: try InstructionSet.preferred())
  }

  private func withGraph(_ body: (OpaquePointer) throws -> Void) throws {
    var graph: OpaquePointer?
    #expect(table.pointee.graph_create(table, &graph, nil) == msf_status(MSF_OK))
    defer { table.pointee.graph_destroy(table, graph) }
    try body(#require(graph))
  }

  private func text(_ text: StaticString) -> msf_string {
    msf_string(
      data: UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self),
      size: text.utf8CodeUnitCount)
  }

  private func message(
    _ body: (UnsafeMutablePointer<msf_error>) -> msf_status
  ) -> PluginError? {
    failure { try ErrorSink.call("test", "call", body) }
  }

  @Test func mistakesAreErrors() throws {
    try withGraph { graph in
      var x: msf_value = 0
      let shape: [Int64] = [4]
      #expect(
        table.pointee.graph_input(
          table, graph, text("x"), msf_data_type(MSF_FP32), 1, shape, &x, nil)
          == msf_status(MSF_OK))
      #expect(x == 1)
      var result: msf_value = 0
      let operation = { (name: msf_string, operands: [msf_value], attributes: [msf_attribute]) in
        message { error in
          table.pointee.graph_operation(
            table, graph, name, operands, UInt32(operands.count), attributes,
            UInt32(attributes.count), &result, error)
        }
      }
      #expect(operation(text("teleport"), [x], [])?.code == .unimplemented)
      #expect(operation(text("relu"), [7], [])?.message.contains("came 7") == true)
      #expect(operation(text("relu"), [0], [])?.code == .invalidArgument)
      #expect(operation(text("relu"), [x, x], [])?.message.contains("1 operands, came 2") == true)
      #expect(operation(text("max_pool2d"), [x], [])?.message.contains("size") == true)
      let rate = msf_attribute(name: text("speed"), text: msf_string(), number: 1)
      #expect(operation(text("relu"), [x], [rate])?.message.contains("takes none") == true)
      let nan = msf_attribute(name: text("rate"), text: msf_string(), number: .nan)
      #expect(operation(text("dropout"), [x], [nan])?.message.contains("finite") == true)
      #expect(operation(text("dense"), [x, x], [])?.code == .invalidArgument)
      #expect(operation(text("add"), [x, x], []) == nil)
      var dataType: msf_data_type = 0
      var rank: UInt32 = 0
      var extents = [Int64](repeating: 0, count: Int(MSF_MAX_RANK))
      #expect(
        table.pointee.graph_describe(table, graph, result, &dataType, &rank, &extents, nil)
          == msf_status(MSF_OK))
      #expect(dataType == msf_data_type(MSF_FP32) && rank == 1 && extents[0] == 4)
    }
    #expect(table.pointee.graph_create(table, nil, nil) == msf_status(MSF_INVALID_ARGUMENT))
    table.pointee.graph_destroy(table, nil)
    table.pointee.session_destroy(table, nil)
    table.pointee.plan_destroy(table, nil)
    #expect(table.pointee.plan_byte_count(table, nil) == 0)
  }

  @Test func randomNumbersAreTheRuntimes() {
    var words = [UInt32](repeating: 0, count: 5)
    table.pointee.random_words(table, 3, 9, 2, &words, 5)
    let numbers = Philox(key: 3, stream: 9)
    #expect(words == (2..<7).map { numbers.word(at: $0) })
    var order = [UInt32](repeating: 0, count: 10)
    table.pointee.random_permutation(table, 3, 9, &order, 10)
    #expect(order.map(Int.init) == numbers.permutation(10))
  }
}

/// Two classes of points in the plane that no line separates.
enum TwoMoons {
  static func points(_ count: Int, salt: Int, width: Int = 2) -> (
    features: [Float], labels: [Int32]
  ) {
    var features: [Float] = []
    var labels: [Int32] = []
    for index in 0..<count {
      let angle = Float((index * 37 + salt * 11) % 64) / 64 * Float.pi
      let label = Int32(index % 2)
      let (x, y) = (Foundation.cos(angle), Foundation.sin(angle))
      features += label == 0 ? [x, y] : [1 - x, 0.5 - y]
      features += [Float](repeating: 0, count: width - 2)
      labels.append(label)
    }
    return (features, labels)
  }

  /// 128 points to learn from and 64 to test with.
  ///
  /// - Parameter labels: what is added to each label, to make wrong ones.
  static func dataset(salt: Int = 0, width: Int = 2, labels shift: Int32 = 0) throws -> DataSetView
  {
    var tensors: [(specification: TensorSpecification, bytes: UnsafeRawBufferPointer)] = []
    var owners: [ByteBox] = []
    for (split, count, salt) in [("train", 128, salt), ("test", 64, salt + 5)] {
      let (features, labels) = points(count, salt: salt, width: width)
      let boxes = [
        features.withUnsafeBytes { ByteBox($0) },
        labels.map { $0 + shift }.withUnsafeBytes { ByteBox($0) },
      ]
      owners += boxes
      tensors.append(
        (
          TensorSpecification(name: "\(split)/features", datatype: .fp32, shape: [count, width]),
          boxes[0].bytes
        ))
      tensors.append(
        (
          TensorSpecification(name: "\(split)/labels", datatype: .int32, shape: [count]),
          boxes[1].bytes
        ))
    }
    return try DataSetView(tensors: tensors, owner: Owners(owners))
  }

  private final class Owners: Sendable {
    let boxes: [ByteBox]
    init(_ boxes: [ByteBox]) { self.boxes = boxes }
  }
}
