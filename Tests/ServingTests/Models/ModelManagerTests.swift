// SPDX-License-Identifier: Apache-2.0
import ModelPlugins
import RPCServer
import RPCTransport
import Runtime
import Store
import Synchronization
import Testing

@testable import Serving

@Suite(.timeLimit(.minutes(1))) struct ModelManagerTests {
  @Test func aLoadedVersionAnswers() async throws {
    let bench = try ServingBench()
    let version = try await bench.load()
    #expect(bench.models.status(of: version.model, version: 1).state == .ready)
    for name in ["digits", "vision/digits"] {
      let call = try bench.send(name)
      _ = await call.outcome()
      #expect(call.answer?.modelName == name)
      #expect(call.answer?.modelVersion == "1")
    }
    await bench.stop()
  }

  @Test func whoMayNotKnowOfAModelIsToldThatThereIsNone() async throws {
    let bench = try ServingBench()
    try await bench.load()
    let other = try bench.send("vision/digits", as: "speech")
    let missing = try bench.send("vision/nothing", as: "speech")
    #expect(other.error?.code == .notFound)
    #expect(missing.error?.code == .notFound)
    // Not a word tells one from the other.
    #expect(
      other.error?.message.replacing("digits", with: "nothing") == missing.error?.message)
    // An unqualified name is one of the caller's own team.
    #expect(try bench.send("digits", as: "speech").error?.code == .notFound)
    let administrator = try bench.send("vision/digits", as: "admins")
    _ = await administrator.outcome()
    #expect(administrator.answer != nil)
    await bench.stop()
  }

  @Test(arguments: ["../x", "a/b/c", "/digits", "digits/", "vision/..", ".", "a/\u{e9}"])
  func namesThatCannotBe(name: String) async throws {
    let bench = try ServingBench()
    let error = try #require(try bench.send(name).error)
    #expect(error.code == (name == "." ? .notFound : .invalidArgument))
    await bench.stop()
  }

  @Test func unknownModelsAndVersions() async throws {
    let bench = try ServingBench()
    try await bench.load()
    #expect(try bench.send("letters").error?.code == .notFound)
    let missing = try bench.send(version: "2").error
    #expect(missing?.code == .notFound)
    #expect(missing?.message.contains("version 2") == true)
    for version in ["0", "-1", "canary", "99999999999999999999"] {
      let error = try bench.send(version: version).error
      #expect(error?.code == .invalidArgument)
      #expect(error?.violations.first?.field == "model_version")
      #expect(error?.message.contains("came \(version)") == true)
    }
    await bench.stop()
  }

  @Test func aRequestWithoutAVersionFollowsTheAlias() async throws {
    let bench = try ServingBench()
    let model = try await bench.load().model
    try await bench.load()
    func reached(_ version: String = "") async throws -> String? {
      let call = try bench.send(version: version)
      _ = await call.outcome()
      return call.answer?.modelVersion
    }
    #expect(try await reached() == "2")
    bench.models.aliasesChanged(of: model, to: [ResourceName(literal: "production"): 1])
    #expect(try await reached() == "1")
    #expect(try await reached("production") == "1")
    #expect(try await reached("2") == "2")
    try await bench.models.unload(model: model, version: 1)
    #expect(try await reached() == "2")
    #expect(try bench.send(version: "production").error?.code == .invalidArgument)
    bench.models.aliasesChanged(of: model, to: [:])
    #expect(try await reached() == "2")
    await bench.stop()
  }

  @Test func loadingIsDoneOnceAndSaysSo() async throws {
    let gate = Gate()
    let loads = Count()
    let bench = try ServingBench { (_) throws(ServingError) in
      loads.add()
      gate.wait()
      return IdentityModel()
    }
    let version = try bench.publish()
    async let first: Void = bench.models.load(version)
    await gate.arrival()
    #expect(bench.models.status(of: version.model, version: 1).state == .loading)
    let error = try bench.send().error
    #expect(error?.code == .unavailable)
    #expect(error?.retryAfter != nil)
    async let second: Void = bench.models.load(version)
    gate.open()
    try await first
    try await second
    #expect(loads.value == 1)
    #expect(bench.models.status(of: version.model, version: 1).state == .ready)
    await bench.stop()
  }

  @Test func aVersionThatCannotBeLoadedSaysWhyAndMayBeTriedAgain() async throws {
    let tries = Count()
    let bench = try ServingBench { (_) throws(ServingError) in
      tries.add()
      guard tries.value > 1 else {
        throw ServingError(.failedPrecondition, "weights.safetensors is cut short")
      }
      return IdentityModel()
    }
    let version = try bench.publish()
    await #expect(throws: ServingError.self) { try await bench.models.load(version) }
    let status = bench.models.status(of: version.model, version: 1)
    #expect(status.state == .failed)
    #expect(status.reason.contains("cut short"))
    let error = try bench.send().error
    #expect(error?.code == .failedPrecondition)
    #expect(error?.message.contains("cut short") == true)
    try await bench.models.load(version)
    #expect(bench.models.status(of: version.model, version: 1).state == .ready)
    await bench.stop()
  }

  /// What was accepted is answered, what comes later is refused, and then the model is gone.
  @Test func unloadingWaitsForRequestsInFlight() async throws {
    let gate = Gate()
    let freed = Count()
    let bench = try ServingBench { (_) throws(ServingError) in
      NotingModel(IdentityModel(gate: gate), freed)
    }
    let version = try await bench.load()
    let calls = try (0..<3).map { _ in try bench.send() }
    await gate.arrival()
    let changes = bench.models.changes.listen()
    async let unloaded: Void = bench.models.unload(model: version.model, version: 1)
    for await _ in changes { break }
    #expect(bench.models.status(of: version.model, version: 1).state == .quiescing)
    let refused = try bench.send()
    #expect(refused.error?.code == .unavailable)
    #expect(calls.allSatisfy { $0.outcomes.isEmpty })
    gate.open(10)
    try await unloaded
    #expect(calls.allSatisfy { $0.answer != nil })
    #expect(bench.models.status(of: version.model, version: 1).state == .unloaded)
    #expect(try bench.send().error?.code == .notFound)
    await bench.stop()
    #expect(freed.value == 1)
  }

  /// Loads, unloads and requests at the same time: every request is answered once, by the model or
  /// by a refusal that says to try again.
  @Test func unloadUnderLoad() async throws {
    let freed = Count()
    let bench = try ServingBench { (_) throws(ServingError) in
      NotingModel(IdentityModel(), freed)
    }
    let version = try bench.publish()
    let rounds = 20
    await withTaskGroup(of: Void.self) { group in
      group.addTask {
        for _ in 0..<rounds {
          try? await bench.models.load(version)
          await Task.yield()
          try? await bench.models.unload(model: version.model, version: 1)
        }
      }
      for _ in 0..<3 {
        group.addTask {
          for _ in 0..<200 {
            guard let call = try? bench.send() else { continue }
            switch await call.outcome() {
            case .success: break
            case .failure(let error):
              #expect([.unavailable, .notFound].contains(error.code), "\(error)")
            }
            #expect(call.outcomes.count == 1)
          }
        }
      }
    }
    await bench.stop()
    #expect(freed.value == rounds)
  }

  @Test func inlineModelsAnswerBeforeTheHandlerReturns() async throws {
    let bench = try ServingBench { (_) throws(ServingError) in
      IdentityModel(executesInline: true)
    }
    try await bench.load()
    let call = try bench.send()
    #expect(call.answer?.outputs.first?.bytes.count == 16)
    await bench.stop()
  }

  @Test func deploymentsAreRestored() async throws {
    let bench = try ServingBench { (version) throws(ServingError) in
      guard version.model.name.description != "broken" else {
        throw ServingError(.failedPrecondition, "no such plugin")
      }
      return IdentityModel()
    }
    for model in ["digits", "digits", "broken", "letters"] { try bench.publish(model) }
    let digits = try ServingBench.name("digits")
    for (model, version) in [("digits", 1), ("digits", 2), ("broken", 1)] {
      try bench.store.deploy(
        DeploymentRecord(
          model: ServingBench.name(model), version: Int64(version),
          audit: try bench.caller().audit()))
    }
    try bench.store.setAliases([ResourceName(literal: "production")], of: digits, to: 1)
    try await bench.serving.restoreDeployments()
    #expect(bench.models.readyVersions(of: digits) == [1, 2])
    #expect(
      bench.models.status(of: try ServingBench.name("broken"), version: 1).state == .failed)
    #expect(
      bench.models.status(of: try ServingBench.name("letters"), version: 1).state == .unloaded)
    let call = try bench.send()
    _ = await call.outcome()
    #expect(call.answer?.modelVersion == "1")
    #expect(bench.log.all.contains { $0.contains("broken") && $0.contains("no such plugin") })
    await bench.stop()
  }

  @Test func aCallOfTheServerGetsAStatusWithDetails() async throws {
    let bench = try ServingBench()
    try await bench.load()
    var builder = RequestBuilder(model: "digits")
    builder.input("INPUT0", "INT8")
    builder.raw(4)
    let caller = try bench.caller()
    let result = await withCheckedContinuation { continuation in
      bench.handler.handle(
        UnaryCall.detached(
          ReceivedMessage(PooledBuffer(copying: builder.writer.bytes)),
          method: "/inference.GRPCInferenceService/ModelInfer", principal: caller.principal,
          access: caller.access, completion: { continuation.resume(returning: $0) }))
    }
    guard case .failure(let error) = result else {
      Issue.record("accepted")
      return
    }
    #expect(error.code == .invalidArgument)
    #expect(
      error.details == [
        .badRequest([
          FieldViolation(
            field: "inputs[0].datatype", description: "expected FP32 for INPUT0, came INT8")
        ])
      ])
    await bench.stop()
  }
}

/// Counts, from any thread.
final class Count: Sendable {
  private let count = Atomic(0)
  var value: Int { count.load(ordering: .sequentiallyConsistent) }
  func add() { count.wrappingAdd(1, ordering: .sequentiallyConsistent) }
}

/// A model that notes its end.
final class NotingModel: InferenceModel {
  private let model: IdentityModel
  private let freed: Count

  init(_ model: IdentityModel, _ freed: Count) {
    self.model = model
    self.freed = freed
  }

  deinit { freed.add() }

  var inputs: [TensorSpecification] { model.inputs }
  var outputs: [TensorSpecification] { model.outputs }
  var maxBatchSize: Int { model.maxBatchSize }
  var executesInline: Bool { model.executesInline }
  var memoryByteCount: Int { model.memoryByteCount }
  func makeExecution() -> any InferenceExecution { model.makeExecution() }
}
