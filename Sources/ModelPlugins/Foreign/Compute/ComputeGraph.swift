// SPDX-License-Identifier: Apache-2.0
import CPluginABI
import Runtime

/// `msf_graph`: a graph of the runtime whose values have numbers from 1.
final class ComputeGraph {
  private(set) var graph = Graph()
  private var values: [Graph.Value] = []

  /// What a plugin may add at most; it is a plugin's mistake, not a size that a client chose.
  private static let maxValueCount = 1 << 20

  /// The value of that number.
  func value(_ number: msf_value, _ what: String) throws(PluginError) -> Graph.Value {
    guard number >= 1, number <= UInt32(values.count) else {
      throw PluginError(
        field: what, "expected a value of this graph, 1...\(values.count), came \(number)")
    }
    return values[Int(number) - 1]
  }

  /// Adds an input.
  func input(_ name: String, _ datatype: DataType, _ shape: [Int]) throws(PluginError) -> msf_value
  {
    try add("input \(name)") { (graph) throws(RuntimeError) in
      try graph.input(name, datatype, shape: Shape(shape))
    }
  }

  /// Adds a parameter.
  func parameter(
    _ name: String, _ shape: [Int], _ initializer: String, _ attributes: inout Attributes
  ) throws(PluginError) -> msf_value {
    let start = try Self.initializer(initializer, &attributes)
    let isTrainable = try attributes.number("trainable", default: 1) != 0
    try attributes.check()
    return try add("parameter \(name)") { (graph) throws(RuntimeError) in
      try graph.parameter(name, shape: Shape(shape), start, isTrainable: isTrainable)
    }
  }

  /// Adds an operation.
  ///
  /// - Throws: `.unimplemented` for a name that this host does not know.
  func operation(
    _ name: String, _ numbers: UnsafeBufferPointer<msf_value>, _ attributes: inout Attributes
  ) throws(PluginError) -> msf_value {
    var operands: [Graph.Value] = []
    for (index, number) in numbers.enumerated() {
      operands.append(try value(number, "\(name).operands[\(index)]"))
    }
    let build = try Self.builder(name, operands, &attributes)
    try attributes.check()
    return try add(name, build)
  }

  private func add(
    _ name: String, _ build: ComputeOperations.Build
  ) throws(PluginError) -> msf_value {
    guard values.count < Self.maxValueCount else {
      throw PluginError(.resourceExhausted, "a graph has at most \(Self.maxValueCount) values")
    }
    do throws(RuntimeError) {
      values.append(try build(&graph))
    } catch {
      throw PluginError(error, field: name)
    }
    return msf_value(values.count)
  }

  private static func builder(
    _ name: String, _ operands: [Graph.Value], _ attributes: inout Attributes
  ) throws(PluginError) -> ComputeOperations.Build {
    guard let entry = ComputeOperations.table[name] else {
      throw PluginError(.unimplemented, "this host has no operation \"\(name.prefix(64))\"")
    }
    let counts = entry.operands
    guard counts.contains(operands.count) else {
      let expected =
        counts.count == 1
        ? "\(counts.lowerBound)" : "\(counts.lowerBound) to \(counts.upperBound)"
      throw PluginError(
        field: name, "expected \(expected) operands, came \(operands.count)")
    }
    return try entry.read(operands, &attributes)
  }

  private static func initializer(
    _ name: String, _ attributes: inout Attributes
  ) throws(PluginError) -> Initializer {
    switch name {
    case "zeros": return .zeros
    case "ones": return .ones
    case "fan_in_uniform": return .fanInUniform(fanIn: try attributes.integer("fan_in"))
    case "he_uniform": return .heUniform(fanIn: try attributes.integer("fan_in"))
    case "he_normal": return .heNormal(fanIn: try attributes.integer("fan_in"))
    case "glorot_uniform":
      return .glorotUniform(
        fanIn: try attributes.integer("fan_in"), fanOut: try attributes.integer("fan_out"))
    case "glorot_normal":
      return .glorotNormal(
        fanIn: try attributes.integer("fan_in"), fanOut: try attributes.integer("fan_out"))
    default:
      throw PluginError(.unimplemented, "this host has no initializer \"\(name.prefix(64))\"")
    }
  }
}
