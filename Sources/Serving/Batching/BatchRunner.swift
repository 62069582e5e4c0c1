// SPDX-License-Identifier: Apache-2.0
import ModelPlugins
import RPCTransport
import Runtime

/// Runs a batch: puts the requests' tensors together, calls the model, hands each request its rows.
///
/// A batch of one request is lent in place. In a larger one every tensor is copied once, into the
/// batch; answers are slices of the batch's outputs and share them.
struct BatchRunner: Sendable {
  let pool: BufferPool
  let writer: InferResponseWriter

  init(pool: BufferPool) {
    self.pool = pool
    writer = InferResponseWriter(pool: pool)
  }

  /// Runs `batch`, whose requests are of one model and fit each other, and answers all of them.
  ///
  /// - Parameter start: now, as the caller knows already. The clock is read as seldom as the
  ///   statistics allow: a read is a fortieth of a small request.
  func run(_ batch: [PendingInference], start: ContinuousClock.Instant) {
    guard let first = batch.first else { return }
    let loaded = first.loaded
    let execution = loaded.takeExecution()
    defer { loaded.giveBack(execution) }
    var times = InferenceCounters.Batch()
    times.requests = batch.count
    times.rows = batch.reduce(0) { $0 + $1.rows }
    for (index, input) in loaded.signature.inputs.enumerated() {
      guard let tensor = batch.count == 1 ? first.request.inputs[index] : join(batch, index)
      else {
        return fail(
          batch, PluginError(.resourceExhausted, "no memory for a batch of tensors"), loaded)
      }
      execution.setInput(index, tensor, datatype: input.datatype)
    }
    // A single request is lent, which takes no time to speak of.
    let ready = batch.count == 1 ? start : ContinuousClock.now
    do throws(PluginError) {
      try execution.execute(
        rows: loaded.signature.isBatched ? times.rows : 0,
        isCancelled: { batch.allSatisfy { $0.call.isCancelled } })
    } catch {
      fail(batch, error, loaded)
      return
    }
    let executed = ContinuousClock.now
    guard answer(batch, from: execution, loaded) else { return }
    let end = ContinuousClock.now
    times.computeInput = ready - start
    times.computeInfer = executed - ready
    times.computeOutput = end - executed
    for request in batch {
      times.queue += start - request.arrival
      times.total += end - request.arrival
    }
    loaded.counters.record(times)
  }

  /// The tensors of input `index`, one behind the other; nil where there is no memory for them.
  private func join(_ batch: [PendingInference], _ index: Int) -> InferTensor? {
    var tensor = batch[0].request.inputs[index]
    let count = batch.reduce(0) { $0 + $1.request.inputs[index].bytes.count }
    guard let buffer = pool.bufferIfAvailable(capacity: count) else { return nil }
    for request in batch { buffer.append(request.request.inputs[index].bytes) }
    tensor.extents[0] = Int64(batch.reduce(0) { $0 + $1.rows })
    tensor.bytes = buffer.bytes
    tensor.owner = buffer
    return tensor
  }

  /// - Returns: false when the model's outputs cannot be told apart, and the requests have failed.
  private func answer(
    _ batch: [PendingInference], from execution: any InferenceExecution, _ loaded: LoadedModel
  ) -> Bool {
    var slicers = loaded.signature.outputs.indices.map { index in
      RowSlicer(execution.output(index), datatype: loaded.signature.outputs[index].datatype)
    }
    let isWhole = batch.count == 1
    for (position, pending) in batch.enumerated() {
      var outputs: [(index: Int, tensor: InferOutput)] = []
      outputs.reserveCapacity(slicers.count)
      for index in slicers.indices {
        guard let tensor = isWhole ? slicers[index].whole : slicers[index].next(pending.rows)
        else {
          fail(
            Array(batch[position...]),
            PluginError(.internal, "an output does not divide into the rows of the batch"), loaded)
          return false
        }
        outputs.append((index, tensor))
      }
      if let requested = pending.request.requestedOutputs {
        outputs = requested.map { outputs[$0] }
      }
      pending.call.succeed(
        writer.write(
          modelName: pending.request.modelName, version: loaded.versionText,
          id: pending.request.id, signature: loaded.signature, outputs: outputs))
    }
    return true
  }

  private func fail(_ batch: [PendingInference], _ error: PluginError, _ loaded: LoadedModel) {
    // What is wrong with the values of one request (an index out of range) is not the others' fault.
    if error.code == .invalidArgument, batch.count > 1 {
      for request in batch { run([request], start: .now) }
      return
    }
    let now = ContinuousClock.now
    loaded.counters.recordFailure(
      requests: batch.count, total: batch.reduce(.zero) { $0 + (now - $1.arrival) })
    let error = ServingError(error)
    for request in batch { request.call.fail(error) }
  }
}

/// Cuts an output of a batch into the rows of its requests.
private struct RowSlicer {
  let whole: InferOutput
  private let rowByteCount: Int?
  private let elementsInRow: Int
  private var offset = 0

  init(_ output: InferOutput, datatype: DataType) {
    whole = output
    let rows = Int(output.rank > 0 ? output.extents[0] : 0)
    let isEven = datatype.byteCount != nil && rows > 0 && output.bytes.count % rows == 0
    rowByteCount = isEven ? output.bytes.count / rows : nil
    elementsInRow =
      datatype == .bytes
      ? (1..<max(output.rank, 1)).reduce(1) { $0 * Int(output.extents[$1]) } : 0
  }

  /// The next `rows` rows; nil when they are not there.
  mutating func next(_ rows: Int) -> InferOutput? {
    let end =
      rowByteCount.map { offset + $0 * rows }
      ?? (elementsInRow > 0
        ? BytesElements.end(of: elementsInRow * rows, from: offset, in: whole.bytes) : nil)
    guard let end, end <= whole.bytes.count else { return nil }
    var slice = whole
    slice.extents[0] = Int64(rows)
    slice.bytes = UnsafeRawBufferPointer(rebasing: whole.bytes[offset..<end])
    offset = end
    return slice
  }
}
