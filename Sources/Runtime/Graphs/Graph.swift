// SPDX-License-Identifier: Apache-2.0

/// A network as data: inputs, parameters and operations, each checked when it is added.
///
/// A graph says what is computed and nothing of how: a `Plan` compiles it for inference, a
/// `TrainingSession` for learning. Operations are added in an order in which they can run.
/// Dropout and batch normalisation behave as the compilation asks: the same graph serves both.
public struct Graph: Sendable {
  /// A handle to a tensor of the graph that made it.
  public struct Value: Sendable, Hashable {
    let index: Int
  }

  /// An operation with its operands and results.
  struct Node: Sendable {
    var operation: any Operation
    var operands: [Value]
    var results: [Value]
  }

  /// Where a value comes from.
  enum Origin: Sendable {
    case input(name: String)
    case parameter(index: Int)
    case node
  }

  /// A tensor that outlives a run: learned, or tracked like a running mean.
  struct Parameter: Sendable {
    let name: String
    let shape: Shape
    let initializer: Initializer
    let isTrainable: Bool
    let value: Value
  }

  private(set) var types: [TensorType] = []
  private(set) var origins: [Origin] = []
  var nodes: [Node] = []
  var inputs: [Value] = []
  private(set) var parameters: [Parameter] = []
  private var names: Set<String> = []
  private var streamCount = 0

  /// Creates an empty graph.
  public init() {}

  /// The type of a value.
  public func type(of value: Value) -> TensorType { types[value.index] }

  /// Adds an input with a leading batch dimension.
  ///
  /// - Parameter shape: the shape of one sample.
  /// - Throws: `.failedPrecondition` when the name is taken.
  public mutating func input(
    _ name: String, _ datatype: DataType = .fp32, shape: Shape
  ) throws(RuntimeError) -> Value {
    try reserve(name)
    _ = try shape.byteCount(of: datatype)
    let value = add(TensorType(datatype, shape, isBatched: true), .input(name: name))
    inputs.append(value)
    return value
  }

  /// Adds an FP32 parameter.
  ///
  /// - Parameter isTrainable: false for what is tracked and not learned, such as a running mean.
  /// - Throws: `.failedPrecondition` when the name is taken.
  public mutating func parameter(
    _ name: String, shape: Shape, _ initializer: Initializer, isTrainable: Bool = true
  ) throws(RuntimeError) -> Value {
    try reserve(name)
    _ = try shape.byteCount(of: .fp32)
    let value = add(
      TensorType(.fp32, shape, isBatched: false), .parameter(index: parameters.count))
    parameters.append(
      Parameter(
        name: name, shape: shape, initializer: initializer, isTrainable: isTrainable, value: value))
    return value
  }

  /// The name of an input or parameter.
  public func name(of value: Value) -> String? {
    switch origins[value.index] {
    case .input(let name): name
    case .parameter(let index): parameters[index].name
    case .node: nil
    }
  }

  /// Adds an operation after checking it.
  mutating func add(
    _ operation: any Operation, _ operands: [Value]
  ) throws(RuntimeError) -> [Value] {
    let resultTypes: [TensorType]
    do {
      resultTypes = try operation.resultTypes(of: operands.map { types[$0.index] })
    } catch {
      var placed = error
      placed.operation = "operation \(nodes.count) (\(operation.name))"
      throw placed
    }
    let results = resultTypes.map { add($0, .node) }
    nodes.append(Node(operation: operation, operands: operands, results: results))
    return results
  }

  /// A number that no other operation of this graph has, which keys its random numbers.
  mutating func makeStream() -> UInt32 {
    defer { streamCount += 1 }
    return UInt32(truncatingIfNeeded: streamCount)
  }

  private mutating func add(_ type: TensorType, _ origin: Origin) -> Value {
    types.append(type)
    origins.append(origin)
    return Value(index: types.count - 1)
  }

  private mutating func reserve(_ name: String) throws(RuntimeError) {
    guard !name.isEmpty, names.insert(name).inserted else {
      throw RuntimeError(
        .failedPrecondition, "the name \"\(name)\" is empty or taken", field: "name")
    }
  }
}
