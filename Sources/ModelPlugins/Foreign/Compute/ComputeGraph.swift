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

  private typealias Build = (inout Graph) throws(RuntimeError) -> Graph.Value

  private func add(_ name: String, _ build: Build) throws(PluginError) -> msf_value {
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
    _ name: String, _ x: [Graph.Value], _ attributes: inout Attributes
  ) throws(PluginError) -> Build {
    func expect(_ counts: ClosedRange<Int>) throws(PluginError) {
      guard counts.contains(x.count) else {
        let expected =
          counts.count == 1
          ? "\(counts.lowerBound)" : "\(counts.lowerBound) to \(counts.upperBound)"
        throw PluginError(field: name, "expected \(expected) operands, came \(x.count)")
      }
    }
    let bias = x.count > 2 ? x[2] : nil
    switch name {
    case "dense":
      try expect(2...3)
      return { (graph) throws(RuntimeError) in try graph.dense(x[0], weights: x[1], bias: bias) }
    case "conv2d":
      try expect(2...3)
      let stride = try attributes.integer("stride", default: 1)
      let padding = try attributes.padding()
      return { (graph) throws(RuntimeError) in
        try graph.conv2d(x[0], weights: x[1], bias: bias, stride: stride, padding: padding)
      }
    case "max_pool2d", "average_pool2d":
      try expect(1...1)
      let size = try attributes.integer("size")
      let stride = try attributes.integer("stride", default: size)
      let padding = try attributes.padding()
      return { (graph) throws(RuntimeError) in
        name == "max_pool2d"
          ? try graph.maxPool2D(x[0], size: size, stride: stride, padding: padding)
          : try graph.averagePool2D(x[0], size: size, stride: stride, padding: padding)
      }
    case "relu", "sigmoid", "tanh":
      try expect(1...1)
      let activation: Activation = name == "relu" ? .relu : name == "tanh" ? .tanh : .sigmoid
      return { (graph) throws(RuntimeError) in try graph.activate(x[0], activation) }
    case "softmax":
      try expect(1...1)
      return { (graph) throws(RuntimeError) in try graph.softmax(x[0]) }
    case "flatten":
      try expect(1...1)
      return { (graph) throws(RuntimeError) in try graph.flatten(x[0]) }
    case "add":
      try expect(2...2)
      return { (graph) throws(RuntimeError) in try graph.add(x[0], x[1]) }
    case "dropout":
      try expect(1...1)
      let rate = Float(try attributes.number("rate"))
      return { (graph) throws(RuntimeError) in try graph.dropout(x[0], rate: rate) }
    case "convert":
      try expect(1...1)
      let scale = Float(try attributes.number("scale", default: 1))
      let offset = Float(try attributes.number("offset", default: 0))
      return { (graph) throws(RuntimeError) in
        try graph.convert(x[0], scale: scale, offset: offset)
      }
    case "batch_norm":
      try expect(5...5)
      let epsilon = Float(try attributes.number("epsilon", default: 1e-5))
      let momentum = Float(try attributes.number("momentum", default: 0.1))
      return { (graph) throws(RuntimeError) in
        try graph.batchNormalization(
          x[0], scale: x[1], offset: x[2], runningMean: x[3], runningVariance: x[4],
          epsilon: epsilon, momentum: momentum)
      }
    case "cross_entropy":
      try expect(2...2)
      return { (graph) throws(RuntimeError) in try graph.crossEntropy(x[0], labels: x[1]) }
    case "mean_squared_error":
      try expect(2...2)
      return { (graph) throws(RuntimeError) in
        try graph.meanSquaredError(x[0], targets: x[1])
      }
    default:
      throw PluginError(.unimplemented, "this host has no operation \"\(name.prefix(64))\"")
    }
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
