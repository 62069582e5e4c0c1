// SPDX-License-Identifier: Apache-2.0
import CPluginABI

/// The server's tensor runtime, lent to plugins: `massif.compute/1`.
///
/// Describe a ``Graph``, train it with a ``Session``, serve it with a ``Plan``. Thread-safe.
public struct Compute: @unchecked Sendable {
  // SAFETY: the ABI promises a table that never changes.
  let table: UnsafePointer<msf_compute>

  /// Makes an empty graph.
  public func makeGraph() throws -> Graph {
    var graph: OpaquePointer?
    try withError { table.pointee.graph_create(table, &graph, $0) }
    guard let graph else { throw misuse }
    return Graph(graph, table)
  }

  /// A permutation of `0..<count`, a function of (key, stream).
  public func permutation(_ count: Int, key: UInt64, stream: UInt64) -> [Int] {
    var order = [UInt32](repeating: 0, count: count)
    table.pointee.random_permutation(table, key, stream, &order, UInt32(count))
    return order.map(Int.init)
  }

  /// Random words, a function of (key, stream) and their positions: Philox 4x32-10.
  public func words(_ range: Range<UInt64>, key: UInt64, stream: UInt64) -> [UInt32] {
    var words = [UInt32](repeating: 0, count: range.count)
    table.pointee.random_words(table, key, stream, range.lowerBound, &words, words.count)
    return words
  }
}

extension Host {
  /// The runtime; nil where the host does not lend it.
  public var compute: Compute? {
    table.pointee.extension(table, MSF_COMPUTE).map {
      Compute(table: $0.assumingMemoryBound(to: msf_compute.self))
    }
  }
}

/// An option of an operation, an initializer or an optimizer.
public enum Attribute: Sendable, ExpressibleByFloatLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByStringLiteral
{
  case number(Double)
  case text(String)

  /// A number.
  public init(floatLiteral value: Double) { self = .number(value) }
  /// A number.
  public init(integerLiteral value: Int) { self = .number(Double(value)) }
  /// A text.
  public init(stringLiteral value: String) { self = .text(value) }
}

/// A graph of operations, as `msf_compute` has them by name; used from one thread at a time.
public final class Graph {
  /// A tensor of the graph.
  public struct Value: Sendable, Hashable {
    let number: msf_value
  }

  let pointer: OpaquePointer
  private let table: UnsafePointer<msf_compute>

  init(_ pointer: OpaquePointer, _ table: UnsafePointer<msf_compute>) {
    self.pointer = pointer
    self.table = table
  }

  deinit {
    table.pointee.graph_destroy(table, pointer)
  }

  /// Adds an input; the batch dimension is implied.
  public func input(
    _ name: String, _ datatype: DataType, _ shape: [Int]
  ) throws -> Value {
    var value: msf_value = 0
    let extents = shape.map(Int64.init)
    try withError { error in
      name.withMSFString {
        table.pointee.graph_input(
          table, pointer, $0, datatype.rawValue, UInt32(extents.count), extents, &value, error)
      }
    }
    return Value(number: value)
  }

  /// Adds a parameter, learned by a session and saved under its name.
  public func parameter(
    _ name: String, _ shape: [Int], _ initializer: String = "zeros",
    _ attributes: [String: Attribute] = [:]
  ) throws -> Value {
    var value: msf_value = 0
    let extents = shape.map(Int64.init)
    try withAttributes(attributes) { attributes in
      try withError { error in
        name.withMSFString { name in
          initializer.withMSFString {
            table.pointee.graph_parameter(
              table, pointer, name, UInt32(extents.count), extents, $0, attributes.baseAddress,
              UInt32(attributes.count), &value, error)
          }
        }
      }
    }
    return Value(number: value)
  }

  /// Adds an operation.
  public func operation(
    _ name: String, _ operands: [Value], _ attributes: [String: Attribute] = [:]
  ) throws -> Value {
    var value: msf_value = 0
    let numbers = operands.map(\.number)
    try withAttributes(attributes) { attributes in
      try withError { error in
        name.withMSFString {
          table.pointee.graph_operation(
            table, pointer, $0, numbers, UInt32(numbers.count), attributes.baseAddress,
            UInt32(attributes.count), &value, error)
        }
      }
    }
    return Value(number: value)
  }

  /// Adds x · weights + bias, with parameters `name.weight` and `name.bias`.
  public func dense(_ x: Value, inputs: Int, units: Int, name: String) throws -> Value {
    let weights = try parameter(
      "\(name).weight", [inputs, units], "fan_in_uniform", ["fan_in": .number(Double(inputs))])
    return try operation("dense", [x, weights, try parameter("\(name).bias", [units])])
  }

  /// Differentiates `loss`, compiles a training step and makes the first weights.
  public func makeSession(
    loss: Value, outputs: [Value] = [], optimizer: String, _ attributes: [String: Attribute],
    seed: UInt64, maxBatchSize: Int
  ) throws -> Session {
    var session: OpaquePointer?
    let numbers = outputs.map(\.number)
    try numbers.withUnsafeBufferPointer { numbers in
      try withAttributes(attributes) { attributes in
        try withError { error in
          optimizer.withMSFString { optimizer in
            var request = msf_session_request()
            request.struct_size = UInt32(MemoryLayout<msf_session_request>.size)
            request.loss = loss.number
            request.outputs = numbers.baseAddress
            request.output_count = UInt32(numbers.count)
            request.optimizer = optimizer
            request.optimizer_attributes = attributes.baseAddress
            request.optimizer_attribute_count = UInt32(attributes.count)
            request.seed = seed
            request.max_batch_size = Int64(maxBatchSize)
            return table.pointee.session_create(table, pointer, &request, &session, error)
          }
        }
      }
    }
    guard let session else { throw misuse }
    return Session(session, table)
  }

  /// Compiles the graph and its weights, a safetensors file, for inference.
  public func makePlan(
    outputs: [Value], maxBatchSize: Int, weights: UnsafeRawBufferPointer
  ) throws -> Plan {
    var plan: OpaquePointer?
    let numbers = outputs.map(\.number)
    try withError {
      table.pointee.plan_create(
        table, pointer, numbers, UInt32(numbers.count), Int64(maxBatchSize), weights.baseAddress,
        weights.count, &plan, $0)
    }
    guard let plan else { throw misuse }
    return Plan(plan, table)
  }
}
