// SPDX-License-Identifier: Apache-2.0
import CProtobuf
import RPCTransport
import Testing

@testable import MassifClient

/// Requests as protobuf-c reads them, and answers as servers write them.
struct InferenceMessagesTests {
  private func bytes(_ message: OutgoingMessage) -> [UInt8] {
    (message.head?.array ?? []) + message.segments.flatMap { Array($0.bytes) }
  }

  @Test func aRequestIsWhatProtobufReads() throws {
    let inputs = [
      try Tensor("images", shape: [2, 300], [UInt8](repeating: 7, count: 600)),
      try Tensor("scale", shape: [1], [Float(0.5)]),
      try Tensor("nothing", shape: [0], [Int64]()),
    ]
    let message = InferenceRequest.message(
      model: "vision/digits", version: 3, id: "abc", inputs: inputs, outputs: ["p", "q"])
    let bytes = bytes(message)
    #expect(bytes.count == message.byteCount)
    try bytes.withUnsafeBytes { buffer in
      try withDecoded(
        Inference__ModelInferRequest.self, descriptor: inference__model_infer_request__descriptor,
        bytes: buffer
      ) { request throws(MassifError) in
        #expect(String(field: request.model_name) == "vision/digits")
        #expect(String(field: request.model_version) == "3")
        #expect(String(field: request.id) == "abc")
        #expect(request.n_inputs == 3)
        #expect(request.n_outputs == 2)
        #expect(String(field: request.outputs[1]?.pointee.name) == "q")
        for (index, input) in inputs.enumerated() {
          guard let read = request.inputs[index]?.pointee else { continue }
          #expect(String(field: read.name) == input.name)
          #expect(String(field: read.datatype) == input.dataType.rawValue)
          #expect((0..<read.n_shape).map { Int(read.shape[$0]) } == input.shape)
          let raw = request.raw_input_contents[index]
          input.withUnsafeBytes {
            #expect(Array(UnsafeBufferPointer(start: raw.data, count: raw.len)) == Array($0))
          }
        }
        #expect(request.n_raw_input_contents == 3)
      }
    }
  }

  @Test func aRequestLendsItsTensors() throws {
    let tensor = try Tensor("x", shape: [1024], [Float](repeating: 1, count: 1024))
    let message = InferenceRequest.message(
      model: "m", version: nil, id: "", inputs: [tensor], outputs: [])
    tensor.withUnsafeBytes { bytes in
      #expect(message.segments.map(\.bytes.baseAddress) == [bytes.baseAddress])
    }
  }

  private func output(
    _ name: String, _ type: String, _ shape: [Int], contents: [UInt8]? = nil
  ) -> ProtobufWriter {
    var tensor = ProtobufWriter()
    tensor.string(1, name)
    tensor.string(2, type)
    tensor.packed(3, shape)
    guard let contents else { return tensor }
    return ProtobufWriter(bytes: tensor.bytes + [0x2A, UInt8(contents.count)] + contents)
  }

  private func response(_ outputs: [ProtobufWriter], raw: [[UInt8]] = []) -> [UInt8] {
    var response = ProtobufWriter()
    response.string(1, "vision/digits")
    response.string(2, "3")
    for output in outputs { response.message(5, output) }
    for bytes in raw { response.message(6, ProtobufWriter(bytes: bytes)) }
    return response.bytes
  }

  private func decode(_ bytes: [UInt8]) throws -> InferenceResult {
    try InferenceResponse.decode(ReceivedMessage(PooledBuffer(copying: bytes)))
  }

  @Test func readsRawOutputsInPlace() throws {
    let floats: [UInt8] = [0, 0, 128, 63, 0, 0, 0, 64]  // 1.0, 2.0
    let bytes = response(
      [output("p", "FP32", [1, 2]), output("s", "BYTES", [1])],
      raw: [floats, [2, 0, 0, 0, 104, 105]])
    let buffer = PooledBuffer(copying: bytes)
    let result = try InferenceResponse.decode(ReceivedMessage(buffer))
    #expect(result.model == "vision/digits")
    #expect(result.version == "3")
    #expect(try result["p"]?.elements() == [1, 2] as [Float])
    #expect(try result["s"]?.byteStrings() == [Array("hi".utf8)])
    #expect(result["q"] == nil)
    result["p"]?.withUnsafeBytes { tensor in
      let start = UnsafeRawPointer(buffer.base)
      #expect(tensor.baseAddress.map { start <= $0 && $0 < start + buffer.count } == true)
    }
  }

  /// InferTensorContents {fp32_contents 6, int_contents 2, bytes_contents 8}.
  @Test func readsTypedOutputs() throws {
    let result = try decode(
      response([
        output("f", "FP32", [2], contents: [0x32, 8, 0, 0, 128, 63, 0, 0, 0, 64]),
        output(
          "i", "INT8", [2],
          contents: [
            0x12, 11, 5, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01,
          ]),
        output("s", "BYTES", [1], contents: [0x42, 1, 65]),
      ]))
    #expect(try result["f"]?.elements() == [1, 2] as [Float])
    #expect(try result["i"]?.elements() == [5, -1] as [Int8])
    #expect(try result["s"]?.byteStrings() == [[65]])
  }

  @Test func refusesAnswersThatDoNotAddUp() {
    let malformed: [[UInt8]] = [
      [0x0A],  // cut short
      response([output("p", "FP32", [2])], raw: [[0, 0, 0, 0]]),  // too few bytes
      response([output("p", "FP32", [1])], raw: [[0, 0, 0, 0], [0]]),  // more contents than outputs
      response([output("p", "FP32", [-1])], raw: [[]]),
      response([output("p", "FP64", [Int.max, Int.max])], raw: [[]]),
      response([output("p", "FP64", [Int.max / 4])], raw: [[]]),
      response([output("p", "FP32", [1])]),  // no contents at all
    ]
    for bytes in malformed {
      let error = #expect(throws: MassifError.self) { try decode(bytes) }
      #expect(error?.code == .internal)
    }
  }

  @Test func survivesEveryCut() throws {
    let whole = response([output("p", "FP32", [1])], raw: [[0, 0, 128, 63]])
    #expect(try decode(whole).outputs.count == 1)
    for count in 0..<whole.count {
      // A prefix may be a valid message with fewer fields; it must never trap.
      _ = try? decode(Array(whole[..<count]))
    }
  }
}
