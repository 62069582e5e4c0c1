// SPDX-License-Identifier: Apache-2.0
import Runtime
import Store

extension DataType {
  /// The number of `inference.DataType`.
  fileprivate var modelConfigNumber: UInt64 {
    switch self {
    case .bool: 1
    case .uint8: 2
    case .uint16: 3
    case .uint32: 4
    case .uint64: 5
    case .int8: 6
    case .int16: 7
    case .int32: 8
    case .int64: 9
    case .fp16: 10
    case .fp32: 11
    case .fp64: 12
    case .bytes: 13
    case .bf16: 14
    }
  }
}

extension WireWriter {
  /// `inference.ModelConfig`, as far as proto/inference/model_config.proto has it.
  mutating func modelConfig(name: String, _ served: ServedVersion, versions: [Int64]) {
    let signature = served.loaded.signature
    string(1, name)
    string(2, served.platform)
    message(3) { $0.message(3) { $0.packed(1, versions) } }
    signed(4, Int64(signature.maxBatchSize))
    for input in signature.inputs {
      message(5) {
        $0.string(1, input.name)
        $0.unsigned(2, input.datatype.modelConfigNumber)
        $0.packed(4, input.extents)
      }
    }
    for output in signature.outputs {
      message(6) {
        $0.string(1, output.name)
        $0.unsigned(2, output.datatype.modelConfigNumber)
        $0.packed(3, output.extents)
      }
    }
    message(7) {
      $0.string(1, name)
      $0.signed(2, Int64(served.policy.maxConcurrentBatches))
      $0.unsigned(4, 2)  // KIND_CPU
    }
    if signature.isBatched, !served.loaded.model.executesInline {
      message(11) {
        $0.unsigned(2, served.policy.maxDelay.nanoseconds / 1000)
        $0.message(6) { $0.unsigned(4, UInt64(served.policy.maxQueuedRequests)) }
      }
    }
    for (key, value) in [
      ("execution", served.loaded.model.executesInline ? "inline" : "batched"),
      ("plugin_version", served.manifest.pluginVersion),
    ] {
      message(14) {
        $0.string(1, key)
        $0.message(2) { $0.string(1, value) }
      }
    }
    string(17, served.manifest.plugin.description)
    message(19) { _ in }
  }
}
