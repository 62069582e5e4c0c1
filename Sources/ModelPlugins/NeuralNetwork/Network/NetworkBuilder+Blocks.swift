// SPDX-License-Identifier: Apache-2.0
// T steps, D features, H heads.
import Runtime

extension NetworkBuilder {
  /// Adds layers and, to what they give, what came to them.
  mutating func addResidual(
    _ layers: [NetworkConfiguration.Layer], path: String, prefix: String
  ) throws(PluginError) {
    let input = value
    for (index, layer) in layers.enumerated() {
      try add(
        layer, path: "\(path).layers[\(index)]", prefix: "\(prefix)layers.\(index).", isFirst: false
      )
    }
    do throws(RuntimeError) {
      value = try graph.add(value, input)
    } catch {
      throw PluginError(
        field: path,
        "expected layers whose result can be added to what comes to them,"
          + " \(graph.type(of: input).shape); it has shape \(shape)")
    }
  }

  /// A learned number for each element of a sequence, added.
  mutating func addPositions(prefix: String) throws(RuntimeError) -> Graph.Value {
    let positions = try graph.parameter(
      prefix + "weight", shape: Shape(shape), .normal(deviation: 0.02), isTrainable: isTrainable)
    return try graph.add(value, positions)
  }

  /// Attention of the steps of x, (T, D), to one another.
  mutating func attend(
    _ layer: NetworkConfiguration.Attention, to x: Graph.Value, prefix: String
  ) throws(RuntimeError) -> Graph.Value {
    let (steps, features) = (graph.type(of: x).shape[0], graph.type(of: x).shape[1])
    guard features % layer.heads == 0 else {
      throw RuntimeError(
        .invalidArgument, "expected a divisor of \(features) features; came \(layer.heads)",
        field: "heads")
    }
    let width = features / layer.heads
    // (T, 3, H, D/H) to (3, H, T, D/H): queries, keys and values of each head.
    let projected = try dense(x, units: 3 * features, prefix: prefix + "input.")
    let parts = try graph.permute(
      graph.reshape(projected, to: Shape([steps, 3, layer.heads, width])), axes: [1, 2, 0, 3])
    var operands: [Graph.Value] = []
    for part in try graph.split(parts, axis: 0, counts: [1, 1, 1]) {
      operands.append(try graph.reshape(part, to: Shape([layer.heads, steps, width])))
    }
    let heads = try graph.attention(
      queries: operands[0], keys: operands[1], values: operands[2], isCausal: layer.isCausal)
    let joined = try graph.reshape(
      graph.permute(heads, axes: [1, 0, 2]), to: Shape([steps, features]))
    return try drop(
      dense(joined, units: features, prefix: prefix + "output."), rate: layer.dropout)
  }

  /// Attention and two dense layers, each behind a normalisation and added to what came to it (Xiong et al., 2020).
  mutating func transform(
    _ layer: NetworkConfiguration.Transformer, prefix: String
  ) throws(RuntimeError) -> Graph.Value {
    let x = try sequences()
    let features = graph.type(of: x).shape[1]
    let attended = try attend(
      layer.attention, to: normalise(x, prefix: prefix + "attention.norm."),
      prefix: prefix + "attention.")
    let middle = try graph.add(x, attended)
    let wide = try graph.activate(
      dense(
        normalise(middle, prefix: prefix + "dense.norm."), units: layer.expansion * features,
        prefix: prefix + "dense.0."), layer.activation)
    let narrow = try dense(wide, units: features, prefix: prefix + "dense.1.")
    return try graph.add(middle, drop(narrow, rate: layer.attention.dropout))
  }

  /// A dense layer for each step.
  private mutating func dense(
    _ x: Graph.Value, units: Int, prefix: String
  ) throws(RuntimeError) -> Graph.Value {
    let features = graph.type(of: x).shape.innermost
    let weights = try graph.parameter(
      prefix + "weight", shape: Shape([features, units]), .fanInUniform(fanIn: features),
      isTrainable: isTrainable)
    let bias = try graph.parameter(
      prefix + "bias", shape: Shape([units]), .zeros, isTrainable: isTrainable)
    return try graph.add(graph.matrixMultiply(x, weights), bias)
  }

  private mutating func normalise(
    _ x: Graph.Value, prefix: String
  ) throws(RuntimeError) -> Graph.Value {
    let shape = try Shape([graph.type(of: x).shape.innermost])
    return try graph.layerNormalization(
      x,
      scale: try graph.parameter(prefix + "scale", shape: shape, .ones, isTrainable: isTrainable),
      offset: try graph.parameter(
        prefix + "offset", shape: shape, .zeros, isTrainable: isTrainable))
  }

  private mutating func drop(_ x: Graph.Value, rate: Double) throws(RuntimeError) -> Graph.Value {
    rate > 0 ? try graph.dropout(x, rate: Float(rate)) : x
  }
}
