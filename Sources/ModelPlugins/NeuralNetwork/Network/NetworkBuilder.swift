// SPDX-License-Identifier: Apache-2.0
import Runtime

/// Adds layers to a graph one after another and knows the shape between them.
struct NetworkBuilder {
  private(set) var parameterCount = 0
  /// The value that the next layer reads.
  var value: Graph.Value
  var graph = Graph()
  private let frozenLayers: Set<Int>
  /// Whether the layer that is being added learns.
  private(set) var isTrainable = true

  /// 2 GiB of weights: beyond, memory for gradients and moments is not to be had on one machine.
  static let maxParameterCount = 1 << 29
  /// 1 GiB between two layers, for one sample.
  private static let maxValueCount = 1 << 28

  /// The shape of `value`, one sample of it.
  var shape: [Int] { graph.type(of: value).shape.dimensions }

  /// Begins with the input and its scale.
  init(
    _ configuration: NetworkConfiguration, sample: Network.SampleType
  ) throws(PluginError) {
    let field = "configuration.input_tensor"
    frozenLayers = configuration.frozenLayers
    let isIndices = if case .embedding = configuration.layers.first { true } else { false }
    let types: [DataType] = isIndices ? [.int32, .uint8] : [.uint8, .fp32, .fp16, .bf16]
    guard types.contains(sample.datatype) else {
      let names = types.map(\.rawValue).joined(separator: " or ")
      throw PluginError(
        field: field, "expected a tensor of \(names), came \(sample.datatype.rawValue)")
    }
    guard (1...3).contains(sample.shape.count), let count = Extents.product(sample.shape),
      (1...Self.maxValueCount).contains(count)
    else {
      throw PluginError(
        field: field,
        "expected samples of 1 to 3 dimensions and at most \(Self.maxValueCount) elements,"
          + " came \(sample.shape)")
    }
    // Images without channels are images with one.
    let shape =
      sample.shape.count == 2 && !isIndices ? sample.shape + [1] : sample.shape
    do throws(RuntimeError) {
      let raw = try graph.input(
        configuration.inputTensor, sample.datatype, shape: Shape(shape))
      if isIndices
        || (sample.datatype == .fp32 && configuration.input == NetworkConfiguration.Input())
      {
        value = raw
      } else {
        value = try graph.convert(
          raw, scale: Float(configuration.input.scale), offset: Float(configuration.input.offset))
      }
    } catch {
      throw PluginError(error, field: field)
    }
  }

  /// Adds the layer at `index` of the configuration.
  mutating func add(_ layer: NetworkConfiguration.Layer, at index: Int) throws(PluginError) {
    isTrainable = !frozenLayers.contains(index)
    try add(
      layer, path: "configuration.layers[\(index)]", prefix: "layers.\(index).",
      isFirst: index == 0)
  }

  /// Adds a layer that stands at `path` and whose parameters' names begin with `prefix`.
  mutating func add(
    _ layer: NetworkConfiguration.Layer, path: String, prefix: String, isFirst: Bool
  ) throws(PluginError) {
    try checkInput(of: layer, isFirst: isFirst, path: path)
    try countParameters(of: layer, path: path)
    if case .residual(let layers) = layer {
      try addResidual(layers, path: path, prefix: prefix)
    } else {
      do throws(RuntimeError) {
        value = try apply(layer, prefix: prefix)
      } catch {
        throw Self.located(error, layer: layer, path: path)
      }
    }
    let elements = graph.type(of: value).shape.elementCount
    guard elements <= Self.maxValueCount else {
      throw PluginError(
        field: path,
        "expected at most \(Self.maxValueCount) elements a sample after this layer, came \(shape)")
    }
  }

