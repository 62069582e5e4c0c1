// SPDX-License-Identifier: Apache-2.0
import ModelPlugins
import RPCTransport
import Runtime
import Testing

@testable import Serving

/// A model behind a batcher, without a manager.
struct BatchingBench {
  let model: IdentityModel
  let loaded: LoadedModel
  let executors: ExecutorPool
  let batcher: DynamicBatcher
  let gate = InFlightGate()

  init(_ model: IdentityModel, _ policy: BatchingPolicy, executorCount: Int = 1) {
    self.model = model
    loaded = LoadedModel(model, version: 1)
    executors = ExecutorPool(threadCount: executorCount)
    batcher = DynamicBatcher(
      policy: policy, executors: executors, runner: BatchRunner(pool: BufferPool()))
  }

  /// Enqueues rows of [4] floats whose bytes are all `value`.
  @discardableResult
  func send(
    _ value: UInt8, rows: Int = 1, outputs: [Int]? = nil, queueTimeout: Duration? = nil,
    deadline: ContinuousClock.Instant? = nil, traceParent: String? = nil
  ) throws -> TestCall {
    let call = TestCall(deadline: deadline, traceParent: traceParent)
    let buffer = PooledBuffer(copying: [UInt8](repeating: value, count: 16 * rows))
    var tensor = InferTensor()
    tensor.rank = 2
    tensor.extents[0] = Int64(rows)
    tensor.extents[1] = 4
    tensor.bytes = buffer.bytes
    tensor.owner = buffer
    var inputs = InferTensors(count: 1)
    inputs[0] = tensor
    guard let lease = gate.enter() else { throw ServingError(.unavailable, "closed") }
    batcher.enqueue(
      PendingInference(
        call: call,
        request: InferRequest(
          modelName: "m", id: "\(value)", inputs: inputs, rows: rows,
          requestedOutputs: outputs, queueTimeout: queueTimeout),
        lease: lease, loaded: loaded, arrival: .now))
    return call
  }
}

