// SPDX-License-Identifier: Apache-2.0
import ModelPlugins
import RPCTransport
import Runtime

/// Runs a batch: puts the requests' tensors together, calls the model, hands each request its rows.
///
/// A request that runs alone is lent in place, and no memory is taken for it. In a larger batch
/// every tensor is copied once, into the batch; answers are slices of the batch's outputs and share
/// them.
struct BatchRunner: Sendable {
  let pool: BufferPool
  let writer: InferResponseWriter

  init(pool: BufferPool) {
    self.pool = pool
    writer = InferResponseWriter(pool: pool)
  }

  // MARK: One request

  /// Runs one request by itself and answers it.
  ///
  /// The clock is read as seldom as the statistics allow: a read is a fortieth of a small request.
  ///
  /// - Parameters:
  ///   - queued: how long the request has waited for this, in nanoseconds.
  ///   - start: now, as the caller knows already.
  ///   - isCancelled: asked by a long execution; nil for one that is too short to ask.
  func run(
    _ request: borrowing InferRequest, for call: some InferenceCall, on loaded: LoadedModel,
    queued: UInt64, start: MonotonicTime, isCancelled: (@Sendable () -> Bool)?
  ) {
    let execution = loaded.takeExecution()
    defer { loaded.giveBack(execution) }
    let signature = loaded.signature
    for index in request.inputs.indices {
      execution.setInput(
        index, request.inputs[index], datatype: signature.inputs[index].datatype)
    }
    if let trace = call.traceParent { execution.carry(traceParent: trace) }
    do throws(PluginError) {
      try execution.execute(
        rows: signature.isBatched ? request.rows : 0, isCancelled: isCancelled)
    } catch {
      loaded.counters.recordFailure(
        requests: 1, nanoseconds: queued &+ MonotonicTime.now.since(start))
      return call.fail(ServingError(error))
    }
    let executed = MonotonicTime.now
    call.succeed(
      writer.write(
        modelName: request.modelName, version: loaded.versionText, id: request.id,
        signature: signature,
        outputs: InferOutputs(of: execution, request.requestedOutputs, signature),
        buffer: { call.responseBuffer(capacity: $0) }))
    let end = MonotonicTime.now
    // Lending the inputs takes no time to speak of.
    loaded.counters.record(
      InferenceCounters.Batch(
        requests: 1, rows: max(request.rows, 1), queue: queued,
        total: queued &+ end.since(start), computeInfer: executed.since(start),
        computeOutput: end.since(executed)))
  }

  // MARK: Several

  /// Runs `batch`, whose requests are of one model and fit each other, and answers all of them.
  ///
  /// - Parameter start: now, as the caller knows already.
  func run(_ batch: [PendingInference], start: ContinuousClock.Instant) {
    guard let first = batch.first else { return }
    let begin = MonotonicTime.now
    guard batch.count > 1 else {
      return run(
        first.request, for: first.call, on: first.loaded,
        queued: (start - first.arrival).nanoseconds, start: begin,
        isCancelled: { first.call.isCancelled })
    }
    let loaded = first.loaded
    let execution = loaded.takeExecution()
    defer { loaded.giveBack(execution) }
    var times = InferenceCounters.Batch()
    times.requests = batch.count
    times.rows = batch.reduce(0) { $0 + $1.rows }
    let lent = execution.lendInputs(
      byteCounts: first.request.inputs.indices.map { byteCount(of: batch, $0) })
    for (index, input) in loaded.signature.inputs.enumerated() {
      guard let tensor = join(batch, index, in: lent) else {
        let error = PluginError(.resourceExhausted, "no memory for a batch of tensors")
        return fail(batch, error, loaded, queued: 0, begin: begin)
      }
      execution.setInput(index, tensor, datatype: input.datatype)
    }
    if let trace = batch.lazy.compactMap(\.call.traceParent).first {
      execution.carry(traceParent: trace)
    }
    let ready = MonotonicTime.now
    for request in batch { times.queue &+= (start - request.arrival).nanoseconds }
    do throws(PluginError) {
      try execution.execute(
        rows: loaded.signature.isBatched ? times.rows : 0,
        isCancelled: { batch.allSatisfy { $0.call.isCancelled } })
    } catch {
      fail(batch, error, loaded, queued: times.queue, begin: begin)
      return
    }
    let executed = MonotonicTime.now
    guard answer(batch, from: execution, loaded) else { return }
    let end = MonotonicTime.now
    times.computeInput = ready.since(begin)
    times.computeInfer = executed.since(ready)
    times.computeOutput = end.since(executed)
    times.total = times.queue &+ end.since(begin) &* UInt64(batch.count)
    loaded.counters.record(times)
  }

  /// The tensors of input `index`, one behind the other; nil where there is no memory for them.
  private func join(
    _ batch: [PendingInference], _ index: Int, in lent: LentInputs?
  ) -> InferTensor? {
    var tensor = batch[0].request.inputs[index]
    tensor.extents[0] = Int64(batch.reduce(0) { $0 + $1.rows })
    if let lent {
      for request in batch { lent.append(request.request.inputs[index].bytes, to: index) }
      tensor.bytes = lent.bytes(index)
      tensor.owner = nil
      return tensor
    }
    guard let buffer = pool.bufferIfAvailable(capacity: byteCount(of: batch, index)) else {
      return nil
    }
    for request in batch { buffer.append(request.request.inputs[index].bytes) }
    tensor.bytes = buffer.bytes
    tensor.owner = buffer
    return tensor
  }

  private func byteCount(of batch: [PendingInference], _ index: Int) -> Int {
    batch.reduce(0) { $0 + $1.request.inputs[index].bytes.count }
  }

  /// - Returns: false when the model's outputs cannot be told apart, and the requests have failed.
  private func answer(
    _ batch: [PendingInference], from execution: any InferenceExecution, _ loaded: LoadedModel
  ) -> Bool {
    var slicers = loaded.signature.outputs.indices.map { index in
      RowSlicer(execution.output(index), datatype: loaded.signature.outputs[index].datatype)
    }
    for (position, pending) in batch.enumerated() {
      var outputs: [InferOutput] = []
      outputs.reserveCapacity(slicers.count)
      for index in slicers.indices {
        guard let tensor = slicers[index].next(pending.rows) else {
          let error = ServingError(
            PluginError(.internal, "an output does not divide into the rows of the batch"))
          loaded.counters.recordFailure(requests: batch.count - position, nanoseconds: 0)
          for request in batch[position...] { request.call.fail(error) }
          return false
        }
        outputs.append(tensor)
      }
      pending.call.succeed(
        writer.write(
          modelName: pending.request.modelName, version: loaded.versionText,
          id: pending.request.id, signature: loaded.signature,
          outputs: InferOutputs(outputs, pending.request.requestedOutputs)))
    }
    return true
  }

  private func fail(
    _ batch: [PendingInference], _ error: PluginError, _ loaded: LoadedModel, queued: UInt64,
    begin: MonotonicTime
  ) {
    // What is wrong with the values of one request (an index out of range) is not the others' fault.
    if error.code == .invalidArgument {
      for request in batch { run([request], start: .now) }
      return
    }
    loaded.counters.recordFailure(
      requests: batch.count,
      nanoseconds: queued &+ MonotonicTime.now.since(begin) &* UInt64(batch.count))
    let error = ServingError(error)
    for request in batch { request.call.fail(error) }
  }
}

/// Cuts an output of a batch into the rows of its requests.
private struct RowSlicer {
  private let whole: InferOutput
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
