// SPDX-License-Identifier: Apache-2.0

/// A block of elements: data type, shape and the aligned memory that it owns.
///
/// Used at the edges (states, checkpoints, tests); inside a plan, values live in its arena.
public struct Tensor: ~Copyable {
  /// The type of the elements.
  public let datatype: DataType
  /// The dimensions, row-major.
  public let shape: Shape
  private let memory: AlignedMemory

  /// Creates a tensor of zeros.
  ///
  /// - Throws: `.tooLarge` when its size overflows or cannot be allocated, `.unsupported` for BYTES.
  public init(_ datatype: DataType, _ shape: Shape) throws(RuntimeError) {
    memory = try AlignedMemory(byteCount: try shape.byteCount(of: datatype))
    self.datatype = datatype
    self.shape = shape
  }

  /// Creates an FP32 tensor from its elements.
  ///
  /// - Throws: `.shapeMismatch` when their number is not that of the shape.
  public init(_ shape: Shape, _ elements: [Float]) throws(RuntimeError) {
    guard elements.count == shape.elementCount else {
      throw RuntimeError(
        .shapeMismatch, "\(shape) has \(shape.elementCount) elements; came \(elements.count)")
    }
    try self.init(.fp32, shape)
    elements.withUnsafeBytes { memory.bytes.copyMemory(from: $0) }
  }

  /// Creates a copy of borrowed bytes.
  ///
  /// - Throws: `.shapeMismatch` when their number is not that of the shape.
  public init(
    _ datatype: DataType, _ shape: Shape, copying source: UnsafeRawBufferPointer
  ) throws(RuntimeError) {
    let expected = try shape.byteCount(of: datatype)
    guard source.count == expected else {
      throw RuntimeError(
        .shapeMismatch,
        "\(datatype.rawValue) \(shape) takes \(expected) bytes; came \(source.count)")
    }
    try self.init(datatype, shape)
    memory.bytes.copyMemory(from: source)
  }

  /// Lends the elements' bytes.
  public borrowing func withUnsafeBytes<R: ~Copyable>(_ body: (UnsafeRawBufferPointer) throws -> R)
    rethrows
    -> R
  {
    try body(UnsafeRawBufferPointer(memory.bytes))
  }

  /// A copy of the elements.
  ///
  /// - Precondition: the data type is FP32.
  public var floats: [Float] {
    precondition(datatype == .fp32, "floats of a \(datatype.rawValue) tensor")
    return Array(memory.bytes.assumingMemoryBound(to: Float.self))
  }
}
