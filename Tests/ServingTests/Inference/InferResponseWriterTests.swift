// SPDX-License-Identifier: Apache-2.0
import ModelPlugins
import RPCTransport
import Runtime
import Testing

@testable import Serving

@Suite struct InferResponseWriterTests {
  private final class Owner {}

  private func output(
    _ bytes: UnsafeRawBufferPointer, _ shape: [Int64], owner: AnyObject?
  ) -> InferOutput {
    var output = InferOutput()
    output.rank = shape.count
    for (axis, extent) in shape.enumerated() { output.extents[axis] = extent }
    output.bytes = bytes
    output.owner = owner
    return output
  }

  @Test func isWhatThePeerEncodes() throws {
    let signature = ModelSignature(
      inputs: [], outputs: [specification(.fp32, name: "OUTPUT0")], maxBatchSize: 8)
    let tensor = PooledBuffer(copying: try bytes(rawTensors["FP32"]))
    let message = InferResponseWriter(pool: BufferPool()).write(
      modelName: "identity", version: "3", id: "42", signature: signature,
      outputs: InferOutputs([output(tensor.bytes, [1, 4], owner: tensor)], nil))
    #expect(try message.array == bytes(responses["one"]))
  }

  @Test func largeTensorsAreLent() throws {
    let signature = ModelSignature(
      inputs: [],
      outputs: [
        specification(.bytes, [2], name: "OUTPUT0"), specification(.uint8, [2500], name: "OUTPUT1"),
        specification(.int8, [2200], name: "OUTPUT2"), specification(.fp32, [], name: "OUTPUT3"),
      ], maxBatchSize: 0)
    let first = PooledBuffer(copying: (0..<2500).map { UInt8($0 % 251) })
    let text = PooledBuffer(copying: [1, 0, 0, 0, 0x61, 0, 0, 0, 0])
    let second = PooledBuffer(copying: (0..<2200).map { UInt8($0 % 127) })
    let scalar = PooledBuffer(copying: [0, 0, 0x80, 0x3f])
    let message = InferResponseWriter(pool: BufferPool()).write(
      modelName: "team/two", version: "300", id: "", signature: signature,
      outputs: InferOutputs(
        [
          output(text.bytes, [2], owner: text), output(first.bytes, [2500], owner: first),
          output(second.bytes, [2200], owner: second), output(scalar.bytes, [], owner: scalar),
        ], [1, 0, 2, 3]))
    #expect(try message.array == bytes(responses["two"]))
    let lent = message.segments.filter { $0.owner === first || $0.owner === second }
    #expect(lent.map(\.bytes.baseAddress) == [first.bytes.baseAddress, second.bytes.baseAddress])
    #expect(!message.segments.contains { $0.owner === text || $0.owner === scalar })
  }

  /// Memory without an owner is the model's again after the call.
  @Test func ownerlessTensorsAreCopied() throws {
    let signature = ModelSignature(
      inputs: [], outputs: [specification(.uint8, [2500], name: "OUTPUT0")], maxBatchSize: 0)
    let tensor = PooledBuffer(copying: [UInt8](repeating: 7, count: 2500))
    let message = InferResponseWriter(pool: BufferPool()).write(
      modelName: "m", version: "1", id: "", signature: signature,
      outputs: InferOutputs([output(tensor.bytes, [2500], owner: nil)], nil))
    #expect(message.segments.isEmpty)
    #expect(Answer(message.array)?.outputs.first?.bytes == [UInt8](repeating: 7, count: 2500))
  }

  /// Every rank and every number of outputs comes back as it went.
  @Test func everyRankAndCountOfOutputs() throws {
    for rank in 0...8 {
      for count in 0...5 {
        let shape = (0..<rank).map { $0 == 0 ? Int64(300) : 1 }
        let size = rank == 0 ? 1 : 300
        let signature = ModelSignature(
          inputs: [],
          outputs: (0..<count).map { specification(.uint8, shape.map(Int.init), name: "O\($0)") },
          maxBatchSize: 0)
        let tensor = PooledBuffer(copying: [UInt8](repeating: 5, count: size))
        let message = InferResponseWriter(pool: BufferPool()).write(
          modelName: "m", version: "1", id: "x", signature: signature,
          outputs: InferOutputs(
            (0..<count).map { _ in output(tensor.bytes, shape, owner: tensor) }, nil))
        let answer = try #require(Answer(message.array))
        #expect(answer.outputs.map(\.name) == (0..<count).map { "O\($0)" })
        #expect(answer.outputs.allSatisfy { $0.shape == shape && $0.bytes.count == size })
      }
    }
  }
}
