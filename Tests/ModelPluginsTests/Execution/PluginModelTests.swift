// SPDX-License-Identifier: Apache-2.0
import Runtime
import Testing

@testable import ModelPlugins

/// What `PluginModel` and `PluginExecution` check for every plugin, on a model written here.
struct PluginModelTests {
  /// y = 2 x, for rows of three floats; a BYTES input is ignored.
  final class Doubling: ModelImplementation {
    let inputs: [TensorSpecification]
    let outputs = [TensorSpecification(name: "y", datatype: .fp32, shape: [3])]
    let maxBatchSize: Int
    let executesInline = false
    let memoryByteCount = 0

    init(maxBatchSize: Int, hasStrings: Bool = false) {
      self.maxBatchSize = maxBatchSize
      inputs =
        [TensorSpecification(name: "x", datatype: .fp32, shape: [3])]
        + (hasStrings ? [TensorSpecification(name: "s", datatype: .bytes, shape: [-1])] : [])
    }

    func execute(_ execution: PluginExecution) throws(PluginError) {
      let input = execution.input(0)
      let rows = execution.batchSize
      let output = try execution.allocateOutput(
        0, datatype: .fp32, shape: maxBatchSize > 0 ? [rows, 3] : [3])
      for offset in stride(from: 0, to: input.bytes.count, by: 4) {
        let value = input.bytes.loadUnaligned(fromByteOffset: offset, as: Float.self)
        output.storeBytes(of: 2 * value, toByteOffset: offset, as: Float.self)
      }
    }
  }

  private func model(_ implementation: Doubling) throws -> PluginModel {
    let plugin = ModelPlugins.ModelPlugin(
      name: "doubling", version: "1", digest: "", isBuiltIn: true, abiVersion: "1.0",
      capabilities: [.inference], configurationSchema: "{}", limits: PluginLimits(),
      implementation: Unused())
    return try PluginModel(plugin: plugin, implementation: implementation)
  }

  private struct Unused: PluginImplementation {
    private var unused: PluginError { PluginError(.unimplemented, "unused") }
    func validate(configuration: String, dataset: DataSetDescription?) throws(PluginError) {}
    func estimateMemory(
      configuration: String, dataset: DataSetDescription?
    ) throws(PluginError) -> MemoryEstimate { throw unused }
    func makeModel(
      artifacts: [Artifact], configuration: String
    ) throws(PluginError) -> any ModelImplementation { throw unused }
    func makeTrainer(
      configuration: String, seed: UInt64, dataset: DataSetView
    ) throws(PluginError) -> any TrainerImplementation { throw unused }
  }

  @Test("Rows go through as a batch")
  func batches() throws {
    let model = try model(Doubling(maxBatchSize: 4))
    let execution = model.makeExecution()
    for rows in [1, 4, 2] {
      execution.batchSize = rows
      let values = (0..<(rows * 3)).map(Float.init)
      execution.setFloats(0, values, shape: [rows, 3])
      try model.execute(execution)
      #expect(execution.output(0).shape == [rows, 3])
      #expect(execution.output(0).floats == values.map { 2 * $0 })
      execution.reset()
    }
  }

  @Test(
    "Inputs that are not as declared are named",
    arguments: [
      (DataType.int32, [1, 3], 12, "inputs[0].datatype", "expected FP32 for x, came INT32"),
      (.fp32, [3], 12, "inputs[0].shape", "expected [1...4, 3] for x, came [3]"),
      (.fp32, [1, 4], 16, "inputs[0].shape", "came [1, 4]"),
      (.fp32, [1, 3, 1], 12, "inputs[0].shape", "came [1, 3, 1]"),
      (.fp32, [5, 3], 60, "inputs[0].shape", "came [5, 3]"),
      (.fp32, [0, 3], 0, "inputs[0].shape", "came [0, 3]"),
      (.fp32, [-1, 3], 12, "inputs[0].shape", "came [-1, 3]"),
      (.fp32, [1, -3], 12, "inputs[0].shape", "came [1, -3]"),
      (.fp32, [Int.max, 3], 12, "inputs[0].shape", "came"),
      (.fp32, [Int](repeating: 1, count: 40), 4, "inputs[0].shape", "came"),
      (.fp32, [1, 3], 11, "inputs[0].contents", "expected 12 bytes"),
      (.fp32, [1, 3], 13, "inputs[0].contents", "came 13"),
    ])
  func badInputs(
    datatype: DataType, shape: [Int], byteCount: Int, field: String, text: String
  ) throws {
    let model = try model(Doubling(maxBatchSize: 4))
    let bytes = Artifact(name: "", copying: [UInt8](repeating: 0, count: byteCount))
    let checked = failure {
      _ = try shape.map(Int64.init).withUnsafeBufferPointer {
        try model.checkInput(0, datatype: datatype, shape: $0, bytes: bytes.bytes)
      }
    }
    let execution = model.makeExecution()
    execution.batchSize = 1
    execution.setInput(0, datatype: datatype, shape: shape, bytes: bytes.bytes, owner: nil)
    let executed = failure { try model.execute(execution) }
    for error in [checked, executed] {
      #expect(error?.code == .invalidArgument)
      #expect(error?.violations.first?.field == field)
      #expect(error?.message.contains(text) == true, "\(error?.message ?? "no error")")
    }
  }

