// SPDX-License-Identifier: Apache-2.0
import CProtobuf
import Testing

/// Our .proto files against the descriptors inside tritonclient and grpcio-health-checking.
@Suite struct FieldTests {
  @Test func everyFieldHasThePeersNumberNameAndType() {
    var seen: Set<String> = []
    var lines: Set<String> = []
    for root in [
      inference__model_ready_request__descriptor, inference__model_ready_response__descriptor,
      inference__server_live_response__descriptor, inference__server_ready_response__descriptor,
      inference__server_metadata_response__descriptor,
      inference__model_metadata_request__descriptor,
      inference__model_metadata_response__descriptor, inference__model_infer_request__descriptor,
      inference__model_stream_infer_response__descriptor,
      inference__model_config_request__descriptor, inference__model_config_response__descriptor,
      inference__model_statistics_request__descriptor,
      inference__model_statistics_response__descriptor,
      inference__repository_index_request__descriptor,
      inference__repository_index_response__descriptor,
      inference__repository_model_load_request__descriptor,
      inference__repository_model_unload_request__descriptor,
      grpc__health__v1__health_check_request__descriptor,
      grpc__health__v1__health_list_response__descriptor,
    ] {
      collect(root, &seen, &lines)
    }
    let peer = Set(peerFields.split(separator: "\n").map(String.init))
    #expect(lines.count > 130)
    #expect(lines.subtracting(peer).sorted() == [])
    // What a peer has beyond ours is in messages of which we fill a part.
    let partial = [
      "ModelConfig", "ModelInput", "ModelOutput", "ModelInstanceGroup", "ModelDynamicBatching",
    ]
    let missing = peer.subtracting(lines).filter { line in
      !partial.contains { line.hasPrefix("inference.\($0) ") }
    }
    #expect(missing.sorted() == [])
  }

  private func collect(
    _ descriptor: ProtobufCMessageDescriptor, _ seen: inout Set<String>,
    _ lines: inout Set<String>
  ) {
    let name = String(cString: descriptor.name)
    guard seen.insert(name).inserted else { return }
    for index in 0..<Int(descriptor.n_fields) {
      let field = descriptor.fields[index]
      let isMap = name.hasSuffix("Entry")
      let label = field.label == PROTOBUF_C_LABEL_REPEATED ? "repeated " : ""
      if !isMap {
        lines.insert(
          "\(name) \(field.id) \(String(cString: field.name)) \(label)\(type(of: field))")
      }
      if field.type == PROTOBUF_C_TYPE_MESSAGE, let nested = field.descriptor {
        collect(
          nested.assumingMemoryBound(to: ProtobufCMessageDescriptor.self).pointee, &seen, &lines)
      }
    }
  }

  private func type(of field: ProtobufCFieldDescriptor) -> String {
    switch field.type {
    case PROTOBUF_C_TYPE_INT32: "int32"
    case PROTOBUF_C_TYPE_INT64: "int64"
    case PROTOBUF_C_TYPE_UINT32: "uint32"
    case PROTOBUF_C_TYPE_UINT64: "uint64"
    case PROTOBUF_C_TYPE_FLOAT: "float"
    case PROTOBUF_C_TYPE_DOUBLE: "double"
    case PROTOBUF_C_TYPE_BOOL: "bool"
    case PROTOBUF_C_TYPE_ENUM: "enum"
    case PROTOBUF_C_TYPE_STRING: "string"
    case PROTOBUF_C_TYPE_BYTES: "bytes"
    case PROTOBUF_C_TYPE_MESSAGE: "message"
    default: "other"
    }
  }
}
