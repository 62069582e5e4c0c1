// SPDX-License-Identifier: Apache-2.0
import Runtime

/// The labels of mixed samples: numbers mixed as the samples are, classes as the share of each.
///
/// Shares contain what the loss of unmixed classes does with smoothing and with weights: a sample of a single class
/// has the same loss and gradient either way.
struct LabelMixing: Sendable {
  /// Numbers of a row.
  let width: Int
  private let hasClasses: Bool
  private let smoothing: Float
  /// One for each class; empty for ones.
  private let weights: [Float]

  /// - Parameter width: numbers of a label, or classes.
  init(_ loss: LossChoice, width: Int) {
    self.width = width
    hasClasses = loss.labels == .classes
    smoothing = Float(loss.labelSmoothing)
    weights = loss.classWeights.map(Float.init)
  }

  /// Writes the labels of a batch.
  func mix(
    _ samples: [Int], _ mixtures: UnsafeBufferPointer<Mixture>, of gatherer: BatchGatherer,
    into labels: UnsafeMutableBufferPointer<Float>
  ) {
    var totalWeight: Float = 0
    for (index, (sample, mixture)) in zip(samples, mixtures).enumerated() {
      let row = UnsafeMutableBufferPointer(
        rebasing: labels[(index * width)..<((index + 1) * width)])
      row.update(repeating: 0)
      func add(_ sample: Int, _ share: Float) {
        let label = gatherer.add(labelOf: sample, times: share, to: row)
        totalWeight += share * (label.map { weights.isEmpty ? 1 : weights[$0] } ?? 0)
      }
      add(sample, mixture.share)
      if mixture.share < 1 { add(mixture.partner, 1 - mixture.share) }
    }
    guard hasClasses, smoothing > 0 || !weights.isEmpty else { return }
    // The mean of a weighted loss is over the weights; that of the shares will be over the samples.
    let factor = weights.isEmpty ? 1 : Float(samples.count) / totalWeight
    for index in 0..<(samples.count * width) {
      let weight = weights.isEmpty ? factor : factor * weights[index % width]
      labels[index] = weight * (labels[index] * (1 - smoothing) + smoothing / Float(width))
    }
  }
}
