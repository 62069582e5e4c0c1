// SPDX-License-Identifier: Apache-2.0

import CKernels

/// Watches what meets the weights of each product while samples pass through a network, and chooses the ranges that
/// a quantised plan covers.
///
/// Two passes over the same samples: the first finds the extremes, the second counts values between them, so that
/// rare outliers can be cut off where the rest gains from it. Not thread-safe.
public final class Calibration {
  private let execution: PlanExecution
  private let kernels: mk_narrow_kernels
  private let weights: [[String]]
  private var ranges: [(low: Float, high: Float)]
  private var counts: [[UInt64]]

  /// Bins of a histogram: 8 for each level.
  private static let bins = 2048
  /// Candidates for where to cut, as parts of the whole range: from all of it to a half.
  private static let candidates = stride(from: 128, through: 64, by: -1).map { Float($0) / 128 }

  /// Prepares a run of the network in single precision.
  ///
  /// - Parameter maximumBatch: what `observe` will take at once; every value that meets weights is kept for so many
  ///   samples.
  /// - Throws: as `Plan.init`; `.unsupported` for a network without dense layers and convolutions.
  public init(
    _ graph: Graph, outputs: [Graph.Value], parameters: Parameters, maximumBatch: Int,
    workers: WorkerPool, instructionSet: InstructionSet
  ) throws(RuntimeError) {
    let fused = graph.fused(keeping: outputs, foldsNormalizations: true)
    var values: [Graph.Value] = []
    var weights: [[String]] = []
    for node in fused.nodes where node.operation is Conv2D || node.operation is Dense {
      guard let name = fused.name(of: node.operands[1]) else { continue }
      if let known = values.firstIndex(of: node.operands[0]) {
        weights[known].append(name)
      } else {
        values.append(node.operands[0])
        weights.append([name])
      }
    }
    guard !values.isEmpty else {
      throw RuntimeError(
        .unsupported, "expected a network with dense layers or convolutions; came one without",
        field: "graph")
    }
    let plan = try Plan(
      graph, outputs: values, parameters: parameters, maximumBatch: maximumBatch,
      instructionSet: instructionSet)
    execution = try plan.makeExecution(workers: workers)
    kernels = instructionSet.narrow.pointee
    self.weights = weights
    ranges = values.map { _ in (0, 0) }
    counts = values.map { _ in [] }
  }

  /// Widens the ranges by what a batch shows.
  ///
  /// - Throws: as `PlanExecution.run`.
  public func observe(_ inputs: [UnsafeRawBufferPointer], batch: Int) throws(RuntimeError) {
    try execution.run(inputs, batch: batch)
    for index in ranges.indices {
      let values = execution.output(index).assumingMemoryBound(to: Float.self)
      guard let base = values.baseAddress else { continue }
      var (low, high) = ranges[index]
      kernels.range(&low, &high, base, values.count)
      ranges[index] = (low, high)
    }
  }

  /// Counts the values of a batch between the extremes that are known.
  ///
  /// - Throws: as `PlanExecution.run`.
  public func count(_ inputs: [UnsafeRawBufferPointer], batch: Int) throws(RuntimeError) {
    try execution.run(inputs, batch: batch)
    for index in ranges.indices {
      let (low, high) = ranges[index]
      let values = execution.output(index).assumingMemoryBound(to: Float.self)
      guard let base = values.baseAddress, high > low else { continue }
      if counts[index].isEmpty { counts[index] = .init(repeating: 0, count: Self.bins) }
      let perUnit = Float(Self.bins) / (high - low)
      guard perUnit.isFinite else { continue }
      counts[index].withUnsafeMutableBufferPointer { counts in
        guard let bins = counts.baseAddress else { return }
        kernels.histogram(bins, Self.bins, base, low, perUnit, values.count)
      }
    }
  }

  /// The ranges with the least mean squared error of what was counted; without counting, the extremes.
  public var result: ActivationRanges {
    var result = ActivationRanges()
    for (index, names) in weights.enumerated() {
      let (low, high) = ranges[index]
      let range = Self.best(low, high, counts[index])
      for name in names {
        // Weights that two products share meet the values of both.
        let known = result.byWeights[name] ?? range
        result.byWeights[name] =
          min(known.lowerBound, range.lowerBound)...max(known.upperBound, range.upperBound)
      }
    }
    return result
  }

  private static func best(_ low: Float, _ high: Float, _ counts: [UInt64]) -> ClosedRange<Float> {
    guard !counts.isEmpty else { return low...high }
    let width = (high - low) / Float(counts.count)
    var best = (range: low...high, error: Double.infinity)
    for part in candidates {
      let range = low * part...high * part
      let step = Double(range.upperBound - range.lowerBound) / 255
      var error = 0.0
      for (bin, count) in counts.enumerated() where count > 0 {
        let value = low + (Float(bin) + 0.5) * width
        let beyond = Double(max(range.lowerBound - value, value - range.upperBound, 0))
        // Within the range, rounding errs evenly by up to half a step.
        error += Double(count) * (beyond * beyond + step * step / 12)
      }
      if error < best.error { best = (range, error) }
    }
    return best.range
  }
}