  /// Whether the layer takes what comes to it, said in the words of the configuration.
  private func checkInput(
    of layer: NetworkConfiguration.Layer, isFirst: Bool, path: String
  ) throws(PluginError) {
    switch layer {
    case .recurrent, .conv1D, .positionEmbedding, .selfAttention, .transformerBlock:
      guard shape.count >= 2 else {
        throw PluginError(
          field: path,
          "\(layer.type.rawValue) expects sequences, [steps, ...]; what comes to it has shape"
            + " \(shape)")
      }
    case .embedding:
      guard isFirst else {
        throw PluginError(
          field: path, "embedding expects indices, so it can only be the first layer")
      }
    case .conv2d, .maxPool2D, .averagePool2D, .depthwiseConv2D, .transposedConv2D, .upsample2D:
      guard shape.count == 3 else {
        throw PluginError(
          field: path,
          "\(layer.type.rawValue) expects images, [height, width, channels]; what comes to it has"
            + " shape \(shape)")
      }
    case .dense:
      guard shape.count == 1 else {
        throw PluginError(
          field: path,
          "dense expects a vector; what comes to it has shape \(shape): put {\"type\":\"flatten\"}"
            + " before it")
      }
    case .globalAveragePool, .globalMaxPool:
      guard shape.count >= 2 else {
        throw PluginError(
          field: path,
          "\(layer.type.rawValue) expects images or sequences; what comes to it has shape \(shape)")
      }
    case .permute(let axes):
      guard axes.count == shape.count else {
        throw PluginError(
          field: "\(path).axes",
          "expected \(shape.count) axes, as what comes to it has shape \(shape); came \(axes)")
      }
    case .flatten, .dropout, .batchNorm, .layerNorm, .rmsNorm, .activation, .groupNorm, .residual:
      break
    }
  }

  /// Adds up the parameters before any memory is asked for.
  private mutating func countParameters(
    of layer: NetworkConfiguration.Layer, path: String
  ) throws(PluginError) {
    let channels = shape.last ?? 1
    let features = shape.dropFirst().reduce(1, *)
    // No product here overflows: every factor is bounded by the configuration's reader or above.
    let count: Int
    let field: String
    switch layer {
    case .conv2d(let filters, let kernel, _, _, _, _, _, let groups):
      (count, field) = ((kernel * kernel * channels / groups + 1) * filters, ".filters")
    case .depthwiseConv2D(let kernel, _, _, _, _, _):
      (count, field) = ((kernel * kernel + 1) * channels, ".kernel")
    case .transposedConv2D(let filters, let kernel, _, _, _, _):
      (count, field) = ((kernel * kernel * channels + 1) * filters, ".filters")
    case .groupNorm: (count, field) = (2 * channels, "")
    case .positionEmbedding: (count, field) = (shape.reduce(1, *), "")
    case .selfAttention: (count, field) = (4 * features * (features + 1), "")
    case .transformerBlock(let layer):
      let products = (4 + 2 * layer.expansion) * features * features
      (count, field) = (products + (9 + layer.expansion) * features, ".expansion")
    case .dense(let units, _, _): (count, field) = ((channels + 1) * units, ".units")
    case .batchNorm: (count, field) = (4 * channels, "")
    case .layerNorm, .rmsNorm: (count, field) = (2 * channels, "")
    case .conv1D(let filters, let kernel, _, _, _, _, _, let groups):
      (count, field) = ((kernel * features / groups + 1) * filters, ".filters")
    case .recurrent(let layer):
      (count, field) = (layer.parameterCount(features: features), ".units")
    case .embedding(let entries, let dimensions):
      (count, field) = (entries * dimensions, ".entries")
    default: return
    }
    guard count <= Self.maxParameterCount - parameterCount else {
      throw PluginError(
        field: path + field,
        "expected a network of at most \(Self.maxParameterCount) parameters; this layer would bring"
          + " it to \(parameterCount + count)")
    }
    parameterCount += count
  }

