// SPDX-License-Identifier: Apache-2.0
public import Runtime

/// One call of a model: its inputs, and afterwards its outputs.
///
/// Made once and used again and again, so that a call allocates nothing but what its outputs need.
///
/// Used by one thread at a time, but not always the same. Set the inputs, call
/// `PluginModel.execute`, read the outputs, `reset()`.
public final class PluginExecution: @unchecked Sendable {
  // Exclusivity is not checked at run time: one thread uses an execution at a time, no access here
  // runs foreign code, and the checks made up half of the cost of a small call.

  /// Rows in this call: 1...`maxBatchSize`, or 0 when the model does not batch.
  @exclusivity(unchecked) public var batchSize = 0
  /// Asked by a long execution, from any thread, whether somebody still waits; must be cheap.
  @exclusivity(unchecked) public var isCancelled: (@Sendable () -> Bool)?
  /// The W3C trace context of the call, a `traceparent` of version 00; nil where the client sent none.
  @exclusivity(unchecked) public var traceParent: String?

  /// The largest rank of a tensor.
  static let maxRank = 8

  let model: PluginModel
  /// What the plugin did wrong, first come; wins over the status that it returns.
  @exclusivity(unchecked) var refusal: PluginError?
  /// What the plugin said about the failure that it is about to return.
  @exclusivity(unchecked) var message: String?
  /// State that an implementation keeps with the execution, for its next call.
  @exclusivity(unchecked) var attachment: AnyObject?
  /// Where outputs go instead of into the model's own memory.
  @exclusivity(unchecked) var outputMemory: (any OutputMemory)?

  @exclusivity(unchecked) private var inputs: [Slot]
  @exclusivity(unchecked) private var outputs: [Slot]
  @exclusivity(unchecked) private var outputByteCount = 0

  /// A tensor of this call.
  ///
  /// The shape stands in `extents`, which never moves.
  struct Slot {
    var datatype: DataType
    var rank = 0
    let extents: UnsafeMutablePointer<Int64>
    var bytes = UnsafeRawBufferPointer(start: nil, count: 0)
    var isSet = false
    /// What keeps `bytes` alive.
    var owner: AnyObject?
    /// The memory that this execution last got for the output, used again if nobody holds it.
    var buffer: OutputBuffer?
    /// What the output counts toward the limit; nil for an alias.
    var ownedByteCount: Int?

    var shape: UnsafeBufferPointer<Int64> { UnsafeBufferPointer(start: extents, count: rank) }
  }

  init(model: PluginModel) {
    self.model = model
    inputs = model.inputs.map(Self.slot)
    outputs = model.outputs.map(Self.slot)
  }

  deinit {
    for slot in inputs + outputs { slot.extents.deallocate() }
  }

  private static func slot(_ specification: TensorSpecification) -> Slot {
    // One more than is allowed, so that a shape of too high a rank can be told from others.
    let extents = UnsafeMutablePointer<Int64>.allocate(capacity: maxRank + 1)
    extents.initialize(repeating: 0, count: maxRank + 1)
    return Slot(datatype: specification.datatype, extents: extents)
  }

  /// Lends an input to the call; nothing is copied.
  ///
  /// - Parameters:
  ///   - shape: with the batch dimension, where the model batches.
  ///   - bytes: dense and row-major; stay in place and unchanged until the outputs are done with,
  ///     because an output may be the same bytes.
  ///   - owner: what keeps `bytes` alive; nil when the caller sees to it.
  /// - Precondition: `index` is one of the model's inputs. Everything else is checked by `execute`.
  public func setInput(
    _ index: Int, datatype: DataType, shape: UnsafeBufferPointer<Int64>,
    bytes: UnsafeRawBufferPointer, owner: AnyObject?
  ) {
    inputs[index].datatype = datatype
    // A rank beyond the limit is kept as one too many, and refused by execute.
    inputs[index].rank = min(shape.count, Self.maxRank + 1)
    for axis in 0..<inputs[index].rank {
      inputs[index].extents[axis] = shape[axis]
    }
    inputs[index].bytes = bytes
    inputs[index].owner = owner
    inputs[index].isSet = true
  }

  /// Lends an input to the call; nothing is copied but the shape.
  public func setInput(
    _ index: Int, datatype: DataType, shape: [Int], bytes: UnsafeRawBufferPointer,
    owner: AnyObject?
  ) {
    withUnsafeTemporaryAllocation(of: Int64.self, capacity: shape.count) { extents in
      _ = extents.initialize(from: shape.lazy.map(Int64.init))
      setInput(
        index, datatype: datatype, shape: UnsafeBufferPointer(extents), bytes: bytes, owner: owner)
    }
  }

  /// How many outputs the model has.
  public var outputCount: Int { outputs.count }

