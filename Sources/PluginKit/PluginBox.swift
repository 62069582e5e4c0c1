// SPDX-License-Identifier: Apache-2.0
import CPluginABI

/// A plugin behind `msf_plugin`.
///
/// Never released: the table lives as long as the process.
final class PluginBox: Sendable {
  private let plugin: any ModelPlugin
  private let host: Host

  init(_ plugin: any ModelPlugin, host: Host) {
    self.plugin = plugin
    self.host = host
  }

  func makeTable() -> UnsafePointer<msf_plugin> {
    let trains = plugin is any TrainingPlugin
    let table = UnsafeMutablePointer<msf_plugin>.allocate(capacity: 1)
    table.initialize(to: msf_plugin())
    table.pointee.struct_size = UInt32(MemoryLayout<msf_plugin>.size)
    table.pointee.abi_major = UInt16(MSF_ABI_MAJOR)
    table.pointee.abi_minor = UInt16(MSF_ABI_MINOR)
    table.pointee.context = Unmanaged.passRetained(self).toOpaque()
    table.pointee.name = plugin.name.immortal
    table.pointee.version = plugin.version.immortal
    table.pointee.capabilities = UInt64(MSF_INFERENCE | (trains ? MSF_TRAINING : 0))
    table.pointee.configuration_schema = plugin.configurationSchema.immortal
    table.pointee.validate = { plugin, configuration, dataset, error in
      status(error) {
        try PluginBox.of(plugin).plugin.validate(
          configuration: String(configuration), dataset: specifications(dataset))
      }
    }
    table.pointee.estimate_memory = { plugin, configuration, dataset, estimate, error in
      status(error) {
        let bytes = try PluginBox.of(plugin).plugin.estimateMemory(
          configuration: String(configuration), dataset: specifications(dataset))
        estimate?.pointee.inference_byte_count = UInt64(clamping: bytes.inference)
        estimate?.pointee.training_byte_count = UInt64(clamping: bytes.training)
      }
    }
    table.pointee.create_model = { plugin, request, model, error in
      status(error) {
        guard let request = request?.pointee, let model else { throw misuse }
        model.pointee = try PluginBox.of(plugin).makeModel(request)
      }
    }
    if trains {
      table.pointee.create_trainer = { plugin, request, trainer, error in
        status(error) {
          guard let request = request?.pointee, let trainer else { throw misuse }
          trainer.pointee = try PluginBox.of(plugin).makeTrainer(request)
        }
      }
    }
    return UnsafePointer(table)
  }

  private static func of(_ table: UnsafePointer<msf_plugin>?) throws -> PluginBox {
    guard let context = table?.pointee.context else { throw misuse }
    // SAFETY: the table holds a reference that is never released.
    return Unmanaged<PluginBox>.fromOpaque(context).takeUnretainedValue()
  }

  private func makeModel(_ request: msf_model_request) throws -> UnsafePointer<msf_model> {
    let model = try plugin.makeModel(
      ModelRequest(
        host: host, configuration: String(request.configuration),
        artifacts: artifacts(request.artifacts, request.artifact_count)))
    return ModelBox(model).makeTable()
  }

  private func makeTrainer(_ request: msf_trainer_request) throws -> UnsafePointer<msf_trainer> {
    guard let plugin = plugin as? any TrainingPlugin, let dataset = request.dataset?.pointee else {
      throw misuse
    }
    let tensors = UnsafeBufferPointer(start: dataset.tensors, count: Int(dataset.tensor_count))
    let trainer = try plugin.makeTrainer(
      TrainerRequest(
        host: host, configuration: String(request.configuration), seed: request.seed,
        dataset: tensors.map(Tensor.init)))
    return TrainerBox(trainer).makeTable()
  }
}

/// The host broke the contract.
let misuse = PluginFailure(.internal, "the host called with a NULL where there must be none")

/// Runs `body`; a failure becomes a status, its text goes to `error`.
func status(_ error: UnsafeMutablePointer<msf_error>?, _ body: () throws -> Void) -> msf_status {
  do {
    do {
      try body()
      return msf_status(MSF_OK)
    } catch let error as DecodingError {
      throw PluginFailure(error)
    }
  } catch let failure as PluginFailure {
    failure.message.withMSFString { error?.pointee.set_message(error, $0) }
    for violation in failure.violations {
      violation.field.withMSFString { field in
        violation.description.withMSFString { description in
          error?.pointee.add_violation(error, field, description)
        }
      }
    }
    return failure.code.rawValue
  } catch let other {
    "\(other)".withMSFString { error?.pointee.set_message(error, $0) }
    return msf_status(MSF_INTERNAL)
  }
}

/// Copies the array of artifacts, not their bytes.
func artifacts(_ artifacts: UnsafePointer<msf_artifact>?, _ count: UInt32) -> [Artifact] {
  UnsafeBufferPointer(start: artifacts, count: Int(count)).map {
    Artifact(
      name: String($0.name),
      bytes: UnsafeRawBufferPointer(start: $0.bytes, count: $0.byte_count))
  }
}

private func specifications(_ dataset: UnsafePointer<msf_dataset>?) -> [TensorSpecification]? {
  dataset.map {
    UnsafeBufferPointer(start: $0.pointee.tensors, count: Int($0.pointee.tensor_count))
      .map(TensorSpecification.init)
  }
}

extension PluginFailure {
  /// A configuration that did not decode, with the path of the field.
  fileprivate init(_ error: DecodingError) {
    let context: DecodingError.Context? =
      switch error {
      case .typeMismatch(_, let context), .valueNotFound(_, let context),
        .keyNotFound(_, let context), .dataCorrupted(let context):
        context
      @unknown default: nil
      }
    let field = (context?.codingPath ?? []).reduce("configuration") { path, key in
      key.intValue.map { "\(path)[\($0)]" } ?? "\(path).\(key.stringValue)"
    }
    let description = context?.debugDescription ?? "could not be read"
    self.init(
      .invalidArgument, "\(field): \(description)",
      violations: [(field: field, description: description)])
  }
}