  private mutating func apply(
    _ layer: NetworkConfiguration.Layer, prefix: String
  ) throws(RuntimeError) -> Graph.Value {
    let channels = shape.last ?? 1
    switch layer {
    case .recurrent(let layer): return try apply(layer, prefix: prefix)
    case .conv1D(
      let filters, let kernel, let stride, let padding, let useBias, let activation, let dilation,
      let groups):
      let x = try sequences()
      let seen = try part(of: graph.type(of: x).shape[1], groups)
      let weights = try graph.parameter(
        prefix + "weight", shape: Shape([1, kernel, seen, filters]),
        .fanInUniform(fanIn: kernel * seen), isTrainable: isTrainable)
      let sum = try graph.conv1d(
        x, weights: weights, bias: try bias(useBias, prefix, filters), stride: stride,
        padding: padding, dilation: dilation, groups: groups)
      return try activate(sum, activation)
    case .layerNorm(let epsilon):
      return try graph.layerNormalization(
        value, scale: try channelParameter(prefix + "scale", .ones),
        offset: try channelParameter(prefix + "offset", .zeros), epsilon: Float(epsilon))
    case .rmsNorm(let epsilon):
      return try graph.rmsNormalization(
        value, scale: try channelParameter(prefix + "scale", .ones), epsilon: Float(epsilon))
    case .globalAveragePool: return try graph.globalAveragePool(value)
    case .globalMaxPool: return try graph.globalMaxPool(value)
    case .depthwiseConv2D(
      let kernel, let stride, let padding, let dilation, let useBias, let activation):
      let weights = try graph.parameter(
        prefix + "weight", shape: Shape([kernel, kernel, 1, channels]),
        .fanInUniform(fanIn: kernel * kernel), isTrainable: isTrainable)
      let sum = try graph.conv2d(
        value, weights: weights, bias: try bias(useBias, prefix, channels), stride: stride,
        padding: padding, dilation: dilation, groups: channels)
      return try activate(sum, activation)
    case .transposedConv2D(
      let filters, let kernel, let stride, let padding, let useBias, let activation):
      let weights = try graph.parameter(
        prefix + "weight", shape: Shape([kernel, kernel, filters, channels]),
        .fanInUniform(fanIn: kernel * kernel * channels), isTrainable: isTrainable)
      let sum = try graph.transposedConv2D(
        value, weights: weights, bias: try bias(useBias, prefix, filters), stride: stride,
        padding: padding)
      return try activate(sum, activation)
    case .upsample2D(let factor, let mode):
      return try graph.resize2D(
        value, height: shape[0] * factor, width: shape[1] * factor, mode)
    case .groupNorm(let groups, let epsilon):
      return try graph.groupNormalization(
        value, groups: groups, scale: try channelParameter(prefix + "scale", .ones),
        offset: try channelParameter(prefix + "offset", .zeros), epsilon: Float(epsilon))
    case .permute(let axes): return try graph.permute(value, axes: axes)
    case .positionEmbedding: return try addPositions(prefix: prefix)
    case .selfAttention(let layer):
      return try attend(layer, to: try sequences(), prefix: prefix)
    case .transformerBlock(let layer): return try transform(layer, prefix: prefix)
    // Its layers are added one by one.
    case .residual: return value
    case .embedding(let entries, let dimensions):
      let weights = try graph.parameter(
        prefix + "weight", shape: Shape([entries, dimensions]), .normal(deviation: 1),
        isTrainable: isTrainable)
      return try graph.embedding(value, weights: weights)
    case .conv2d(
      let filters, let kernel, let stride, let padding, let useBias, let activation, let dilation,
      let groups):
      let seen = try part(of: channels, groups)
      let weights = try graph.parameter(
        prefix + "weight", shape: Shape([kernel, kernel, seen, filters]),
        .fanInUniform(fanIn: kernel * kernel * seen), isTrainable: isTrainable)
      let bias = try bias(useBias, prefix, filters)
      let sum = try graph.conv2d(
        value, weights: weights, bias: bias, stride: stride, padding: padding, dilation: dilation,
        groups: groups)
      return try activate(sum, activation)
    case .dense(let units, let useBias, let activation):
      let weights = try graph.parameter(
        prefix + "weight", shape: Shape([channels, units]),
        .fanInUniform(fanIn: channels), isTrainable: isTrainable)
      let bias = try bias(useBias, prefix, units)
      return try activate(try graph.dense(value, weights: weights, bias: bias), activation)
    case .maxPool2D(let size, let stride, let padding):
      return try graph.maxPool2D(value, size: size, stride: stride, padding: padding)
    case .averagePool2D(let size, let stride, let padding):
      return try graph.averagePool2D(value, size: size, stride: stride, padding: padding)
    case .flatten: return try graph.flatten(value)
    case .dropout(let rate): return try graph.dropout(value, rate: Float(rate))
    case .activation(let activation): return try graph.activate(value, activation)
    case .batchNorm(let epsilon, let momentum):
      let channel = try Shape([channels])
      return try graph.batchNormalization(
        value,
        scale: try graph.parameter(
          prefix + "scale", shape: channel, .ones, isTrainable: isTrainable),
        offset: try graph.parameter(
          prefix + "offset", shape: channel, .zeros, isTrainable: isTrainable),
        runningMean: try graph.parameter(
          prefix + "running_mean", shape: channel, .zeros, isTrainable: false),
        runningVariance: try graph.parameter(
          prefix + "running_variance", shape: channel, .ones, isTrainable: false),
        epsilon: Float(epsilon), momentum: Float(momentum), isFrozen: !isTrainable)
    }
  }