  /// Output `index` of the execution that has ended without an error.
  public func output(_ index: Int) -> PluginOutput {
    PluginOutput(slot: outputs[index], name: model.outputs[index].name)
  }

  /// Calls `body` with what ``output(_:)`` would tell of an output, without copying it together.
  ///
  /// The extents, bytes and owner, as ``PluginOutput`` has them.
  public func withOutput<Result>(
    _ index: Int,
    _ body: (UnsafeBufferPointer<Int64>, UnsafeRawBufferPointer, AnyObject?) -> Result
  ) -> Result {
    body(outputs[index].shape, outputs[index].bytes, outputs[index].owner)
  }

  /// Lets go of the inputs and outputs; output memory stays for the next call unless it is held.
  public func reset() {
    for index in inputs.indices {
      inputs[index].bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      inputs[index].owner = nil
      inputs[index].isSet = false
    }
    clearOutputs()
    batchSize = 0
    isCancelled = nil
    traceParent = nil
  }

  /// Forgets what a call has left behind.
  func clearOutputs() {
    for index in outputs.indices {
      outputs[index].bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      outputs[index].owner = nil
      outputs[index].ownedByteCount = nil
      outputs[index].isSet = false
    }
    outputByteCount = 0
    refusal = nil
    message = nil
  }

  // MARK: What an implementation uses

  /// Input `index`, checked.
  func input(_ index: Int) -> Slot { inputs[index] }

  /// Whether the implementation has set output `index`.
  func hasOutput(_ index: Int) -> Bool { outputs[index].isSet }

  /// Whether nobody waits for the answer any more.
  var shouldStop: Bool { isCancelled?() ?? false }

  /// Memory for output `index`, to be filled before the call returns.
  ///
  /// - Parameter byteCount: needed for `BYTES`; otherwise nil or exact.
  /// - Throws: `.internal` when type or shape are not what the model declared,
  ///   `.resourceExhausted` when the outputs together exceed the limit or memory is out.
  func allocateOutput(
    _ index: Int, datatype: DataType, shape: UnsafeBufferPointer<Int64>, byteCount: Int? = nil
  ) throws(PluginError) -> UnsafeMutableRawBufferPointer {
    let count = try checkOutput(index, datatype: datatype, shape: shape, byteCount: byteCount)
    let limit = model.limits.maxOutputByteCount
    let others = outputByteCount - (outputs[index].ownedByteCount ?? 0)
    guard count <= limit - others else {
      throw PluginError(
        .resourceExhausted,
        "output \(model.outputs[index].name) of \(count) bytes would exceed the limit of \(limit)"
          + " bytes for the outputs of one request")
    }
    let memory = try memory(for: index, byteCount: count)
    set(index, datatype: datatype, shape: shape, bytes: UnsafeRawBufferPointer(memory))
    outputs[index].owner = outputs[index].buffer
    outputs[index].ownedByteCount = count
    outputByteCount = others + count
    return memory
  }

