// SPDX-License-Identifier: Apache-2.0
import Runtime

/// Copies chosen samples of a split together into one batch, in memory that is used again.
final class BatchGatherer {
  /// Samples of the split.
  let count: Int

  private let batchSize: Int
  /// All samples, one after the other.
  let inputs: UnsafeRawBufferPointer
  private let inputByteCount: Int
  private let labels: Labels
  private let inputBatch: UnsafeMutableRawBufferPointer
  private let labelBatch: UnsafeMutableRawBufferPointer
  private let view: DataSetView
  private let isHinge: Bool

  /// Labels of a classifier are converted once; targets of a regression are read in place.
  private enum Labels {
    case classes([Int32])
    case signs([Float], perSample: Int)
    case targets(UnsafeRawBufferPointer, byteCount: Int)
  }

  /// - Throws: `.notFound` when there is no such split, `.invalidArgument` for a label out of
  ///   range.
  init(
    _ split: String, of view: DataSetView, _ network: Network, batchSize: Int
  ) throws(PluginError) {
    let configuration = network.configuration
    let (inputName, labelName) = (
      "\(split)/\(configuration.inputTensor)", "\(split)/\(configuration.labelTensor)"
    )
    guard let inputs = view.bytes(of: inputName), let labelBytes = view.bytes(of: labelName),
      let input = view.description[inputName], let label = view.description[labelName],
      let count = input.shape.first
    else {
      throw PluginError(.notFound, "the data set has no split \(split)")
    }
    guard count >= 1 else {
      throw PluginError(.failedPrecondition, "the data set has no samples in \(split)")
    }
    self.count = count
    self.view = view
    isHinge = configuration.loss.type == .hinge
    self.batchSize = batchSize
    self.inputs = inputs
    inputByteCount = inputs.count / count
    if input.datatype == .fp32 {
      try Self.checkFinite(inputs, count, inputName, field: "configuration.input_tensor")
    }
    let labelByteCount: Int
    switch configuration.loss.labels {
    case .classes:
      labels = .classes(
        try LabelReader.read(
          labelBytes, label.datatype, classes: network.classCount, name: labelName,
          field: "configuration.layers[\(configuration.layers.count - 1)].units"))
      labelByteCount = MemoryLayout<Int32>.size
    case .signs:
      let signs = try SignReader.read(
        labelBytes, label.datatype, for: configuration.loss.type, name: labelName)
      labels = .signs(signs, perSample: signs.count / count)
      labelByteCount = signs.count / count * MemoryLayout<Float>.size
    case .targets:
      labelByteCount = labelBytes.count / count
      try Self.checkFinite(labelBytes, count, labelName, field: "configuration.label_tensor")
      labels = .targets(labelBytes, byteCount: labelByteCount)
    }
    inputBatch = .allocate(byteCount: batchSize * inputByteCount, alignment: 64)
    labelBatch = .allocate(byteCount: batchSize * labelByteCount, alignment: 64)
  }

  /// A number that is none would turn every parameter into one.
  private static func checkFinite(
    _ bytes: UnsafeRawBufferPointer, _ count: Int, _ name: String, field: String
  ) throws(PluginError) {
    let elements = bytes.count / MemoryLayout<Float>.size
    for index in 0..<elements {
      let value = bytes.loadUnaligned(
        fromByteOffset: index &* MemoryLayout<Float>.size, as: Float.self)
      guard value.isFinite else {
        throw PluginError(
          field: field,
          "expected finite numbers, came \(value) in sample \(index / max(1, elements / count)) of"
            + " \(name)")
      }
    }
  }

  /// Throws where a classifier could learn nothing but the one class that there is.
  func checkClasses(of name: String) throws(PluginError) {
    guard case .classes(let classes) = labels, let first = classes.first,
      classes.allSatisfy({ $0 == first })
    else { return }
    throw PluginError(
      field: "configuration.label_tensor",
      "expected samples of two or more classes in \(name), came one class, \(first)")
  }

  deinit {
    inputBatch.deallocate()
    labelBatch.deallocate()
  }