  /// Layers one on the other, each in one or both directions.
  private mutating func apply(
    _ layer: NetworkConfiguration.Recurrent, prefix: String
  ) throws(RuntimeError) -> Graph.Value {
    var x = try sequences()
    for index in 0..<layer.layers {
      let isLast = index == layer.layers - 1
      let forward = try parameters(of: layer, on: x, prefix: "\(prefix)\(index).")
      let (outputs, state) =
        if layer.isBidirectional {
          try graph.bidirectional(
            layer.cell, x, forward: forward,
            backward: parameters(of: layer, on: x, prefix: "\(prefix)\(index).reverse."))
        } else {
          try graph.recurrent(layer.cell, x, forward)
        }
      x = isLast && !layer.returnsSequences ? state.hidden : outputs
    }
    return x
  }

  /// The value as steps of features: what a step has is one vector.
  mutating func sequences() throws(RuntimeError) -> Graph.Value {
    guard shape.count > 2 else { return value }
    let features = shape.dropFirst().reduce(1, *)
    return try graph.reshape(value, to: Shape([shape[0], features]))
  }

  /// A parameter with one number for each of the last dimension.
  mutating func channelParameter(
    _ name: String, _ initializer: Initializer
  ) throws(RuntimeError) -> Graph.Value {
    try graph.parameter(
      name, shape: Shape([shape.last ?? 1]), initializer, isTrainable: isTrainable)
  }

  private mutating func parameters(
    of layer: NetworkConfiguration.Recurrent, on x: Graph.Value, prefix: String
  ) throws(RuntimeError) -> RecurrentParameters {
    let (features, units) = (graph.type(of: x).shape[1], layer.units)
    let columns = layer.cell.gateCount * units
    return RecurrentParameters(
      weights: try graph.parameter(
        prefix + "weight", shape: Shape([features, columns]), .fanInUniform(fanIn: units),
        isTrainable: isTrainable),
      recurrentWeights: try graph.parameter(
        prefix + "recurrent_weight", shape: Shape([units, columns]), .fanInUniform(fanIn: units),
        isTrainable: isTrainable),
      bias: try graph.parameter(
        prefix + "bias", shape: Shape([columns]), .zeros, isTrainable: isTrainable),
      recurrentBias: layer.cell.hasRecurrentBias
        ? try graph.parameter(
          prefix + "recurrent_bias", shape: Shape([columns]), .zeros, isTrainable: isTrainable)
        : nil)
  }

  private mutating func bias(
    _ isUsed: Bool, _ prefix: String, _ count: Int
  ) throws(RuntimeError) -> Graph.Value? {
    guard isUsed else { return nil }
    return try graph.parameter(
      prefix + "bias", shape: Shape([count]), .zeros, isTrainable: isTrainable)
  }

  /// Channels that a filter sees.
  private func part(of channels: Int, _ groups: Int) throws(RuntimeError) -> Int {
    guard channels % groups == 0 else {
      throw RuntimeError(
        .invalidArgument, "expected a divisor of \(channels) channels; came \(groups)",
        field: "groups")
    }
    return channels / groups
  }

  private mutating func activate(
    _ x: Graph.Value, _ activation: Activation?
  ) throws(RuntimeError) -> Graph.Value {
    guard let activation else { return x }
    return try graph.activate(x, activation)
  }

  /// The runtime's error under the name that the field has in the configuration.
  private static func located(
    _ error: RuntimeError, layer: NetworkConfiguration.Layer, path: String
  ) -> PluginError {
    let field: String? =
      switch (layer, error.field) {
      case (.maxPool2D, "kernel"), (.averagePool2D, "kernel"): "size"
      case (_, "kernel"), (_, "stride"), (_, "padding"), (_, "size"), (_, "rate"), (_, "epsilon"),
        (_, "momentum"), (_, "groups"), (_, "dilation"), (_, "heads"):
        error.field
      default: nil
      }
    return PluginError(error, field: field.map { "\(path).\($0)" } ?? path)
  }
}

extension NetworkConfiguration.Recurrent {
  private var directions: Int { isBidirectional ? 2 : 1 }

  /// Elements of all parameters.
  fileprivate func parameterCount(features: Int) -> Int {
    // Every factor is bounded: this stays far below the limit of Int.
    (0..<layers).reduce(0) { sum, layer in
      let inputs = layer == 0 ? features : directions * units
      return sum + directions * (inputs + units + 2) * cell.gateCount * units
    }
  }
}