  /// The same with the extents in an array.
  func allocateOutput(
    _ index: Int, datatype: DataType, shape: [Int]
  ) throws(PluginError) -> UnsafeMutableRawBufferPointer {
    // Typed throws do not pass through the closure, so a result carries the error across it.
    let result = withUnsafeTemporaryAllocation(of: Int64.self, capacity: shape.count) {
      extents -> Result<UnsafeMutableRawBufferPointer, PluginError> in
      _ = extents.initialize(from: shape.lazy.map(Int64.init))
      do throws(PluginError) {
        return .success(
          try allocateOutput(index, datatype: datatype, shape: UnsafeBufferPointer(extents)))
      } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }

  /// Makes output `index` the bytes of an input.
  ///
  /// - Throws: `.internal` when type, shape or size do not fit.
  func aliasOutput(
    _ index: Int, input: Int, datatype: DataType, shape: UnsafeBufferPointer<Int64>
  ) throws(PluginError) {
    guard inputs.indices.contains(input) else {
      throw PluginError(.internal, "the plugin aliased input \(input) of \(inputs.count)")
    }
    let bytes = inputs[input].bytes
    let count = try checkOutput(
      index, datatype: datatype, shape: shape, byteCount: datatype == .bytes ? bytes.count : nil)
    guard count == bytes.count else {
      throw PluginError(
        .internal,
        "the plugin made output \(model.outputs[index].name), \(count) bytes, an alias of an input"
          + " of \(bytes.count)")
    }
    if let owned = outputs[index].ownedByteCount { outputByteCount -= owned }
    set(index, datatype: datatype, shape: shape, bytes: bytes)
    outputs[index].owner = inputs[input].owner
    outputs[index].ownedByteCount = nil
  }

  private func set(
    _ index: Int, datatype: DataType, shape: UnsafeBufferPointer<Int64>,
    bytes: UnsafeRawBufferPointer
  ) {
    outputs[index].datatype = datatype
    outputs[index].rank = shape.count
    for axis in 0..<shape.count { outputs[index].extents[axis] = shape[axis] }
    outputs[index].bytes = bytes
    outputs[index].isSet = true
  }

  /// Makes output `index` bytes that somebody else has filled.
  ///
  /// - Parameter owner: what keeps `bytes` alive and in place.
  /// - Throws: as `allocateOutput` does.
  func lendOutput(
    _ index: Int, datatype: DataType, shape: UnsafeBufferPointer<Int64>,
    bytes: UnsafeRawBufferPointer, owner: AnyObject
  ) throws(PluginError) {
    let count = try checkOutput(
      index, datatype: datatype, shape: shape, byteCount: bytes.count)
    guard count <= model.limits.maxOutputByteCount - outputByteCount else {
      throw PluginError(
        .resourceExhausted,
        "output \(model.outputs[index].name) of \(count) bytes would exceed the limit of"
          + " \(model.limits.maxOutputByteCount) bytes for the outputs of one request")
    }
    set(index, datatype: datatype, shape: shape, bytes: bytes)
    outputs[index].owner = owner
    outputs[index].ownedByteCount = count
    outputByteCount += count
  }

  /// The memory of the last call if nobody holds it and it is not far too large, or other memory.
  private func memory(
    for index: Int, byteCount: Int
  ) throws(PluginError) -> UnsafeMutableRawBufferPointer {
    outputs[index].owner = nil
    if let outputMemory { return try outputMemory.take(byteCount: byteCount) }
    if let kept = outputs[index].buffer?.memory, kept.count >= byteCount,
      kept.count / 4 <= max(byteCount, 64), isKnownUniquelyReferenced(&outputs[index].buffer)
    {
      return UnsafeMutableRawBufferPointer(rebasing: kept[..<byteCount])
    }
    outputs[index].buffer = nil
    guard let buffer = model.outputPool.take(byteCount: byteCount) else {
      throw PluginError(.resourceExhausted, "no memory for an output of \(byteCount) bytes")
    }
    outputs[index].buffer = buffer
    return UnsafeMutableRawBufferPointer(rebasing: buffer.memory[..<byteCount])
  }

  private func checkOutput(
    _ index: Int, datatype: DataType, shape: UnsafeBufferPointer<Int64>, byteCount: Int?
  ) throws(PluginError) -> Int {
    guard outputs.indices.contains(index) else {
      throw PluginError(.internal, "the plugin set output \(index) of \(outputs.count)")
    }
    let declared = model.outputs[index]
    guard shape.count <= Self.maxRank, datatype == declared.datatype,
      model.outputShapes[index].matches(shape, rows: batchSize)
    else {
      throw PluginError(
        .internal,
        "the plugin made output \(declared.name) \(datatype.rawValue) \(Array(shape)), declared as"
          + " \(declared.datatype.rawValue) \(declared.shape)"
          + (model.maxBatchSize > 0 ? " with a batch of \(batchSize)" : ""))
    }
    guard let count = datatype == .bytes ? byteCount : Extents.byteCount(shape, of: datatype),
      count >= 0, byteCount == nil || byteCount == count
    else {
      throw PluginError(
        .internal,
        "the plugin made output \(declared.name) \(datatype.rawValue) \(Array(shape)) with an"
          + " impossible size")
    }
    return count
  }
}

/// Where the outputs of an execution go.
protocol OutputMemory: AnyObject {
  /// Memory for one output, valid until the execution's next call, aligned to 64 bytes.
  ///
  /// - Throws: `.resourceExhausted` when there is no more.
  func take(byteCount: Int) throws(PluginError) -> UnsafeMutableRawBufferPointer
}

/// An output of an execution.
public struct PluginOutput {
  /// The output's name.
  public let name: String
  /// The element type.
  public let datatype: DataType
  /// The bytes, valid while `owner` is held, or until the execution's next call when it is nil.
  public let bytes: UnsafeRawBufferPointer
  /// What keeps `bytes` alive: the output's own memory, or the owner of the input that it aliases.
  public let owner: AnyObject?
  private let slot: PluginExecution.Slot

  init(slot: PluginExecution.Slot, name: String) {
    self.name = name
    self.slot = slot
    datatype = slot.datatype
    bytes = slot.bytes
    owner = slot.owner
  }

  /// The extents, with the batch dimension; valid until the execution's next call.
  public var extents: UnsafeBufferPointer<Int64> { slot.shape }

  /// The extents, with the batch dimension.
  public var shape: [Int] { slot.shape.map(Int.init) }
}
