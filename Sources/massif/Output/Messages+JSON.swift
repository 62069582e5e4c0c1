// SPDX-License-Identifier: Apache-2.0
internal import MassifAPI
internal import SwiftProtobuf

// The control plane's messages as `--output json` shows them: the protocol's field names, plain
// numbers, states without their prefix. Every field is always there, so that programs need not
// guess.

extension Massif_V1_DataSet {
  var json: JSONValue {
    [
      "name": .string(name), "digest": .string(digest), "byte_count": .unsigned(byteCount),
      "tensors": .array(tensors.map(\.json)), "metadata": .object(metadata.sortedPairs),
      "created": .string(audit.created.text), "created_by": .string(audit.createdBy),
    ]
  }
}

extension Massif_V1_TensorDescription {
  var json: JSONValue {
    [
      "name": .string(name), "datatype": .string(datatype),
      "shape": .array(shape.map(JSONValue.integer)),
    ]
  }
}

extension Massif_V1_Job {
  var json: JSONValue {
    [
      "id": .string(id), "state": .string(state.text), "error": .string(error),
      "model": .string(specification.model), "dataset": .string(specification.dataset),
      "plugin": .string(specification.plugin), "seed": .unsigned(specification.seed),
      "continue_version": .integer(specification.continueVersion),
      "version": .integer(version), "progress": hasProgress ? progress.json : .null,
      "epochs": .array(epochs.map(\.json)), "attempts": .unsigned(UInt64(attempts)),
      "resumed_after_epoch": .unsigned(UInt64(resumedAfterEpoch)),
      "created": .string(audit.created.text), "created_by": .string(audit.createdBy),
      "started": .string(started.text), "ended": .string(ended.text),
    ]
  }
}

extension Massif_V1_JobProgress {
  var json: JSONValue {
    [
      "epoch": .unsigned(UInt64(epoch)), "epochs": .unsigned(UInt64(epochs)),
      "samples_done": .unsigned(samplesDone), "samples": .unsigned(samples),
      "samples_per_second": .number(samplesPerSecond), "seconds_left": .number(secondsLeft),
      "metrics": metrics.json,
    ]
  }
}

extension Massif_V1_EpochResult {
  var json: JSONValue {
    [
      "epoch": .unsigned(UInt64(epoch)), "seconds": .number(seconds),
      "samples_per_second": .number(samplesPerSecond), "metrics": metrics.json,
    ]
  }
}

extension [Massif_V1_Metric] {
  /// An object of names and values.
  var json: JSONValue { .object(map { (key: $0.name, value: .number($0.value)) }) }
}

extension Massif_V1_Model {
  var json: JSONValue {
    [
      "name": .string(name), "versions": .array(versions.map(\.json)),
      "aliases": .object(
        aliases.sorted { $0.key < $1.key }.map { (key: $0.key, value: .integer($0.value)) }),
    ]
  }
}

extension Massif_V1_ModelVersion {
  var json: JSONValue {
    [
      "model": .string(model), "version": .integer(version), "digest": .string(digest),
      "plugin": .string(plugin), "plugin_digest": .string(pluginDigest),
      "dataset": .string(dataset), "dataset_digest": .string(datasetDigest),
      "configuration": .string(configuration), "seed": .unsigned(seed), "metrics": metrics.json,
      "job": .string(job), "serving_state": .string(servingState.text),
      "serving_reason": .string(servingReason), "inputs": .array(inputs.map(\.json)),
      "outputs": .array(outputs.map(\.json)), "artifacts": .array(artifacts.map(\.json)),
      "continued_version": .integer(continuedVersion), "continuable": .bool(continuable),
      "quantization": hasQuantization ? quantization.json : .null,
      "created": .string(audit.created.text), "created_by": .string(audit.createdBy),
    ]
  }
}

extension Massif_V1_Quantization {
  var json: JSONValue {
    [
      "type": .string(type.text), "source_version": .integer(sourceVersion),
      "calibration": .string(calibration), "calibration_digest": .string(calibrationDigest),
      "max_samples": .unsigned(maxSamples),
    ]
  }
}

extension Massif_V1_Artifact {
  var json: JSONValue {
    [
      "name": .string(name), "digest": .string(digest), "byte_count": .unsigned(byteCount),
    ]
  }
}

extension Massif_V1_Plugin {
  var json: JSONValue {
    [
      "name": .string(name), "version": .string(version), "digest": .string(digest),
      "built_in": .bool(builtIn), "capabilities": .array(capabilities.map(JSONValue.string)),
      "configuration_schema": .string(configurationSchema), "abi_version": .string(abiVersion),
      "isolation": .string(isolation.text), "signed_by": .string(signedBy),
      "byte_count": .unsigned(byteCount), "sandbox": .array(sandbox.map(JSONValue.string)),
      "created": .string(audit.created.text), "created_by": .string(audit.createdBy),
    ]
  }
}

extension Massif_V1_PluginIsolation {
  /// As `in-process`.
  var text: String {
    switch self {
    case .unspecified, .inProcess: "in-process"
    case .isolated: "isolated"
    case .UNRECOGNIZED(let number): "\(number)"
    }
  }
}

extension Massif_V1_JobState {
  /// As `RUNNING`.
  var text: String {
    switch self {
    case .unspecified: "UNSPECIFIED"
    case .queued: "QUEUED"
    case .preparing: "PREPARING"
    case .running: "RUNNING"
    case .paused: "PAUSED"
    case .cancelling: "CANCELLING"
    case .cancelled: "CANCELLED"
    case .succeeded: "SUCCEEDED"
    case .failed: "FAILED"
    case .UNRECOGNIZED(let number): "STATE_\(number)"
    }
  }
}

extension Massif_V1_ServingState {
  /// As `READY`.
  var text: String {
    switch self {
    case .unspecified: "UNSPECIFIED"
    case .unloaded: "UNLOADED"
    case .loading: "LOADING"
    case .ready: "READY"
    case .quiescing: "QUIESCING"
    case .failed: "FAILED"
    case .UNRECOGNIZED(let number): "STATE_\(number)"
    }
  }
}

extension Google_Protobuf_Timestamp {
  /// RFC 3339 in UTC; empty for none.
  var text: String {
    guard self != Google_Protobuf_Timestamp() else { return "" }
    guard let quoted = try? jsonString() else { return "" }
    return String(quoted.dropFirst().dropLast())
  }
}

extension [String: String] {
  fileprivate var sortedPairs: [(key: String, value: JSONValue)] {
    sorted { $0.key < $1.key }.map { (key: $0.key, value: .string($0.value)) }
  }
}