  /// Fills the batch with these samples, in this order.
  ///
  /// - Precondition: at most as many as the batch size, and each in `0..<count`.
  /// - Returns: input and labels, valid until the next call.
  func gather(_ samples: some RandomAccessCollection<Int>) -> [UnsafeRawBufferPointer] {
    for (row, sample) in samples.enumerated() {
      copy(inputs, sample, inputByteCount, to: inputBatch, row)
    }
    return [part(inputBatch, samples.count), gatherLabels(samples)]
  }

  /// The same for the labels alone.
  func gatherLabels(_ samples: some RandomAccessCollection<Int>) -> UnsafeRawBufferPointer {
    for (row, sample) in samples.enumerated() {
      switch labels {
      case .classes(let classes):
        labelBatch.storeBytes(
          of: classes[sample], toByteOffset: row * MemoryLayout<Int32>.size, as: Int32.self)
      case .signs(let signs, let perSample):
        let start = sample * perSample
        signs[start..<(start + perSample)].withUnsafeBytes {
          UnsafeMutableRawBufferPointer(
            rebasing: labelBatch[(row * $0.count)..<((row + 1) * $0.count)]
          ).copyMemory(from: $0)
        }
      case .targets(let bytes, let byteCount): copy(bytes, sample, byteCount, to: labelBatch, row)
      }
    }
    return part(labelBatch, samples.count)
  }

  /// Numbers of a label as `add(label:...)` adds them: one for each class, or those of a target.
  func labelWidth(classCount: Int) -> Int {
    switch labels {
    case .classes: classCount
    case .signs(_, let perSample): perSample
    case .targets(_, let byteCount): byteCount / MemoryLayout<Float>.size
    }
  }

  /// Adds a sample's label, a class being one at its place, times `share` to a row.
  ///
  /// - Returns: the class, where labels are classes.
  @discardableResult
  func add(
    labelOf sample: Int, times share: Float, to row: UnsafeMutableBufferPointer<Float>
  ) -> Int? {
    switch labels {
    case .classes(let classes):
      row[Int(classes[sample])] += share
      return Int(classes[sample])
    case .signs(let signs, let perSample):
      for index in 0..<perSample { row[index] += share * signs[sample * perSample + index] }
    case .targets(let bytes, let byteCount):
      for index in row.indices {
        row[index] +=
          share
          * bytes.loadUnaligned(
            fromByteOffset: sample * byteCount + index * MemoryLayout<Float>.size, as: Float.self)
      }
    }
    return nil
  }

  /// How well the scores of the batch gathered last agree with its labels; nil for a regression.
  ///
  /// A row of class scores is right where its largest is the label's; a number for a decision, where it lies on
  /// the label's side.
  ///
  /// - Parameter width: numbers of a row of scores.
  func agreement(
    _ scores: UnsafeRawBufferPointer, rows: Int, width: Int
  ) -> (right: Int, decisions: Int)? {
    let scores = scores.assumingMemoryBound(to: Float.self)
    var right = 0
    switch labels {
    case .targets: return nil
    case .classes:
      let labels = labelBatch.assumingMemoryBound(to: Int32.self)
      for row in 0..<rows {
        var best = 0
        for index in 1..<width where scores[row * width + index] > scores[row * width + best] {
          best = index
        }
        if best == Int(labels[row]) { right += 1 }
      }
      return (right, rows)
    case .signs:
      let labels = labelBatch.assumingMemoryBound(to: Float.self)
      let middle: Float = isHinge ? 0 : 0.5
      for index in 0..<(rows * width) where (scores[index] > 0) == (labels[index] > middle) {
        right += 1
      }
      return (right, rows * width)
    }
  }

  /// The first `rows` rows of a batch.
  private func part(
    _ batch: UnsafeMutableRawBufferPointer, _ rows: Int
  ) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: batch[..<(batch.count / batchSize * rows)])
  }

  private func copy(
    _ source: UnsafeRawBufferPointer, _ sample: Int, _ byteCount: Int,
    to batch: UnsafeMutableRawBufferPointer, _ row: Int
  ) {
    let start = sample * byteCount
    UnsafeMutableRawBufferPointer(rebasing: batch[(row * byteCount)..<((row + 1) * byteCount)])
      .copyMemory(from: UnsafeRawBufferPointer(rebasing: source[start..<(start + byteCount)]))
  }
}
