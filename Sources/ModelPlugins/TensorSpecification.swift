// SPDX-License-Identifier: Apache-2.0
public import Runtime

/// The name, element type and shape of a tensor.
public struct TensorSpecification: Sendable, Hashable {
  /// The name, as clients use it.
  public var name: String
  /// The element type.
  public var datatype: DataType
  /// The extents; -1 means "varies".
  ///
  /// Without the batch dimension where the model batches.
  public var shape: [Int]

  /// Makes a specification.
  public init(name: String, datatype: DataType, shape: [Int]) {
    self.name = name
    self.datatype = datatype
    self.shape = shape
  }
}

/// Arithmetic on extents that come from a peer.
enum Extents {
  /// The product of `extents`, 1 for none; nil when one is negative or the product overflows.
  static func product<Extent: FixedWidthInteger>(_ extents: some Sequence<Extent>) -> Int? {
    var product = 1
    for extent in extents {
      guard extent >= 0, let factor = Int(exactly: extent) else { return nil }
      let (next, overflow) = product.multipliedReportingOverflow(by: factor)
      guard !overflow else { return nil }
      product = next
    }
    return product
  }

  /// How many bytes a dense tensor takes; nil for an invalid shape, an overflow, or `BYTES`.
  static func byteCount<Extent: FixedWidthInteger>(
    _ extents: some Sequence<Extent>, of datatype: DataType
  ) -> Int? {
    guard let elements = product(extents), let size = datatype.byteCount else { return nil }
    let (bytes, overflow) = elements.multipliedReportingOverflow(by: size)
    return overflow ? nil : bytes
  }
}
