// SPDX-License-Identifier: Apache-2.0

extension Graph {
  /// One number.
  public mutating func constant(_ value: Float) throws(RuntimeError) -> Value {
    try constant(.scalar, [value])
  }

  /// A tensor without a batch that is part of the graph.
  ///
  /// - Throws: `.shapeMismatch` when the elements are not as many as the shape says.
  public mutating func constant(_ shape: Shape, _ elements: [Float]) throws(RuntimeError) -> Value {
    try add(Constant(.fp32, shape, elements), [])[0]
  }

  /// A tensor of indices without a batch that is part of the graph.
  ///
  /// - Throws: `.shapeMismatch` when the elements are not as many as the shape says.
  public mutating func constant(
    _ shape: Shape, indices: [Int32]
  ) throws(RuntimeError) -> Value {
    try add(Constant(.int32, shape, indices), [])[0]
  }

  /// A tensor of conditions without a batch that is part of the graph.
  ///
  /// - Throws: `.shapeMismatch` when the elements are not as many as the shape says.
  public mutating func constant(
    _ shape: Shape, conditions: [Bool]
  ) throws(RuntimeError) -> Value {
    try add(Constant(.bool, shape, conditions.map { $0 ? UInt8(1) : 0 }), [])[0]
  }
}

/// What the graph's author wrote; in memory from the time that a plan is made.
struct Constant: Operation {
  let type: TensorType
  let bytes: [UInt8]
  private let elementCount: Int
  var name: String { "constant" }

  /// - Precondition: the elements' size is that of the data type.
  init<Element: BitwiseCopyable>(_ datatype: DataType, _ shape: Shape, _ elements: [Element]) {
    precondition(MemoryLayout<Element>.size == datatype.byteCount)
    type = TensorType(datatype, shape, isBatched: false)
    bytes = elements.withUnsafeBytes { [UInt8]($0) }
    elementCount = elements.count
  }

  /// The elements as integers.
  ///
  /// - Precondition: the data type is INT32.
  var indices: [Int32] {
    precondition(type.datatype == .int32)
    return bytes.withUnsafeBytes { Array($0.assumingMemoryBound(to: Int32.self)) }
  }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    guard elementCount == type.shape.elementCount else {
      throw RuntimeError(
        .shapeMismatch,
        "\(type.shape) has \(type.shape.elementCount) elements; came \(elementCount)",
        operation: name, field: "elements")
    }
    return [type]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let bytes = bytes
    program.resident(node.results[0], byteCount: bytes.count) { destination in
      Step(name: "constant", tiles: { _ in 1 }) { frame, _, _ in
        bytes.withUnsafeBytes { source in
          guard let base = source.baseAddress else { return }
          frame.raw(destination).copyMemory(from: base, byteCount: source.count)
        }
      }
    }
  }

  func operationCount(_ node: Graph.Node, in graph: Graph) -> Double { 0 }
}
