// SPDX-License-Identifier: Apache-2.0

/// What a plan for inference computes its products in.
public enum Precision: Sendable, Hashable {
  /// Single precision throughout.
  case fp32
  /// Weights and what flows between products as the upper halves of singles; sums in single precision.
  case bf16
  /// Weights as signed bytes with a scale for each output channel, what flows between products as
  /// unsigned bytes; sums as 32-bit integers.
  case int8(ActivationRanges)
}

/// The values that meet the weights of each product, as a calibration saw them.
public struct ActivationRanges: Sendable, Hashable {
  /// Lowest and highest by the name of the weights' parameter.
  public var byWeights: [String: ClosedRange<Float>]

  /// Creates a table.
  public init(_ byWeights: [String: ClosedRange<Float>] = [:]) { self.byWeights = byWeights }

  subscript(weights: String) -> Quantization? {
    byWeights[weights].map { Quantization(covering: $0) }
  }
}

/// Numbers as unsigned bytes: x = scale · (q - zeroPoint).
public struct Quantization: Sendable, Hashable {
  /// The distance between two levels.
  public let scale: Float
  /// The level of zero, 0...255.
  public let zeroPoint: Int32

  init(scale: Float, zeroPoint: Int32) {
    self.scale = scale
    self.zeroPoint = zeroPoint
  }

  /// 256 levels over a range and zero, which has a level of its own: padding is exact.
  public init(covering range: ClosedRange<Float>) {
    let (low, high) = (min(range.lowerBound, 0), max(range.upperBound, 0))
    let step = (high - low) / 255
    guard step.isNormal else {
      self.init(scale: 1, zeroPoint: 0)
      return
    }
    self.init(scale: step, zeroPoint: Int32(min(max((-low / step).rounded(), 0), 255)))
  }
}
