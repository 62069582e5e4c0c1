// SPDX-License-Identifier: Apache-2.0
import Runtime

/// The operations that `msf_compute.graph_operation` knows by name; docs/compute-operations.md lists them.
enum ComputeOperations {
  typealias Build = (inout Graph) throws(RuntimeError) -> Graph.Value

  /// One operation: how many operands it takes, and how it is added.
  struct Entry: Sendable {
    let operands: ClosedRange<Int>
    let read: @Sendable ([Graph.Value], inout Attributes) throws(PluginError) -> Build
  }

  /// Every operation by its name.
  static let table: [String: Entry] = [
    layers, normalizations, shapes, activations, recurrences, losses,
  ]
  .reduce(into: [:]) { table, group in table.merge(group) { _, later in later } }

  private static func plain(
    _ operands: ClosedRange<Int> = 1...1,
    _ build: @escaping @Sendable (inout Graph, [Graph.Value]) throws(RuntimeError) -> Graph.Value
  ) -> Entry {
    Entry(operands: operands) { (x, _) throws(PluginError) in
      { (graph) throws(RuntimeError) in try build(&graph, x) }
    }
  }

  private static let layers: [String: Entry] = [
    "dense": plain(2...3) { (graph, x) throws(RuntimeError) in
      try graph.dense(x[0], weights: x[1], bias: x.dropFirst(2).first)
    },
    "conv2d": Entry(operands: 2...3) { (x, attributes) throws(PluginError) in
      let stride = try attributes.integer("stride", default: 1)
      let padding = try attributes.padding()
      return { (graph) throws(RuntimeError) in
        try graph.conv2d(
          x[0], weights: x[1], bias: x.dropFirst(2).first, stride: stride, padding: padding)
      }
    },
    "conv1d": Entry(operands: 2...3) { (x, attributes) throws(PluginError) in
      let stride = try attributes.integer("stride", default: 1)
      let padding = try attributes.padding()
      return { (graph) throws(RuntimeError) in
        try graph.conv1d(
          x[0], weights: x[1], bias: x.dropFirst(2).first, stride: stride, padding: padding)
      }
    },
    "max_pool2d": pooling { (graph, x, size, stride, padding) throws(RuntimeError) in
      try graph.maxPool2D(x, size: size, stride: stride, padding: padding)
    },
    "average_pool2d": pooling { (graph, x, size, stride, padding) throws(RuntimeError) in
      try graph.averagePool2D(x, size: size, stride: stride, padding: padding)
    },
    "global_average_pool": plain { (graph, x) throws(RuntimeError) in
      try graph.globalAveragePool(x[0])
    },
    "embedding": plain(2...2) { (graph, x) throws(RuntimeError) in
      try graph.embedding(x[0], weights: x[1])
    },
    "dropout": Entry(operands: 1...1) { (x, attributes) throws(PluginError) in
      let rate = Float(try attributes.number("rate"))
      return { (graph) throws(RuntimeError) in try graph.dropout(x[0], rate: rate) }
    },
    "convert": Entry(operands: 1...1) { (x, attributes) throws(PluginError) in
      let scale = Float(try attributes.number("scale", default: 1))
      let offset = Float(try attributes.number("offset", default: 0))
      return { (graph) throws(RuntimeError) in
        try graph.convert(x[0], scale: scale, offset: offset)
      }
    },
    "add": plain(2...2) { (graph, x) throws(RuntimeError) in try graph.add(x[0], x[1]) },
  ]

  private static func pooling(
    _ build:
      @escaping @Sendable (inout Graph, Graph.Value, Int, Int, Padding) throws(RuntimeError) ->
      Graph.Value
  ) -> Entry {
    Entry(operands: 1...1) { (x, attributes) throws(PluginError) in
      let size = try attributes.integer("size")
      let stride = try attributes.integer("stride", default: size)
      let padding = try attributes.padding()
      return { (graph) throws(RuntimeError) in try build(&graph, x[0], size, stride, padding) }
    }
  }

  private static let normalizations: [String: Entry] = [
    "batch_norm": Entry(operands: 5...5) { (x, attributes) throws(PluginError) in
      let epsilon = Float(try attributes.number("epsilon", default: 1e-5))
      let momentum = Float(try attributes.number("momentum", default: 0.1))
      return { (graph) throws(RuntimeError) in
        try graph.batchNormalization(
          x[0], scale: x[1], offset: x[2], runningMean: x[3], runningVariance: x[4],
          epsilon: epsilon, momentum: momentum)
      }
    },
    "layer_norm": Entry(operands: 3...3) { (x, attributes) throws(PluginError) in
      let epsilon = Float(try attributes.number("epsilon", default: 1e-5))
      return { (graph) throws(RuntimeError) in
        try graph.layerNormalization(x[0], scale: x[1], offset: x[2], epsilon: epsilon)
      }
    },
    "rms_norm": Entry(operands: 2...2) { (x, attributes) throws(PluginError) in
      let epsilon = Float(try attributes.number("epsilon", default: 1e-5))
      return { (graph) throws(RuntimeError) in
        try graph.rmsNormalization(x[0], scale: x[1], epsilon: epsilon)
      }
    },
    "softmax": plain { (graph, x) throws(RuntimeError) in try graph.softmax(x[0]) },
    "log_softmax": plain { (graph, x) throws(RuntimeError) in try graph.logSoftmax(x[0]) },
  ]

