// SPDX-License-Identifier: Apache-2.0

/// What is known of a value before it is computed: its element type and shape.
///
/// The batch dimension is apart from the shape: a batched value has `shape` once per sample, and how
/// many samples there are is known when a plan runs.
public struct TensorType: Sendable, Hashable, CustomStringConvertible {
  /// The type of the elements.
  public let datatype: DataType
  /// The shape, without the batch dimension if `isBatched`.
  public let shape: Shape
  /// Whether a leading batch dimension is in front of `shape`.
  public let isBatched: Bool

  /// Creates a description.
  public init(_ datatype: DataType, _ shape: Shape, isBatched: Bool) {
    self.datatype = datatype
    self.shape = shape
    self.isBatched = isBatched
  }

  /// As `FP32 [batch, 28, 28, 1]`.
  public var description: String {
    let batch = isBatched ? ["batch"] : []
    let dimensions = batch + shape.dimensions.map(String.init)
    return "\(datatype.rawValue) [\(dimensions.joined(separator: ", "))]"
  }

  /// Elements of this value with `batch` samples; for a value without batch, of the value.
  func elementCount(batch: Int) -> Int {
    isBatched ? batch * shape.elementCount : shape.elementCount
  }
}
