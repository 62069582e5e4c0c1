// SPDX-License-Identifier: Apache-2.0

extension Graph {
  /// The largest value of each channel over all positions of a sample: an image's pixels, a sequence's steps.
  ///
  /// - Parameter x: batched, of two or more dimensions, channels last.
  /// - Returns: batched [C].
  /// - Throws: `.shapeMismatch` for other inputs.
  public mutating func globalMaxPool(_ x: Value) throws(RuntimeError) -> Value {
    let type = type(of: x)
    guard type.datatype == .fp32, type.isBatched, type.shape.rank > 1, type.shape.elementCount > 0
    else {
      throw RuntimeError(
        .shapeMismatch, "expected FP32 [batch, positions, channels]; came \(type)",
        operation: "global_max_pool", field: "input")
    }
    return try reduce(.maximum, x, axes: Array(0..<type.shape.rank - 1))
  }
}
