// SPDX-License-Identifier: Apache-2.0
import ModelPlugins
import RPCServer
import RPCTransport
import Runtime
import Store
import Testing

@testable import Serving

/// What a request comes to must not depend on what came before it.
@Suite(.timeLimit(.minutes(1))) struct RecentRequestsTests {
  private static let inputs = [
    TensorSpecification(name: "INPUT0", datatype: .fp32, shape: [4]),
    TensorSpecification(name: "INPUT1", datatype: .int64, shape: [-1]),
  ]

  /// A bench whose model answers before `infer` returns.
  private static func bench(
    _ inputs: [TensorSpecification] = inputs
  ) async throws -> ServingBench {
    let bench = try ServingBench { (_) throws(ServingError) in
      IdentityModel(inputs, executesInline: true)
    }
    try await bench.load("digits")
    return bench
  }

  private static func request(
    id: String = "", model: String = "digits", outputs: [String] = [], fill: UInt8 = 7
  ) -> [UInt8] {
    var builder = RequestBuilder(model: model)
    if !id.isEmpty { builder.writer.string(3, id) }
    builder.input()
    builder.input("INPUT1", "INT64", [1, 3])
    for output in outputs { builder.output(output) }
    builder.writer.bytes(7, [UInt8](repeating: fill, count: 16))
    builder.writer.bytes(7, [UInt8](repeating: fill ^ 0xff, count: 24))
    return builder.writer.bytes
  }

  /// What the caller is told, in a form to compare.
  private static func outcome(
    _ message: [UInt8], _ bench: ServingBench, _ recent: RecentRequests
  ) throws -> String {
    let call = TestCall()
    let caller = try bench.caller()
    bench.handler.infer(
      PooledBuffer(copying: message), for: call, caller: caller, recent: recent)
    switch try #require(call.outcomes.first) {
    case .success(let bytes): return "answer \(bytes)"
    case .failure(let error): return "\(error.code) \(error.message) \(error.violations)"
    }
  }

  @Test func repeatedRequestsAreAnsweredAsTheFirst() async throws {
    let bench = try await Self.bench()
    let recent = RecentRequests(pool: BufferPool())
    for round in 0..<24 {
      for message in [
        // Of all lengths, so that tensors lie at all distances from a boundary; each comes thrice.
        Self.request(
          id: String(repeating: "\(round % 3)", count: 1 + round / 3), fill: UInt8(round)),
        Self.request(outputs: ["OUTPUT1"], fill: UInt8(round + 10)),
        Self.request(outputs: ["OUTPUT1", "OUTPUT0"]),
        Self.request(model: "missing"),
      ] {
        let expected = try Self.outcome(message, bench, RecentRequests(pool: BufferPool()))
        #expect(expected.hasPrefix("answer") || message == Self.request(model: "missing"))
        #expect(try Self.outcome(message, bench, recent) == expected)
      }
    }
    await bench.stop()
  }

  /// Each byte of a request that is remembered, changed in each bit: what comes of it is what would
  /// have come of it without the memory.
  @Test func aChangedRequestIsNotTakenForTheOneBefore() async throws {
    let bench = try await Self.bench()
    let message = Self.request(id: "id-1", outputs: ["OUTPUT0"])
    let recent = RecentRequests(pool: BufferPool())
    for _ in 0..<3 { _ = try Self.outcome(message, bench, recent) }
    for index in message.indices {
      for bit in 0..<8 {
        var changed = message
        changed[index] ^= 1 << UInt8(bit)
        let expected = try Self.outcome(changed, bench, RecentRequests(pool: BufferPool()))
        let came = try Self.outcome(changed, bench, recent)
        #expect(came == expected, "bit \(bit) of byte \(index)")
      }
      // The memory may have taken up the changed one.
      for _ in 0..<2 { _ = try Self.outcome(message, bench, recent) }
    }
    await bench.stop()
  }

  @Test func elementsOfBytesAreCountedEachTime() async throws {
    let bench = try await Self.bench([.init(name: "INPUT0", datatype: .bytes, shape: [2])])
    let recent = RecentRequests(pool: BufferPool())
    func request(_ raw: [UInt8]) -> [UInt8] {
      var builder = RequestBuilder(model: "digits")
      builder.input("INPUT0", "BYTES", [1, 2])
      builder.writer.bytes(7, raw)
      return builder.writer.bytes
    }
    let two: [UInt8] = [1, 0, 0, 0, 65, 0, 0, 0, 0]
    let one: [UInt8] = [5, 0, 0, 0, 65, 66, 67, 68, 69]
    for _ in 0..<3 {
      #expect(try Self.outcome(request(two), bench, recent).hasPrefix("answer"))
    }
    #expect(try Self.outcome(request(one), bench, recent).contains("expected 2 elements"))
    await bench.stop()
  }

  /// An alias that moves, a version that goes: the next request sees it.
  @Test func whatANameLeadsToIsNotRemembered() async throws {
    let bench = try await Self.bench()
    try await bench.load("digits")
    let model = try ServingBench.name("digits")
    let recent = RecentRequests(pool: BufferPool())
    func version() throws -> String? {
      let call = TestCall()
      let caller = try bench.caller()
      bench.handler.infer(
        PooledBuffer(copying: Self.request()), for: call, caller: caller, recent: recent)
      return call.answer?.modelVersion
    }
    for _ in 0..<3 { #expect(try version() == "2") }
    bench.models.aliasesChanged(of: model, to: [ResourceName(literal: "production"): 1])
    for _ in 0..<3 { #expect(try version() == "1") }
    try await bench.models.unload(model: model, version: 1)
    try await bench.models.unload(model: model, version: 2)
    #expect(try Self.outcome(Self.request(), bench, recent).contains("does not exist"))
    await bench.stop()
  }

  /// A connection that has fallen silent does not keep what was unloaded in memory.
  @Test func theMemoryHoldsNoModel() async throws {
    weak var model: IdentityModel?
    let bench = try ServingBench { (_) throws(ServingError) in
      IdentityModel(Self.inputs, executesInline: true)
    }
    let recent = RecentRequests(pool: BufferPool())
    try await bench.load("digits")
    do {
      let served = try bench.models.version(
        named: "digits", version: "", for: try bench.caller(), .infer)
      model = served.loaded.model as? IdentityModel
    }
    for _ in 0..<3 { _ = try Self.outcome(Self.request(), bench, recent) }
    #expect(model != nil)
    try await bench.models.unload(model: try ServingBench.name("digits"), version: 1)
    #expect(model == nil)
    withExtendedLifetime(recent) {}
    await bench.stop()
  }
}
