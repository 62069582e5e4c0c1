// SPDX-License-Identifier: Apache-2.0
import ModelPlugins
import RPCTransport
import Runtime
import Testing

@testable import Serving

/// Decodes `message` for a model with `inputs`.
func decode(
  _ message: [UInt8], _ inputs: [TensorSpecification], maxBatchSize: Int = 8,
  limits: InferLimits = InferLimits(), at offset: Int = 0
) throws(ServingError) -> InferRequest {
  let decoder = InferRequestDecoder(limits: limits, pool: BufferPool())
  let signature = ModelSignature(
    inputs: inputs,
    outputs: [
      specification(.fp32, [1], name: "OUTPUT0"), specification(.fp32, [1], name: "OUTPUT1"),
    ], maxBatchSize: maxBatchSize)
  return try decoder.decode(
    PooledBuffer(copying: message), resolve: { (_, _) throws(ServingError) in signature },
    signature: { $0 }
  ).1
}

extension InferTensor {
  /// A copy of the bytes, which live only as long as their owner.
  var copied: [UInt8] { withExtendedLifetime(owner) { Array(bytes) } }
}

@Suite struct InferRequestDecoderTests {
  @Test(arguments: rawRequests.keys.sorted())
  func rawTensorsOfEveryDatatype(name: String) throws {
    let datatype = try #require(DataType(rawValue: name))
    let request = try decode(bytes(rawRequests[name]), [specification(datatype)])
    #expect(request.modelName == "identity")
    #expect(request.id == "raw")
    #expect(request.rows == 1)
    let tensor = try #require(request.inputs.first)
    #expect(try tensor.copied == bytes(rawTensors[name]))
    #expect(tensor.withExtents { Array($0) } == [1, 4])
    #expect(Int(bitPattern: tensor.bytes.baseAddress) % (datatype.byteCount ?? 1) == 0)
  }

  @Test(arguments: typedRequests.keys.sorted())
  func typedTensorsOfEveryDatatype(name: String) throws {
    let datatype = try #require(DataType(rawValue: name))
    let request = try decode(bytes(typedRequests[name]), [specification(datatype)])
    #expect(request.id == "typed")
    #expect(try #require(request.inputs.first).copied == bytes(rawTensors[name]))
  }

  @Test func inputsComeInTheModelsOrder() throws {
    for name in ["two", "two_swapped"] {
      let request = try decode(bytes(requests[name]), twoInputs)
      #expect(request.inputs.map { $0.bytes.count } == [24, 16])
      #expect(request.rows == 2)
    }
  }

  @Test func requestedOutputsAreIndices() throws {
    #expect(try decode(bytes(requests["two"]), twoInputs).requestedOutputs == nil)
    #expect(try decode(bytes(requests["two_outputs"]), twoInputs).requestedOutputs == [1, 0])
    #expect(try decode(bytes(requests["two_one_output"]), twoInputs).requestedOutputs == [1])
  }

  @Test func parameters() throws {
    #expect(
      try decode(bytes(requests["timeout"]), twoInputs).queueTimeout == .microseconds(1500))
    #expect(try decode(bytes(requests["custom"]), twoInputs).queueTimeout == nil)
    #expect { try decode(bytes(requests["sequence"]), twoInputs) } throws: {
      ($0 as? ServingError)?.violations.first?.field == "parameters.sequence_id"
        || ($0 as? ServingError)?.violations.first?.field == "parameters.sequence_start"
    }
  }

  @Test func nameAndVersionReachTheResolver() throws {
    let decoder = InferRequestDecoder(limits: InferLimits(), pool: BufferPool())
    let message = PooledBuffer(copying: try bytes(requests["version"]))
    #expect(throws: ServingError.self) {
      _ = try decoder.decode(
        message,
        resolve: { (name, version) throws(ServingError) -> ModelSignature in
          #expect(name == "team/two")
          #expect(version == "7")
          throw ServingError(.notFound, "")
        }, signature: { $0 })
    }
  }

  /// An alignment that C code may rely on, wherever the message happens to lie.
  @Test func tensorsAreAligned() throws {
    let message = try bytes(rawRequests["FP64"])
    let decoder = InferRequestDecoder(limits: InferLimits(), pool: BufferPool())
    let signature = ModelSignature(
      inputs: [specification(.fp64)], outputs: [specification(.fp64)], maxBatchSize: 8)
    var lent = 0
    for padding in 0..<16 {
      // An unknown field in front moves the tensor, as a caller may; it is stepped over.
      let moved = [0x7a, UInt8(padding)] + [UInt8](repeating: 0, count: padding) + message
      let buffer = PooledBuffer(copying: moved)
      let (_, request) = try decoder.decode(
        buffer, resolve: { (_, _) throws(ServingError) in signature }, signature: { $0 })
      let tensor = try #require(request.inputs.first)
      #expect(UInt(bitPattern: tensor.bytes.baseAddress) % 8 == 0)
      #expect(try tensor.copied == bytes(rawTensors["FP64"]))
      if tensor.owner === buffer { lent += 1 }
    }
    #expect(lent == 2, "one place of eight needs no copy")
  }

  /// Encoders may write fields in any order.
  @Test func rawContentsMayComeFirst() throws {
    let tensor = try bytes(rawTensors["FP32"])
    let request = try bytes(rawRequests["FP32"])
    let raw = [0x3a, UInt8(tensor.count)] + tensor
    let head = request.dropLast(raw.count)
    #expect(try decode(raw + head, [specification(.fp32)]).inputs[0].copied == tensor)
  }

  @Test func typedContentsBesideTheFieldsAfterThem() throws {
    // name, contents, datatype, shape in this order: the head is put together of pieces.
    let typed: [UInt8] =
      [0x0a, 6] + "INPUT0".utf8 + [0x2a, 6, 0x32, 4, 0, 0, 0x80, 0x3f] + [0x12, 4] + "FP32".utf8
      + [0x1a, 2, 1, 1]
    let message: [UInt8] = [0x0a, 1, 0x6d, 0x2a, UInt8(typed.count)] + typed + [0x1a, 1, 0x37]
    let request = try decode(message, [specification(.fp32, [1])])
    #expect(request.id == "7")
    #expect(request.inputs[0].copied == [0, 0, 0x80, 0x3f])
  }

  @Test func unpackedTypedContents() throws {
    // proto3 readers take repeated numbers one by one as well.
    let typed: [UInt8] =
      [0x0a, 6] + "INPUT0".utf8 + [0x12, 5] + "INT16".utf8 + [0x18, 1, 0x18, 2]
      + [0x2a, 13, 0x10, 7, 0x10] + [UInt8](repeating: 0xff, count: 9) + [1]
    let message: [UInt8] = [0x0a, 1, 0x6d, 0x2a, UInt8(typed.count)] + typed
    let request = try decode(message, [specification(.int16, [2])])
    #expect(request.inputs[0].copied == [7, 0, 0xff, 0xff])
  }
}
