// SPDX-License-Identifier: Apache-2.0
internal import RPCTransport

/// Encodes `inference.ModelInferRequest` (field numbers: proto/inference/grpc_service.proto).
///
/// The tensors' bytes are lent to the message as `raw_input_contents`; only names and shapes are
/// copied.
enum InferenceRequest {
  static func message(
    model: String, version: Int64?, id: String, inputs: [Tensor], outputs: [String]
  ) -> OutgoingMessage {
    var head = ProtobufWriter()
    head.string(1, model)
    if let version { head.string(2, String(version)) }
    head.string(3, id)
    for input in inputs {
      var tensor = ProtobufWriter()
      tensor.string(1, input.name)
      tensor.string(2, input.dataType.rawValue)
      tensor.packed(3, input.shape)
      head.message(5, tensor)
    }
    for output in outputs {
      var requested = ProtobufWriter()
      requested.string(1, output)
      head.message(6, requested)
    }
    var segments: [OutgoingMessage.Segment] = []
    for (index, input) in inputs.enumerated() {
      if index == 0 {
        head.header(7, byteCount: input.byteCount)
      } else {
        var between = ProtobufWriter()
        between.header(7, byteCount: input.byteCount)
        let buffer = PooledBuffer(copying: between.bytes)
        segments.append(.init(buffer.bytes, owner: buffer))
      }
      segments.append(.init(input.storage.bytes, owner: input.storage.owner))
    }
    return OutgoingMessage(head: PooledBuffer(copying: head.bytes), segments: segments)
  }
}
