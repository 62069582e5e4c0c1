// SPDX-License-Identifier: Apache-2.0
import CPluginABI

/// A plugin behind the C table.
struct ForeignPlugin: PluginImplementation {
  let table: PluginTable

  func validate(configuration: String, dataset: DataSetDescription?) throws(PluginError) {
    let dataset = dataset.map { CDataSet($0) }
    try withExtendedLifetime(dataset) { () throws(PluginError) in
      try ErrorSink.call(table.name, "validate") { error in
        configuration.withMSFString { text in
          table.functions.validate(table.pointer, text, dataset?.table, error)
        }
      }
    }
  }

  func estimateMemory(
    configuration: String, dataset: DataSetDescription?
  ) throws(PluginError) -> MemoryEstimate {
    guard let estimateMemory = table.functions.estimate_memory else { return MemoryEstimate() }
    let dataset = dataset.map { CDataSet($0) }
    var estimate = msf_memory_estimate()
    estimate.struct_size = UInt32(MemoryLayout<msf_memory_estimate>.size)
    try withExtendedLifetime(dataset) { () throws(PluginError) in
      try ErrorSink.call(table.name, "estimate_memory") { error in
        configuration.withMSFString { text in
          estimateMemory(table.pointer, text, dataset?.table, &estimate, error)
        }
      }
    }
    return MemoryEstimate(
      inferenceByteCount: Int(clamping: estimate.inference_byte_count),
      trainingByteCount: Int(clamping: estimate.training_byte_count))
  }

  func makeModel(
    artifacts: [Artifact], configuration: String
  ) throws(PluginError) -> any ModelImplementation {
    let lent = CArtifacts(artifacts)
    var model: UnsafePointer<msf_model>?
    try ErrorSink.call(table.name, "create_model") { error in
      configuration.withMSFString { text in
        var request = msf_model_request(
          struct_size: UInt32(MemoryLayout<msf_model_request>.size),
          artifact_count: UInt32(artifacts.count), artifacts: lent.table.baseAddress,
          configuration: text)
        return table.functions.create_model(table.pointer, &request, &model, error)
      }
    }
    guard let model else {
      throw PluginError(.internal, "plugin \(table.name) made no model and reported no failure")
    }
    return try ForeignModel(model, of: table.name, artifacts: lent)
  }

  func makeTrainer(
    configuration: String, seed: UInt64, dataset: DataSetView
  ) throws(PluginError) -> any TrainerImplementation {
    let lent = CDataSet(dataset)
    var trainer: UnsafePointer<msf_trainer>?
    try ErrorSink.call(table.name, "create_trainer") { error in
      configuration.withMSFString { text in
        var request = msf_trainer_request(
          struct_size: UInt32(MemoryLayout<msf_trainer_request>.size), reserved: 0,
          configuration: text, seed: seed, dataset: lent.table)
        return table.functions.create_trainer(table.pointer, &request, &trainer, error)
      }
    }
    guard let trainer else {
      throw PluginError(.internal, "plugin \(table.name) made no trainer and reported no failure")
    }
    return try ForeignTrainer(trainer, of: table.name, dataset: lent)
  }
}
