// SPDX-License-Identifier: Apache-2.0
import Runtime

/// A learned table that answers: the best action in a state, and the values of all.
final class TabularModel: ModelImplementation {
  /// The artifact `model.json`.
  struct Description {
    var rule: TabularRule
    var stateCount: Int
    var actionCount: Int
    var maxBatchSize: Int

    var text: String {
      ([
        "format": .string("massif.\(rule.rawValue)/1"), "states": .integer(stateCount),
        "actions": .integer(actionCount), "max_batch_size": .integer(maxBatchSize),
      ] as JSONValue).text + "\n"
    }

    /// - Throws: `.invalidArgument` with the path of what is wrong.
    init(_ artifact: Artifact, rule: TabularRule) throws(PluginError) {
      let list = ViolationList()
      let fields = FieldReader(
        try JSONValue(
          parsing: String(decoding: artifact.bytes, as: UTF8.self), name: artifact.name),
        path: artifact.name, keys: ["format", "states", "actions", "max_batch_size"], list: list)
      if fields["format"] != .string("massif.\(rule.rawValue)/1") {
        fields.refuse(
          "format",
          "expected \"massif.\(rule.rawValue)/1\", came \(fields["format"]?.excerpt ?? "nothing")")
      }
      self.rule = rule
      stateCount = fields.integer("states", 1...1 << 27)
      actionCount = fields.integer("actions", 1...1 << 27)
      maxBatchSize = fields.integer("max_batch_size", 1...4096)
      try list.check()
    }

    init(rule: TabularRule, stateCount: Int, actionCount: Int, maxBatchSize: Int) {
      self.rule = rule
      self.stateCount = stateCount
      self.actionCount = actionCount
      self.maxBatchSize = maxBatchSize
    }
  }

  let inputs = [TensorSpecification(name: "observation", datatype: .int64, shape: [1])]
  let outputs: [TensorSpecification]
  let maxBatchSize: Int
  /// Looking a row up is shorter than a hand-over between threads.
  let executesInline = true
  let memoryByteCount: Int

  private let values: [Float]
  private let actions: [Int64]
  private let stateCount: Int
  private let actionCount: Int

  init(_ description: Description, weights: Artifact) throws(PluginError) {
    stateCount = description.stateCount
    actionCount = description.actionCount
    maxBatchSize = description.maxBatchSize
    let stored: [Double] = try TensorBundle(parsing: weights.bytes, name: weights.name).values(
      "q_values", shape: [description.stateCount, description.actionCount])
    values = stored.map { Float($0) }
    let width = description.actionCount
    actions = (0..<description.stateCount).map { state in
      let row = stored[state * width..<(state + 1) * width]
      var best = row.startIndex
      for index in row.indices where row[index] > row[best] { best = index }
      return Int64(best - row.startIndex)
    }
    memoryByteCount = values.count * 4 + actions.count * 8
    outputs = [
      TensorSpecification(name: "action", datatype: .int64, shape: [1]),
      TensorSpecification(name: "q_values", datatype: .fp32, shape: [actionCount]),
    ]
  }

  func execute(_ execution: PluginExecution) throws(PluginError) {
    let rows = execution.batchSize
    let states = execution.input(0).bytes
    for row in 0..<rows {
      let state = states.loadUnaligned(fromByteOffset: row * 8, as: Int64.self)
      guard (0..<Int64(stateCount)).contains(state) else {
        throw PluginError(
          field: "inputs[0].contents",
          "expected states in 0..<\(stateCount) in observation, came \(state)")
      }
    }
    let action = try execution.allocateOutput(0, datatype: .int64, shape: [rows, 1])
    let value = try execution.allocateOutput(1, datatype: .fp32, shape: [rows, actionCount])
    for row in 0..<rows {
      let state = Int(states.loadUnaligned(fromByteOffset: row * 8, as: Int64.self))
      action.storeBytes(of: actions[state], toByteOffset: row * 8, as: Int64.self)
      values.withUnsafeBytes { values in
        UnsafeMutableRawBufferPointer(
          rebasing: value[row * actionCount * 4..<(row + 1) * actionCount * 4]
        ).copyMemory(
          from: UnsafeRawBufferPointer(
            rebasing: values[state * actionCount * 4..<(state + 1) * actionCount * 4]))
      }
    }
  }
}
