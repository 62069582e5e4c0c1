// SPDX-License-Identifier: Apache-2.0

/// How long a vector is.
public enum NormOrder: String, Sendable, Hashable, CaseIterable {
  /// Σ |x|
  case one
  /// √ Σ x²
  case two
  /// max |x|
  case infinity
}

extension Graph {
  /// The variance along some axes: the mean of the squares of what differs from the mean.
  ///
  /// - Parameters:
  ///   - axes: of the shape of one sample; `nil` for all.
  ///   - correction: what is taken from the number of elements before dividing; 1 for a sample's.
  /// - Throws: `.invalidArgument` for axes that there are not or with too few elements for the correction.
  public mutating func variance(
    _ x: Value, axes: [Int]? = nil, correction: Int = 0, keepsAxes: Bool = false
  ) throws(RuntimeError) -> Value {
    let mean = try reduce(.mean, x, axes: axes, keepsAxes: true)
    let count =
      type(of: x).shape.elementCount / max(1, type(of: mean).shape.elementCount)
    guard correction >= 0, correction < count else {
      throw RuntimeError(
        .invalidArgument, "expected 0 or more and less than \(count); came \(correction)",
        operation: "variance", field: "correction")
    }
    let squares = try unary(.square, binary(.subtract, x, mean))
    let variance = try reduce(.mean, squares, axes: axes, keepsAxes: keepsAxes)
    guard correction > 0 else { return variance }
    return try binary(.multiply, variance, Float(count) / Float(count - correction))
  }

  /// The norm of the vectors along some axes.
  ///
  /// The gradient along a zero vector is 0 for order one and NaN for order two, as that of a root is.
  ///
  /// - Parameter axes: of the shape of one sample; `nil` for all.
  /// - Throws: `.invalidArgument` for axes that there are not.
  public mutating func norm(
    _ x: Value, axes: [Int]? = nil, order: NormOrder = .two, keepsAxes: Bool = false
  ) throws(RuntimeError) -> Value {
    switch order {
    case .one: try reduce(.sum, unary(.absolute, x), axes: axes, keepsAxes: keepsAxes)
    case .two:
      try unary(.squareRoot, reduce(.sum, unary(.square, x), axes: axes, keepsAxes: keepsAxes))
    case .infinity: try reduce(.maximum, unary(.absolute, x), axes: axes, keepsAxes: keepsAxes)
    }
  }
}