  private static let shapes: [String: Entry] = [
    "flatten": plain { (graph, x) throws(RuntimeError) in try graph.flatten(x[0]) },
    "reshape": Entry(operands: 1...1) { (x, attributes) throws(PluginError) in
      let rank = try attributes.integer("rank")
      guard (0...8).contains(rank) else {
        throw PluginError(field: "reshape.rank", "expected 0 to 8, came \(rank)")
      }
      var extents: [Int] = []
      for axis in 0..<rank { extents.append(try attributes.integer("extent\(axis)")) }
      let dimensions = extents
      return { (graph) throws(RuntimeError) in try graph.reshape(x[0], to: Shape(dimensions)) }
    },
    "slice": Entry(operands: 1...1) { (x, attributes) throws(PluginError) in
      let axis = try attributes.integer("axis")
      let (start, end) = (try attributes.integer("start"), try attributes.integer("end"))
      guard start >= 0, start <= end else {
        throw PluginError(field: "slice.end", "expected 0 <= start <= end, came \(start), \(end)")
      }
      return { (graph) throws(RuntimeError) in try graph.slice(x[0], axis: axis, start..<end) }
    },
    "concatenate": Entry(operands: 1...64) { (x, attributes) throws(PluginError) in
      let axis = try attributes.integer("axis")
      return { (graph) throws(RuntimeError) in try graph.concatenate(x, axis: axis) }
    },
  ]

  private static let activations: [String: Entry] = Dictionary(
    uniqueKeysWithValues: Activation.allCases.map { activation in
      (
        activation.rawValue,
        plain { (graph, x) throws(RuntimeError) in try graph.activate(x[0], activation) }
      )
    })

  private static let recurrences: [String: Entry] = [
    "lstm": recurrence(.lstm), "gru": recurrence(.gru), "rnn": recurrence(.simple(.tanh)),
  ]

  /// One layer in one direction: the last hidden state, or those of all steps.
  private static func recurrence(_ cell: RecurrentCell) -> Entry {
    let hasRecurrentBias = if case .gru = cell { true } else { false }
    return Entry(operands: hasRecurrentBias ? 5...5 : 4...4) {
      (x, attributes) throws(PluginError) in
      let isReversed = try attributes.number("reversed", default: 0) != 0
      let returnsSequences = try attributes.number("return_sequences", default: 0) != 0
      return { (graph) throws(RuntimeError) in
        let parameters = RecurrentParameters(
          weights: x[1], recurrentWeights: x[2], bias: x[3],
          recurrentBias: hasRecurrentBias ? x[4] : nil)
        let result = try graph.recurrent(cell, x[0], parameters, isReversed: isReversed)
        return returnsSequences ? result.outputs : result.state.hidden
      }
    }
  }

  private static let losses: [String: Entry] = [
    "cross_entropy": Entry(operands: 2...2) { (x, attributes) throws(PluginError) in
      let smoothing = Float(try attributes.number("label_smoothing", default: 0))
      return { (graph) throws(RuntimeError) in
        try graph.crossEntropy(x[0], labels: x[1], smoothing: smoothing)
      }
    },
    "mean_squared_error": loss(.squared), "mean_absolute_error": loss(.absolute),
    "hinge": loss(.hinge), "kullback_leibler": loss(.kullbackLeibler),
    "huber": Entry(operands: 2...2) { (x, attributes) throws(PluginError) in
      let delta = Float(try attributes.number("delta", default: 1))
      return { (graph) throws(RuntimeError) in
        try graph.loss(.huber(delta: delta), x[0], targets: x[1])
      }
    },
    "binary_cross_entropy": Entry(operands: 2...2) { (x, attributes) throws(PluginError) in
      let weight = Float(try attributes.number("positive_weight", default: 1))
      return { (graph) throws(RuntimeError) in
        try graph.loss(.binaryCrossEntropy(positiveWeight: weight), x[0], targets: x[1])
      }
    },
  ]

  private static func loss(_ loss: ElementLoss) -> Entry {
    plain(2...2) { (graph, x) throws(RuntimeError) in try graph.loss(loss, x[0], targets: x[1]) }
  }
}