  @Test("checkInput tells the rows")
  func rows() throws {
    let model = try model(Doubling(maxBatchSize: 4))
    let bytes = Artifact(name: "", copying: [UInt8](repeating: 0, count: 36))
    let rows = try [Int64(3), 3].withUnsafeBufferPointer {
      try model.checkInput(0, datatype: .fp32, shape: $0, bytes: bytes.bytes)
    }
    #expect(rows == 3)
  }

  @Test("A batch must be within bounds, and there must be none where there is no batching")
  func batchBounds() throws {
    for (maximum, rows) in [(4, 0), (4, 5), (0, 1)] {
      let model = try model(Doubling(maxBatchSize: maximum))
      let execution = model.makeExecution()
      execution.batchSize = rows
      execution.setFloats(0, [1, 2, 3], shape: [3])
      #expect(failure { try model.execute(execution) }?.code == .invalidArgument)
    }
  }

  @Test("A missing input is named")
  func missingInput() throws {
    let model = try model(Doubling(maxBatchSize: 0))
    let error = failure { try model.execute(model.makeExecution()) }
    #expect(error?.message.contains("x is missing") == true)
  }

  @Test(
    "BYTES elements are counted, and one cut short is refused",
    arguments: [
      ([], 0, true), ([0, 0, 0, 0], 1, true), ([1, 0, 0, 0, 9, 2, 0, 0, 0, 8, 7], 2, true),
      ([1, 0, 0, 0, 9], 2, false), ([1, 0, 0], 1, false), ([2, 0, 0, 0, 9], 1, false),
      ([255, 255, 255, 255, 9], 1, false),
    ])
  func strings(bytes: [UInt8], count: Int, isValid: Bool) throws {
    let model = try model(Doubling(maxBatchSize: 0, hasStrings: true))
    let artifact = Artifact(name: "", copying: bytes)
    let execution = model.makeExecution()
    execution.setFloats(0, [1, 2, 3], shape: [3])
    execution.setInput(
      1, datatype: .bytes, shape: [count], bytes: artifact.bytes, owner: artifact.owner)
    let error = failure { try model.execute(execution) }
    #expect((error == nil) == isValid, "\(error?.message ?? "no error")")
    if !isValid { #expect(error?.violations.first?.field == "inputs[1].contents") }
  }

  @Test("Output memory is used again when nobody holds it, and left alone while somebody does")
  func outputMemory() throws {
    let model = try model(Doubling(maxBatchSize: 0))
    let execution = model.makeExecution()
    func call(_ value: Float) throws -> PluginOutput {
      execution.setFloats(0, [value, value, value], shape: [3])
      try model.execute(execution)
      return execution.output(0)
    }
    let first = try call(1).bytes.baseAddress
    execution.reset()
    #expect(try call(2).bytes.baseAddress == first)
    execution.reset()
    let held = try call(3)
    execution.reset()
    let next = try call(4)
    #expect(next.bytes.baseAddress != held.bytes.baseAddress)
    #expect(held.floats == [6, 6, 6])
    #expect(next.floats == [8, 8, 8])
  }

  @Test("The pool keeps what it may and no more")
  func outputPool() throws {
    let pool = OutputPool(maxIdleByteCount: 1024)
    let address = pool.take(byteCount: 1000)?.memory.baseAddress
    #expect(pool.take(byteCount: 1024)?.memory.baseAddress == address)
    let large = try #require(pool.take(byteCount: 1025))
    #expect(large.memory.count == 2048)
    #expect(Int(bitPattern: large.memory.baseAddress) % 64 == 0)
    #expect(pool.take(byteCount: 0)?.memory.count == 64)
  }
}
