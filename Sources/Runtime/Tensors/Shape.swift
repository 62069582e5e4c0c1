// SPDX-License-Identifier: Apache-2.0

/// The dimensions of a tensor, row-major; no dimensions is a scalar.
///
/// A shape that exists has dimensions of zero or more and an element count that fits in `Int`.
public struct Shape: Sendable, Hashable {
  /// The dimensions, outermost first.
  public let dimensions: [Int]
  /// The product of the dimensions; one for a scalar.
  public let elementCount: Int

  /// Checks dimensions that came from outside.
  ///
  /// - Throws: `.invalidArgument` for a negative dimension, `.tooLarge` when the product overflows.
  public init(_ dimensions: [Int]) throws(RuntimeError) {
    var product = 1
    // The dimensions that are not zero are multiplied first, so that [2^62, 2^62, 0] overflows too.
    for dimension in dimensions {
      guard dimension >= 0 else {
        throw RuntimeError(
          .invalidArgument, "a dimension must not be negative; came \(dimension) in \(dimensions)",
          field: "shape")
      }
      guard dimension > 0 else { continue }
      let (next, overflow) = product.multipliedReportingOverflow(by: dimension)
      guard !overflow else {
        throw RuntimeError(
          .tooLarge, "the element count of \(dimensions) does not fit in 64 bits", field: "shape")
      }
      product = next
    }
    self.dimensions = dimensions
    elementCount = dimensions.contains(0) ? 0 : product
  }

  private init(trusted dimensions: [Int], elementCount: Int) {
    self.dimensions = dimensions
    self.elementCount = elementCount
  }

  /// The shape with no dimensions and one element.
  public static let scalar = Shape(trusted: [], elementCount: 1)

  /// The number of dimensions.
  public var rank: Int { dimensions.count }

  /// The dimension at `index`; a negative index counts from the end.
  ///
  /// - Precondition: the index is within the rank.
  public subscript(index: Int) -> Int {
    dimensions[index < 0 ? dimensions.count + index : index]
  }

  /// The last dimension, or one for a scalar: channels of an image, features of a vector.
  public var innermost: Int { dimensions.last ?? 1 }

  /// Bytes that the elements need.
  ///
  /// - Throws: `.tooLarge` when the product overflows, `.unsupported` for elements of varying size.
  public func byteCount(of datatype: DataType) throws(RuntimeError) -> Int {
    guard let size = datatype.byteCount else {
      throw RuntimeError(.unsupported, "\(datatype.rawValue) elements have no fixed size")
    }
    let (bytes, overflow) = elementCount.multipliedReportingOverflow(by: size)
    guard !overflow else {
      throw RuntimeError(.tooLarge, "\(self) of \(datatype.rawValue) does not fit in 64 bits")
    }
    return bytes
  }

  /// This shape with one more dimension in front.
  ///
  /// - Throws: `.tooLarge` when the element count overflows.
  public func prepending(_ dimension: Int) throws(RuntimeError) -> Shape {
    try Shape([dimension] + dimensions)
  }

  /// This shape as one dimension.
  public var flattened: Shape { Shape(trusted: [elementCount], elementCount: elementCount) }
}

extension Shape: CustomStringConvertible {
  /// The dimensions as a list: `[28, 28, 1]`.
  public var description: String { dimensions.description }
}
