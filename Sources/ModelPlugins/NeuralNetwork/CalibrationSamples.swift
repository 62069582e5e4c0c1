// SPDX-License-Identifier: Apache-2.0
import Runtime

/// Samples of a data set's `train` split for a network's input, evenly spread, batch by batch.
struct CalibrationSamples {
  /// Each batch's bytes, aligned, and its samples.
  let batches: [(bytes: UnsafeRawBufferPointer, count: Int)]
  /// All samples.
  var count: Int { batches.reduce(0) { $0 + $1.count } }
  /// What keeps the bytes alive.
  private let memory: ByteBox

  /// - Throws: `.invalidArgument` for a data set without samples of the network's type.
  init(
    _ view: DataSetView, _ description: NetworkDescription, maxCount: Int, batchSize: Int
  ) throws(PluginError) {
    let name = "train/\(description.configuration.inputTensor)"
    let sample = description.sample
    guard let tensor = view.description[name], let bytes = view.bytes(of: name) else {
      throw PluginError(
        field: "calibration",
        "expected a data set with \(name), which the network takes; it has none")
    }
    guard tensor.datatype == sample.datatype, Array(tensor.shape.dropFirst()) == sample.shape,
      let available = tensor.shape.first, available > 0
    else {
      throw PluginError(
        field: "calibration",
        "expected samples of \(sample.datatype.rawValue) \(sample.shape) in \(name), as the network"
          + " takes; came \(tensor.datatype.rawValue) \(tensor.shape)")
    }
    let size = bytes.count / available
    let chosen = min(available, max(1, maxCount))
    var copy: [UInt8] = []
    copy.reserveCapacity(chosen * size)
    for index in 0..<chosen {
      let first = index * available / chosen * size
      copy.append(contentsOf: bytes[first..<first + size])
    }
    memory = ByteBox(copy)
    let whole = memory.bytes
    batches = stride(from: 0, to: chosen, by: batchSize).map { first in
      let count = min(batchSize, chosen - first)
      return (
        UnsafeRawBufferPointer(rebasing: whole[first * size..<(first + count) * size]), count
      )
    }
  }
}
