// SPDX-License-Identifier: Apache-2.0
import Store
import Synchronization
import Testing

@testable import Serving

/// A version that is loaded anew while requests come in.
@Suite(.timeLimit(.minutes(1))) struct ModelReplacementTests {
  @Test func failsNoRequest() async throws {
    let bench = try ServingBench()
    let record = try await bench.load()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<2 {
        group.addTask {
          for _ in 0..<100 {
            let call = try bench.send()
            _ = await call.outcome()
            #expect(call.answer != nil, "\(call.error.map { "\($0)" } ?? "no answer")")
          }
        }
      }
      group.addTask { for _ in 0..<20 { try await bench.models.replace(record) } }
      try await group.waitForAll()
    }
    #expect(bench.models.status(of: record.model, version: 1).state == .ready)
    await bench.stop()
  }

  @Test func aRequestThatFoundTheOldOneGoesToTheNewOne() async throws {
    let bench = try ServingBench()
    let record = try await bench.load()
    let old = try #require(bench.models.listing(for: bench.caller()).first?.served)
    try await bench.models.replace(record)
    let new = try #require(bench.models.listing(for: bench.caller()).first?.served)
    #expect(old !== new)
    #expect(old.loaded.counters === new.loaded.counters)
    guard let lease = old.enter() else {
      Issue.record("the request is refused")
      return
    }
    let reached = lease.version
    #expect(reached === new)
    _ = consume lease
    await bench.stop()
  }

  @Test func whatCannotBeLoadedLeavesTheOldOneServing() async throws {
    let loads = Atomic(0)
    let bench = try ServingBench { (_) throws(ServingError) in
      if loads.add(1, ordering: .relaxed).newValue > 1 {
        throw ServingError(.resourceExhausted, "no memory for it")
      }
      return IdentityModel()
    }
    let record = try await bench.load()
    await #expect(throws: ServingError.self) { try await bench.models.replace(record) }
    let call = try bench.send()
    _ = await call.outcome()
    #expect(call.answer != nil)
    await bench.stop()
  }
}