@Suite(.timeLimit(.minutes(1))) struct DynamicBatcherTests {
  @Test func aCallCarriesTheTraceOfItsFirstRequestThatHasOne() async throws {
    let gate = Gate()
    let bench = BatchingBench(IdentityModel(gate: gate), BatchingPolicy(maxBatchSize: 8))
    let alone = try bench.send(1, traceParent: "alone")
    await gate.arrival()
    var calls = try [nil, "second", "third"].map { try bench.send(2, traceParent: $0) }
    gate.open(2)
    for call in [alone] + calls { _ = await call.outcome() }
    calls.append(try bench.send(3))
    gate.open()
    _ = await calls[3].outcome()
    #expect(bench.model.executions == [1, 3, 1])
    #expect(bench.model.traces == ["alone", "second", nil])
  }

  @Test func whatQueuesWhileABatchRunsIsOneBatch() async throws {
    let gate = Gate()
    let bench = BatchingBench(IdentityModel(gate: gate), BatchingPolicy(maxBatchSize: 8))
    let first = try bench.send(1)
    await gate.arrival()
    let calls = try [(2, 1), (3, 2), (4, 3)].map { try bench.send($0.0, rows: $0.1) }
    gate.open(2)
    for call in [first] + calls { _ = await call.outcome() }
    #expect(bench.model.executions == [1, 6])
    for (call, (value, rows)) in zip([first] + calls, [(1, 1), (2, 1), (3, 2), (4, 3)]) {
      let answer = try #require(call.answer)
      #expect(answer.id == "\(value)")
      #expect(answer.modelVersion == "1")
      #expect(answer.outputs.map(\.shape) == [[Int64(rows), 4]])
      #expect(answer.outputs.map(\.bytes) == [[UInt8](repeating: UInt8(value), count: 16 * rows)])
      #expect(call.outcomes.count == 1)
    }
    bench.executors.stop()
  }

  /// What nobody waits for costs no execution.
  @Test func cancelledAndExpiredRequestsAreNotRun() async throws {
    let gate = Gate()
    let bench = BatchingBench(IdentityModel(gate: gate), BatchingPolicy(maxBatchSize: 1))
    let first = try bench.send(1)
    await gate.arrival()
    let cancelled = try bench.send(2)
    let expired = try bench.send(3, deadline: .now)
    let timedOut = try bench.send(4, queueTimeout: .zero)
    let wanted = try bench.send(5)
    cancelled.cancel()
    gate.open(2)
    for call in [first, cancelled, expired, timedOut, wanted] { _ = await call.outcome() }
    #expect(bench.model.executions == [1, 1])
    #expect(cancelled.error?.code == .cancelled)
    #expect(expired.error?.code == .deadlineExceeded)
    #expect(timedOut.error?.code == .deadlineExceeded)
    #expect(wanted.answer?.id == "5")
    bench.executors.stop()
    #expect(bench.loaded.counters.snapshot.dropped == 3)
    #expect(bench.loaded.counters.snapshot.executionCount == 2)
  }

  @Test func aFullQueueRefusesWithARetry() async throws {
    let gate = Gate()
    let bench = BatchingBench(
      IdentityModel(gate: gate), BatchingPolicy(maxBatchSize: 1, maxQueuedRequests: 2))
    var calls = [try bench.send(1)]
    await gate.arrival()
    calls += try [bench.send(2), bench.send(3)]
    let refused = try bench.send(4)
    #expect(refused.error?.code == .resourceExhausted)
    #expect(refused.error?.retryAfter != nil)
    gate.open(3)
    for call in calls {
      let outcome = await call.outcome()
      #expect(throws: Never.self) { try outcome.get() }
    }
    bench.executors.stop()
  }

  @Test func aDelayGathersABatch() async throws {
    let bench = BatchingBench(
      IdentityModel(), BatchingPolicy(maxBatchSize: 4, maxDelay: .seconds(3600)))
    let calls = try (1...4).map { try bench.send(UInt8($0)) }
    for call in calls { _ = await call.outcome() }
    #expect(bench.model.executions == [4])
    bench.executors.stop()
  }

  @Test func aDelayEnds() async throws {
    let bench = BatchingBench(
      IdentityModel(), BatchingPolicy(maxBatchSize: 4, maxDelay: .milliseconds(5)))
    let call = try bench.send(1)
    _ = await call.outcome()
    #expect(bench.model.executions == [1])
    bench.executors.stop()
  }

  /// One request with bad values does not fail those beside it.
  @Test func theInvalidFailsAlone() async throws {
    let gate = Gate()
    let model = IdentityModel(
      gate: gate,
      refusal: { bytes in
        bytes.contains(7) ? PluginError(field: "inputs[0]", "expected no 7") : nil
      })
    let bench = BatchingBench(model, BatchingPolicy(maxBatchSize: 8))
    let first = try bench.send(1)
    await gate.arrival()
    let calls = try [2, 7, 3].map { try bench.send($0) }
    gate.open(10)
    for call in [first] + calls { _ = await call.outcome() }
    #expect(calls.map { $0.answer?.id } == ["2", nil, "3"])
    #expect(calls[1].error?.violations.first?.field == "inputs[0]")
    #expect(model.executions == [1, 3, 1, 1, 1])
    bench.executors.stop()
    let statistics = bench.loaded.counters.snapshot
    #expect(statistics.success.count == 3)
    #expect(statistics.fail.count == 1)
  }

  @Test func aPluginsFaultIsNotTold() async throws {
    let model = IdentityModel(refusal: { _ in PluginError(.internal, "secret at 0x7f00") })
    let bench = BatchingBench(model, BatchingPolicy())
    let call = try bench.send(1)
    _ = await call.outcome()
    #expect(call.error?.code == .internal)
    #expect(call.error?.message.contains("secret") == false)
    bench.executors.stop()
  }

  @Test func bytesOutputsAreCutByElements() async throws {
    let gate = Gate()
    let model = IdentityModel([specification(.bytes, [2])], gate: gate)
    let bench = BatchingBench(model, BatchingPolicy(maxBatchSize: 8))
    func send(_ texts: [String]) throws -> TestCall {
      let call = TestCall()
      var raw: [UInt8] = []
      for text in texts { raw += [UInt8(text.utf8.count), 0, 0, 0] + Array(text.utf8) }
      let buffer = PooledBuffer(copying: raw)
      var tensor = InferTensor()
      tensor.rank = 2
      tensor.extents[0] = Int64(texts.count / 2)
      tensor.extents[1] = 2
      tensor.bytes = buffer.bytes
      tensor.owner = buffer
      var inputs = InferTensors(count: 1)
      inputs[0] = tensor
      guard let lease = bench.gate.enter() else { throw ServingError(.unavailable, "closed") }
      bench.batcher.enqueue(
        PendingInference(
          call: call,
          request: InferRequest(
            modelName: "m", id: "", inputs: inputs, rows: texts.count / 2,
            requestedOutputs: nil, queueTimeout: nil),
          lease: lease, loaded: bench.loaded, arrival: .now))
      return call
    }
    let first = try send(["x", "y"])
    await gate.arrival()
    let calls = [try send(["", "abc"]), try send(["d", "", "ef", "g"])]
    gate.open(2)
    for call in [first] + calls { _ = await call.outcome() }
    #expect(model.executions == [1, 3])
    #expect(calls[0].answer?.outputs.first?.bytes == [0, 0, 0, 0, 3, 0, 0, 0, 97, 98, 99])
    #expect(
      calls[1].answer?.outputs.first?.bytes
        == [1, 0, 0, 0, 100, 0, 0, 0, 0, 2, 0, 0, 0, 101, 102, 1, 0, 0, 0, 103])
    bench.executors.stop()
  }

  @Test func manyCallersFromManyTasks() async throws {
    let bench = BatchingBench(
      IdentityModel(), BatchingPolicy(maxBatchSize: 8, maxConcurrentBatches: 2), executorCount: 2)
    await withTaskGroup(of: Int.self) { group in
      for task in 0..<8 {
        group.addTask {
          var right = 0
          for round in 0..<50 {
            let value = UInt8((task * 50 + round) % 251)
            guard let call = try? bench.send(value, rows: 1 + round % 3) else { continue }
            _ = await call.outcome()
            let bytes = call.answer?.outputs.first?.bytes
            if bytes == [UInt8](repeating: value, count: 16 * (1 + round % 3)) { right += 1 }
          }
          return right
        }
      }
      var right = 0
      for await count in group { right += count }
      #expect(right == 400)
    }
    bench.executors.stop()
    let statistics = bench.loaded.counters.snapshot
    #expect(statistics.success.count == 400)
    #expect(statistics.executionCount == UInt64(bench.model.executions.count))
    #expect(statistics.inferenceCount == UInt64(bench.model.executions.reduce(0, +)))
    #expect(
      statistics.batches.values.reduce(0) { $0 + $1.computeInfer.count }
        == statistics.executionCount)
    #expect(bench.gate.count == 0)
  }
}
