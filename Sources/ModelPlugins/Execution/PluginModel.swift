// SPDX-License-Identifier: Apache-2.0
public import Runtime

/// A loaded model of a plugin.
///
/// Released, it frees what the plugin holds for it.
public final class PluginModel: Sendable {
  /// What a call gives, in order.
  ///
  /// With batching, shapes are those of one row.
  public let inputs: [TensorSpecification]
  /// What a call answers, in order.
  ///
  /// With batching, shapes are those of one row.
  public let outputs: [TensorSpecification]
  /// The most rows of one call; 0 when the tensors have no batch dimension.
  public let maxBatchSize: Int
  /// Whether a call is shorter than a hand-over to another thread and never blocks, so that it may
  /// run on an event loop.
  public let executesInline: Bool
  /// Memory held while the model is loaded, in bytes; 0 when the plugin does not say.
  public let memoryByteCount: Int

  /// The plugin that the model is of.
  public let plugin: ModelPlugin
  let limits: PluginLimits
  let outputPool: OutputPool
  let outputShapes: [ShapePattern]
  private let inputShapes: [ShapePattern]
  private let implementation: any ModelImplementation

  init(plugin: ModelPlugin, implementation: any ModelImplementation) throws(PluginError) {
    self.plugin = plugin
    self.implementation = implementation
    inputs = implementation.inputs
    outputs = implementation.outputs
    maxBatchSize = implementation.maxBatchSize
    executesInline = implementation.executesInline
    memoryByteCount = implementation.memoryByteCount
    limits = plugin.limits
    outputPool = OutputPool(maxIdleByteCount: plugin.limits.maxIdleOutputByteCount)
    let isBatched = implementation.maxBatchSize > 0
    let pattern = { (tensor: TensorSpecification) in
      ShapePattern(extents: tensor.shape.map(Int64.init), isBatched: isBatched)
    }
    inputShapes = implementation.inputs.map(pattern)
    outputShapes = implementation.outputs.map(pattern)
    try Self.check(implementation, of: plugin)
  }

  /// Whether a call would be answered now; false while an isolated plugin is being started again.
  public var isAvailable: Bool { implementation.isAvailable }

  /// Has `body` called, from any thread, whenever `isAvailable` may have changed; one at a time.
  public func onAvailabilityChange(_ body: @escaping @Sendable () -> Void) {
    implementation.onAvailabilityChange(body)
  }

  /// Makes the object that carries a call's tensors; keep a few and use them again.
  public func makeExecution() -> PluginExecution {
    PluginExecution(model: self)
  }

  /// Memory to put the inputs of several requests together in, for the next call of `execution`; nil
  /// where any memory is as good, and for tensors of `BYTES`, whose sizes a worker must not change
  /// while they are read.
  public func lendInputs(byteCounts: [Int], for execution: PluginExecution) -> LentInputs? {
    guard inputs.allSatisfy({ $0.datatype != .bytes }) else { return nil }
    return implementation.lendInputs(byteCounts: byteCounts, for: execution)
  }

  /// Checks one input as `execute` does, before it is put into a batch.
  ///
  /// - Returns: its rows; 0 when the model does not batch.
  /// - Throws: `.invalidArgument` with a violation of `inputs[index].datatype`, `.shape` or
  ///   `.contents`.
  public func checkInput(
    _ index: Int, datatype: DataType, shape: UnsafeBufferPointer<Int64>,
    bytes: UnsafeRawBufferPointer
  ) throws(PluginError) -> Int {
    var rows = 0
    if maxBatchSize > 0 {
      // A first extent that is no batch matches nothing, and the check that follows says so.
      rows =
        shape.first.flatMap { (1...Int64(maxBatchSize)).contains($0) ? Int($0) : nil } ?? Int.min
    }
    try check(index, datatype: datatype, shape: shape, bytes: bytes, rows: rows)
    return rows
  }

