// SPDX-License-Identifier: Apache-2.0
internal import MassifAPI

// The control plane's messages as people read them.

extension Massif_V1_TensorDescription {
  /// As `train/images UINT8 [60000, 28, 28, 1]`.
  var text: String {
    let extents = shape.map { $0 < 0 ? "any" : String($0) }.joined(separator: ", ")
    return "\(name) \(datatype) [\(extents)]"
  }
}

extension Massif_V1_DataSet {
  var lines: [String] {
    ["data set   \(name)", "digest     \(digest)", "size       \(Quantity.bytes(byteCount))"]
      + tensors.map { "tensor     \($0.text)" }
      + metadata.sorted { $0.key < $1.key }.map { "metadata   \($0.key) = \($0.value)" }
  }
}

extension [Massif_V1_Metric] {
  /// As `loss 0.2312  accuracy 0.9140`.
  var text: String {
    map { "\($0.name) \(Quantity.fixed($0.value, 4))" }.joined(separator: "  ")
  }
}

extension Massif_V1_Job {
  var lines: [String] {
    var lines = [
      "job        \(id)", "state      \(state.text)",
      "model      \(specification.model)" + (version > 0 ? "@\(version)" : ""),
      "data set   \(specification.dataset.isEmpty ? "none" : specification.dataset)",
      "plugin     \(specification.plugin), seed \(specification.seed)",
    ]
    if !error.isEmpty { lines.append("error      \(error)") }
    if attempts > 1 {
      lines.append("attempts   \(attempts), resumed after epoch \(resumedAfterEpoch)")
    }
    lines += epochs.map { "epoch \($0.text)" }
    return lines
  }
}

extension Massif_V1_EpochResult {
  /// As `1: loss 0.4312  accuracy 0.8440  3,312 samples/s  18.1 s`.
  var text: String {
    let speed = Quantity.grouped(Int64(samplesPerSecond.clampedForText))
    return "\(epoch): \(metrics.text)  \(speed) samples/s  \(Quantity.fixed(seconds, 1)) s"
  }
}

extension Massif_V1_ModelVersion {
  var lines: [String] {
    var lines = ["version    \(model)@\(version)  \(servingState.text)"]
    if !servingReason.isEmpty { lines.append("reason     \(servingReason)") }
    lines.append("plugin     \(plugin)")
    if !dataset.isEmpty { lines.append("data set   \(dataset), seed \(seed)") }
    if hasQuantization {
      let calibration = quantization.calibration
      lines.append(
        "precision  \(quantization.type.text), made of version \(quantization.sourceVersion)"
          + (calibration.isEmpty ? "" : ", calibrated on \(calibration)"))
    }
    if !metrics.isEmpty { lines.append("metrics    \(metrics.text)") }
    lines += inputs.map { "input      \($0.text)" }
    lines += outputs.map { "output     \($0.text)" }
    lines += artifacts.map { "file       \($0.name), \(Quantity.bytes($0.byteCount))" }
    return lines
  }
}

extension Massif_V1_QuantizationType {
  var text: String {
    switch self {
    case .bf16: "bf16"
    case .int8: "int8"
    default: "unknown"
    }
  }
}

extension Double {
  /// A peer's number that can be turned into an integer.
  fileprivate var clampedForText: Double { isFinite ? Swift.min(Swift.max(self, 0), 1e15) : 0 }
}
