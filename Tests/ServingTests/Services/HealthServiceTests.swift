// SPDX-License-Identifier: Apache-2.0
import CProtobuf
import Store
import Testing

@testable import Serving

@Suite(.timeLimit(.minutes(1))) struct HealthServiceTests {
  private let serving: [UInt8] = [8, 1]
  private let unknown: [UInt8] = [8, 3]

  @Test func check() async throws {
    let bench = try ServingBench()
    try await bench.load()
    func check(_ service: String, _ team: String = "vision") throws -> [UInt8] {
      try strings(service).withUnsafeBytes { try bench.health.check($0, bench.caller(team)) }
    }
    for service in ["", "inference.GRPCInferenceService", "digits", "vision/digits"] {
      #expect(try check(service) == serving)
    }
    for (service, team) in [("letters", "vision"), ("vision/digits", "speech")] {
      let error = #expect(throws: ServingError.self) { try check(service, team) }
      #expect(error?.code == .notFound)
    }
    bench.serving.beginDraining()
    #expect(try check("") == bytes(responses["not_serving"]))
    #expect(try check("digits") == bytes(responses["not_serving"]))
    await bench.stop()
  }

  @Test func watchTellsEachChangeOnce() async throws {
    let bench = try ServingBench()
    let caller = try bench.caller()
    let (statuses, continuation) = AsyncStream<[UInt8]>.makeStream()
    let health = bench.health
    let watch = Task {
      try await health.watch(strings("digits"), caller) { continuation.yield($0) }
    }
    var iterator = statuses.makeAsyncIterator()
    #expect(await iterator.next() == unknown)
    let version = try await bench.load()
    // Loading may be seen or not; then it serves.
    var status = await iterator.next()
    if status == (try bytes(responses["not_serving"])) { status = await iterator.next() }
    #expect(status == serving)
    try await bench.load("letters")
    bench.models.aliasesChanged(of: version.model, to: [:])
    bench.serving.beginDraining()
    #expect(try await iterator.next() == bytes(responses["not_serving"]))
    try await watch.value
    #expect(bench.models.changes.listenerCount == 0)
    await bench.stop()
  }

  @Test func watchEndsWithItsCaller() async throws {
    let bench = try ServingBench()
    let caller = try bench.caller()
    let health = bench.health
    let (statuses, continuation) = AsyncStream<[UInt8]>.makeStream()
    let watch = Task { try await health.watch([], caller) { continuation.yield($0) } }
    for await status in statuses {
      #expect(status == serving)
      break
    }
    watch.cancel()
    await #expect(throws: CancellationError.self) { try await watch.value }
    #expect(bench.models.changes.listenerCount == 0)
    await bench.stop()
  }

  @Test func list() async throws {
    let bench = try ServingBench()
    try await bench.load()
    let message = bench.health.list(try bench.caller())
    let response = try #require(
      grpc__health__v1__health_list_response__unpack(nil, message.count, message))
    defer { grpc__health__v1__health_list_response__free_unpacked(response, nil) }
    var statuses: [String: UInt32] = [:]
    for position in 0..<response.pointee.n_statuses {
      let entry = try #require(response.pointee.statuses[position]).pointee
      statuses[String(field: entry.key)] = entry.value.pointee.status.rawValue
    }
    #expect(
      statuses == [
        "": 1, "grpc.health.v1.Health": 1, "inference.GRPCInferenceService": 1,
        "vision/digits": 1,
      ])
    await bench.stop()
  }
}
