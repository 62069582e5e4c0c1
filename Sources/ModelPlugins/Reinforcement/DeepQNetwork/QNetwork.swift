// SPDX-License-Identifier: Apache-2.0
import Runtime

/// The network of action values as a graph: dense layers, one head or, duelling, two.
struct QNetwork {
  /// The artifact `model.json`.
  struct Description: Sendable, Hashable {
    var observationShape: [Int]
    var actionCount: Int
    var hidden: [Int]
    var isDuelling: Bool
    var maxBatchSize: Int
  }

  let description: Description
  private(set) var graph = Graph()
  /// Q(s, ·).
  let values: Graph.Value

  /// - Throws: `.resourceExhausted` for a network that is too large.
  init(_ description: Description) throws(PluginError) {
    self.description = description
    do throws(RuntimeError) {
      var builder = Builder()
      var x = try builder.graph.input(
        "observation", .fp32, shape: Shape([description.elementCount]))
      // The streams of a duelling network part before the last hidden layer.
      let shared = description.isDuelling ? description.hidden.dropLast() : description.hidden[...]
      var width = description.elementCount
      for (index, units) in shared.enumerated() {
        x = try builder.dense(x, width, units, "layers.\(index).", .relu)
        width = units
      }
      if description.isDuelling, let last = description.hidden.last {
        let value = try builder.dense(x, width, last, "value.0.", .relu)
        let advantages = try builder.dense(x, width, last, "advantages.0.", .relu)
        values = try builder.graph.duelling(
          value: try builder.dense(value, last, 1, "value.1.", nil),
          advantages: try builder.dense(
            advantages, last, description.actionCount, "advantages.1.", nil))
      } else {
        values = try builder.dense(
          x, width, description.actionCount, "layers.\(shared.count).", nil)
      }
      graph = builder.graph
    } catch {
      throw PluginError(error, field: "configuration.network")
    }
  }

  /// Adds the loss for a batch of transitions.
  mutating func addLoss(
    _ loss: TemporalDifferenceLoss
  ) throws(PluginError) -> (loss: Graph.Value, errors: Graph.Value) {
    do throws(RuntimeError) {
      let actions = try graph.input("actions", .int32, shape: .scalar)
      let targets = try graph.input("targets", .fp32, shape: .scalar)
      let weights = try graph.input("weights", .fp32, shape: .scalar)
      return try graph.temporalDifference(
        values, actions: actions, targets: targets, weights: weights, loss)
    } catch {
      throw PluginError(error)
    }
  }

  private struct Builder {
    var graph = Graph()

    mutating func dense(
      _ x: Graph.Value, _ width: Int, _ units: Int, _ prefix: String, _ activation: Activation?
    ) throws(RuntimeError) -> Graph.Value {
      let weights = try graph.parameter(
        prefix + "weight", shape: Shape([width, units]), .fanInUniform(fanIn: width))
      let bias = try graph.parameter(prefix + "bias", shape: Shape([units]), .zeros)
      let sum = try graph.dense(x, weights: weights, bias: bias)
      guard let activation else { return sum }
      return try graph.activate(sum, activation)
    }
  }
}

extension QNetwork.Description {
  private static let format = "massif.dqn/1"

  /// Numbers in one observation.
  var elementCount: Int { observationShape.reduce(1, *) }

  /// Numbers in all parameters together.
  var parameterCount: Int {
    var (count, width) = (0, elementCount)
    let shared = isDuelling ? hidden.dropLast() : hidden[...]
    for units in shared {
      count += (width + 1) * units
      width = units
    }
    guard isDuelling, let last = hidden.last else { return count + (width + 1) * actionCount }
    return count + 2 * (width + 1) * last + (last + 1) * (1 + actionCount)
  }

  /// The artifact's text.
  var text: String {
    ([
      "format": .string(Self.format),
      "observation": .array(observationShape.map { .integer($0) }),
      "actions": .integer(actionCount), "hidden": .array(hidden.map { .integer($0) }),
      "duelling": .bool(isDuelling), "max_batch_size": .integer(maxBatchSize),
    ] as JSONValue).text + "\n"
  }

  /// Reads the artifact.
  ///
  /// - Throws: `.invalidArgument` with the path of what is wrong.
  init(_ artifact: Artifact) throws(PluginError) {
    let list = ViolationList()
    let fields = FieldReader(
      try JSONValue(
        parsing: String(decoding: artifact.bytes, as: UTF8.self), name: artifact.name),
      path: artifact.name,
      keys: ["format", "observation", "actions", "hidden", "duelling", "max_batch_size"],
      list: list)
    if fields["format"] != .string(Self.format) {
      fields.refuse(
        "format", "expected \"\(Self.format)\", came \(fields["format"]?.excerpt ?? "nothing")")
    }
    let shape = fields.extents(
      "observation", maxElementCount: EnvironmentSpecification.maxElementCount)
    actionCount = fields.integer("actions", 2...1024)
    hidden = fields.units("hidden", default: [])
    if hidden.isEmpty { fields.refuse("hidden", "expected an array, but it is missing") }
    isDuelling = fields.bool("duelling", default: false)
    maxBatchSize = fields.integer("max_batch_size", 1...4096)
    observationShape = shape ?? [1]
    try list.check()
  }
}
