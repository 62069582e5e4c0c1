// SPDX-License-Identifier: Apache-2.0
import CProtobuf
import ModelPlugins
import Runtime
import Store
import Testing

@testable import Serving

@Suite(.timeLimit(.minutes(1))) struct InferenceServiceTests {
  /// The model of the goldens: `digits` with versions 1 and 12.
  private func bench() async throws -> ServingBench {
    var configuration = ServingConfiguration()
    configuration.maxBatchDelay = .microseconds(250)
    configuration.maxQueuedRequests = 77
    let bench = try ServingBench(configuration) { (_) throws(ServingError) in DigitsModel() }
    for _ in 1...12 { try bench.publish() }
    for number in [1, 12] as [Int64] {
      let version = try #require(try bench.store.version(number, of: ServingBench.name("digits")))
      try await bench.models.load(version)
    }
    return bench
  }

  @Test func metadataAndConfigurationAreWhatThePeerEncodes() async throws {
    let bench = try await bench()
    let caller = try bench.caller()
    let request = strings("digits")
    #expect(
      try request.withUnsafeBytes { try bench.inference.modelMetadata($0, caller) }
        == bytes(responses["metadata"]))
    #expect(
      try request.withUnsafeBytes { try bench.inference.modelConfig($0, caller) }
        == bytes(responses["config"]))
    #expect(try bench.inference.serverMetadata() == bytes(responses["server_metadata"]))
    await bench.stop()
  }

  @Test func readiness() async throws {
    let gate = Gate()
    let bench = try ServingBench { (version) throws(ServingError) in
      if version.model.name.description == "slow" { gate.wait() }
      return IdentityModel()
    }
    try await bench.load()
    let slow = try bench.publish("slow")
    async let loading: Void = bench.models.load(slow)
    await gate.arrival()
    let caller = try bench.caller()
    func ready(_ name: String, _ version: String = "") throws -> [UInt8] {
      try strings(name, version).withUnsafeBytes { try bench.inference.modelReady($0, caller) }
    }
    #expect(try ready("digits") == [8, 1])
    #expect(try ready("digits", "1") == [8, 1])
    #expect(try ready("slow") == [])
    #expect(try ready("nothing") == [])
    #expect(try ready("somebody/digits") == [])
    #expect(try ready("digits", "2") == [])
    #expect(throws: ServingError.self) { try ready("../digits") }
    #expect(bench.inference.serverLive() == [8, 1])
    #expect(bench.inference.serverReady() == [8, 1])
    gate.open()
    try await loading
    #expect(try ready("slow") == [8, 1])
    bench.serving.beginDraining()
    #expect(bench.inference.serverReady() == [])
    #expect(try ready("digits") == [])
    #expect(bench.inference.serverLive() == [8, 1])
    await bench.stop()
  }

  @Test func statisticsCount() async throws {
    let bench = try ServingBench()
    try await bench.load()
    try await bench.load("letters")
    for _ in 0..<3 { _ = await (try bench.send()).outcome() }
    let caller = try bench.caller()
    let request = strings("digits")
    let message = try request.withUnsafeBytes {
      try bench.inference.modelStatistics($0, caller)
    }
    let response = try #require(
      inference__model_statistics_response__unpack(nil, message.count, message))
    defer { inference__model_statistics_response__free_unpacked(response, nil) }
    #expect(response.pointee.n_model_stats == 1)
    let statistics = try #require(response.pointee.model_stats[0]).pointee
    #expect(String(field: statistics.name) == "digits")
    #expect(String(field: statistics.version) == "1")
    #expect(statistics.inference_count == 3)
    #expect(statistics.execution_count == 3)
    #expect(statistics.last_inference > 1_500_000_000_000)
    let times = try #require(statistics.inference_stats).pointee
    #expect(times.success.pointee.count == 3)
    #expect(times.success.pointee.ns > 0)
    #expect(times.fail.pointee.count == 0)
    #expect(times.queue.pointee.count == 3)
    #expect(times.compute_infer.pointee.ns <= times.success.pointee.ns)
    #expect(statistics.n_batch_stats == 1)
    #expect(statistics.batch_stats[0]?.pointee.batch_size == 1)
    #expect(statistics.batch_stats[0]?.pointee.compute_infer.pointee.count == 3)
    #expect(statistics.memory_usage[0]?.pointee.byte_size == 4096)

    // Without a name: everything that the caller may see.
    func count(_ team: String) throws -> Int {
      let all = try [UInt8]().withUnsafeBytes {
        try bench.inference.modelStatistics($0, bench.caller(team))
      }
      let response = try #require(
        inference__model_statistics_response__unpack(nil, all.count, all))
      defer { inference__model_statistics_response__free_unpacked(response, nil) }
      return response.pointee.n_model_stats
    }
    #expect(try count("vision") == 2)
    #expect(try count("admins") == 2)
    #expect(try count("speech") == 0)
    await bench.stop()
  }

  @Test func malformedAndOversizedRequests() async throws {
    let bench = try ServingBench()
    let caller = try bench.caller()
    for bad in [[0x0a, 5, 0x61], [0xff], [UInt8](repeating: 0x12, count: 20_000)] as [[UInt8]] {
      let error = #expect(throws: ServingError.self) {
        try bad.withUnsafeBytes { try bench.inference.modelMetadata($0, caller) }
      }
      #expect(error?.code == .invalidArgument)
    }
    await bench.stop()
  }
}

private final class DigitsModel: InferenceModel {
  let inputs = [specification(.uint8, [28, 28], name: "images")]
  let outputs = [specification(.fp32, [10], name: "probabilities")]
  let maxBatchSize = 64
  let executesInline = false
  let memoryByteCount = 0
  func makeExecution() -> any InferenceExecution { IdentityModel().makeExecution() }
}