  /// Runs the model on the inputs of `execution`, whose outputs are then set.
  ///
  /// Thread-safe, for different executions.
  ///
  /// - Throws: `.invalidArgument` with violations when the inputs are not as declared, `.internal`
  ///   when the plugin broke its contract, and what the plugin reports.
  public func execute(_ execution: PluginExecution) throws(PluginError) {
    precondition(execution.model === self, "an execution belongs to one model")
    execution.clearOutputs()
    try check(execution)
    try implementation.execute(execution)
    if let refusal = execution.refusal { throw refusal }
    for index in outputs.indices where !execution.hasOutput(index) {
      throw PluginError(
        .internal, "plugin \(plugin.name) did not set output \(outputs[index].name)")
    }
  }

  private func check(_ execution: PluginExecution) throws(PluginError) {
    let rows = execution.batchSize
    guard maxBatchSize > 0 ? (1...maxBatchSize).contains(rows) : rows == 0 else {
      throw PluginError(
        field: "inputs",
        maxBatchSize > 0
          ? "expected a batch of 1...\(maxBatchSize) rows, came \(rows)"
          : "the model does not batch, came a batch of \(rows)")
    }
    for index in inputs.indices {
      let input = execution.input(index)
      guard input.isSet else {
        throw PluginError(field: "inputs", "input \(inputs[index].name) is missing")
      }
      try check(
        index, datatype: input.datatype, shape: input.shape, bytes: input.bytes, rows: rows)
    }
  }

  private func check(
    _ index: Int, datatype: DataType, shape: UnsafeBufferPointer<Int64>,
    bytes: UnsafeRawBufferPointer, rows: Int
  ) throws(PluginError) {
    guard datatype == inputs[index].datatype else {
      throw PluginError(
        field: "inputs[\(index)].datatype",
        "expected \(inputs[index].datatype.rawValue) for \(inputs[index].name), came"
          + " \(datatype.rawValue)")
    }
    guard shape.count <= PluginExecution.maxRank, inputShapes[index].matches(shape, rows: rows)
    else {
      throw PluginError(field: "inputs[\(index)].shape", shapeMismatch(inputs[index], shape))
    }
    let expected =
      datatype == .bytes ? Extents.product(shape) : Extents.byteCount(shape, of: datatype)
    let came = datatype == .bytes ? BytesElements.count(in: bytes) : bytes.count
    guard let expected, expected == came else {
      let unit = datatype == .bytes ? "whole elements" : "bytes"
      throw PluginError(
        field: "inputs[\(index)].contents",
        "expected \(expected.map(String.init) ?? "fewer") \(unit) for"
          + " \(datatype.rawValue) \(Array(shape)) of \(inputs[index].name), came"
          + " \(came.map(String.init) ?? "an element cut short")")
    }
  }

  private func shapeMismatch(
    _ declared: TensorSpecification, _ shape: UnsafeBufferPointer<Int64>
  ) -> String {
    let row = declared.shape.map(String.init)
    let expected = (maxBatchSize > 0 ? ["1...\(maxBatchSize)"] : []) + row
    return "expected [\(expected.joined(separator: ", "))] for \(declared.name),"
      + " came \(Array(shape.prefix(PluginExecution.maxRank + 1)))"
  }

  /// What a model says of itself, checked once, so that every call may rely on it.
  private static func check(
    _ model: any ModelImplementation, of plugin: ModelPlugin
  ) throws(PluginError) {
    let rank = PluginExecution.maxRank - (model.maxBatchSize > 0 ? 1 : 0)
    func refuse(_ what: String) -> PluginError {
      PluginError(.internal, "plugin \(plugin.name) made a model with \(what)")
    }
    guard model.maxBatchSize >= 0, model.memoryByteCount >= 0 else {
      throw refuse("a negative size")
    }
    for (kind, tensors) in [("inputs", model.inputs), ("outputs", model.outputs)] {
      guard (1...64).contains(tensors.count) else {
        throw refuse("\(tensors.count) \(kind), expected 1...64")
      }
      guard Set(tensors.map(\.name)).count == tensors.count else {
        throw refuse("two \(kind) of one name")
      }
      for tensor in tensors {
        guard !tensor.name.isEmpty, tensor.name.utf8.count <= 256, tensor.shape.count <= rank,
          tensor.shape.allSatisfy({ $0 >= -1 }),
          Extents.product(tensor.shape.map { max($0, 0) }) != nil
        else {
          throw refuse("an impossible description among its \(kind): \(tensor)")
        }
      }
    }
  }
}
