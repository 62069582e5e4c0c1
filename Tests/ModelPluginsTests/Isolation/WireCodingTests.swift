// SPDX-License-Identifier: Apache-2.0
import Runtime
import Testing

@testable import ModelPlugins

/// Messages between a host and a worker: what is cut short or made up is refused, never believed.
struct WireCodingTests {
  private static let description = DataSetDescription(tensors: [
    TensorSpecification(name: "train/x", datatype: .fp32, shape: [100, -1]),
    TensorSpecification(name: "train/y", datatype: .bytes, shape: []),
  ])

  private func check<Message: WireMessage & Equatable>(_ message: Message) throws {
    let bytes = message.encoded
    #expect(try Message(decoding: bytes) == message)
    for count in bytes.indices {
      #expect(throws: PluginError.self) { try Message(decoding: Array(bytes[..<count])) }
    }
  }

  @Test("A message comes back as it went, and no part of it passes for the whole")
  func roundTrips() throws {
    try check(MemoryEstimate(inferenceByteCount: 1 << 40, trainingByteCount: 3))
    try check(Self.description.tensors[0])
    try check(
      PluginError(
        .invalidArgument, "no", violations: [FieldViolation(field: "a.b", description: "ä")]))
    let request = ConfigurationRequest(configuration: "{}", dataset: Self.description)
    let decoded = try ConfigurationRequest(decoding: request.encoded)
    #expect(decoded.configuration == "{}")
    #expect(decoded.dataset == Self.description)
  }

  @Test("Counts that nothing stands behind take no memory")
  func hostileCounts() {
    // An array of 2^32 - 1 tensors, a text of that size, a negative and an enormous count.
    let most: [UInt8] = [0xFF, 0xFF, 0xFF, 0xFF]
    #expect(throws: PluginError.self) { try WireModel(decoding: most) }
    #expect(throws: PluginError.self) { try LogLine(decoding: [1] + most) }
    #expect(throws: PluginError.self) { try MemoryEstimate(decoding: most + most + most + most) }
    #expect(throws: PluginError.self) { try PluginError(decoding: [13] + most) }
  }

  @Test("Bytes at random never do more than fail")
  func randomBytes() {
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<2000 {
      let bytes = (0..<Int.random(in: 0..<64, using: &generator)).map { _ in
        UInt8.random(in: 0...255, using: &generator) & (Bool.random() ? 0xFF : 0x03)
      }
      _ = try? WireModel(decoding: bytes)
      _ = try? WirePlugin(decoding: bytes)
      _ = try? PluginError(decoding: bytes)
      _ = try? LogLine(decoding: bytes)
      _ = try? TensorSpecification(decoding: bytes)
    }
  }

  @Test("Restarts: at once, then after pauses that double up to a longest one")
  func restartPolicy() {
    let policy = RestartPolicy()
    let delays = (1...12).map { policy.delay(afterEnd: $0) }
    #expect(delays[0] == .zero)
    #expect(delays[1] == .milliseconds(100))
    #expect(delays[2] == .milliseconds(200))
    #expect(delays[7] == .milliseconds(6400))
    #expect(delays[8] == .seconds(10))
    #expect(policy.delay(afterEnd: .max) == .seconds(10))
  }
}
