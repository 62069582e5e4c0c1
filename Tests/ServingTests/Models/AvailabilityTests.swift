// SPDX-License-Identifier: Apache-2.0
import ModelPlugins
import RPCServer
import RPCTransport
import Runtime
import Store
import Synchronization
import Testing

@testable import Serving

/// Models that come and go, as those of isolated plugins do.
@Suite(.timeLimit(.minutes(1))) struct AvailabilityTests {
  /// An identity that a test takes away and brings back.
  private final class FlickeringModel: InferenceModel {
    private let identity = IdentityModel()
    private let state = Mutex<(isAvailable: Bool, listener: (@Sendable () -> Void)?)>((true, nil))

    var inputs: [TensorSpecification] { identity.inputs }
    var outputs: [TensorSpecification] { identity.outputs }
    var maxBatchSize: Int { identity.maxBatchSize }
    var executesInline: Bool { false }
    var memoryByteCount: Int { 0 }
    var executorGroup: String? { "flickering" }
    var isAvailable: Bool { state.withLock { $0.isAvailable } }

    func makeExecution() -> any InferenceExecution { identity.makeExecution() }

    func onAvailabilityChange(_ body: @escaping @Sendable () -> Void) {
      state.withLock { $0.listener = body }
    }

    func set(isAvailable: Bool) {
      let listener = state.withLock { state in
        state.isAvailable = isAvailable
        return state.listener
      }
      listener?()
    }
  }

  @Test func healthAndReadinessFollowTheModel() async throws {
    let model = FlickeringModel()
    let bench = try ServingBench { (_) throws(ServingError) in model }
    try await bench.load()
    let caller = try bench.caller()
    let (statuses, continuation) = AsyncStream<HealthService.Status>.makeStream()
    let health = bench.health
    // A watcher is told of each change, and may ask in between.
    let watch = Task {
      try await health.watch([10, 6] + Array("digits".utf8), caller) { _ in
        continuation.yield(health.status(of: "digits", caller))
      }
    }
    var iterator = statuses.makeAsyncIterator()
    #expect(await iterator.next() == .serving)
    model.set(isAvailable: false)
    #expect(await iterator.next() == .notServing)
    #expect(try Self.isReady("digits", bench, caller) == false)
    model.set(isAvailable: true)
    #expect(await iterator.next() == .serving)
    #expect(try Self.isReady("digits", bench, caller))
    watch.cancel()
    _ = await watch.result
    await bench.stop()
  }

  /// What `ModelReady` answers: an empty message is false.
  private static func isReady(
    _ model: String, _ bench: ServingBench, _ caller: Caller
  ) throws -> Bool {
    let request = [10, UInt8(model.utf8.count)] + Array(model.utf8)
    return try request.withUnsafeBytes { try bench.inference.modelReady($0, caller) } == [8, 1]
  }

  @Test func whatHangsInOneGroupHoldsUpNoOther() async throws {
    final class Work: ExecutorWork {
      let gate: Gate?
      let (done, continuation) = AsyncStream<Void>.makeStream()
      init(gate: Gate?) { self.gate = gate }
      func runBatch() {
        gate?.wait()
        continuation.yield()
      }
      func timerFired() {}
    }
    let pools = ExecutorPools(threadCount: 1)
    #expect(pools.pool(for: "a") === pools.pool(for: "a"))
    #expect(pools.pool(for: "a") !== pools.pool(for: "b"))
    let gate = Gate()
    let hanging = Work(gate: gate)
    pools.pool(for: "a").submit(hanging)
    await gate.arrival()
    for group in [nil, "b"] {
      let work = Work(gate: nil)
      pools.pool(for: group).submit(work)
      for await _ in work.done { break }
    }
    gate.open()
    for await _ in hanging.done { break }
    pools.stop()
  }

  @Test func aReasonReachesProgramsAsErrorInfo() {
    let error = ServingError(
      PluginError(.unavailable, "the isolated plugin crashed", reason: .crashed)
    ).rpcError
    #expect(error.code == .unavailable)
    #expect(error.details.contains(.errorInfo(reason: "PLUGIN_CRASHED", metadata: [:])))
    let late = ServingError(PluginError(.deadlineExceeded, "ended", reason: .timedOut)).rpcError
    #expect(late.details == [.errorInfo(reason: "PLUGIN_TIMED_OUT", metadata: [:])])
    #expect(late.message == "ended")
  }
}
