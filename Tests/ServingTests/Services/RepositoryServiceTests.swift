// SPDX-License-Identifier: Apache-2.0
import CProtobuf
import Store
import Testing

@testable import Serving

@Suite(.timeLimit(.minutes(1))) struct RepositoryServiceTests {
  private func index(
    _ bench: ServingBench, _ team: String = "vision", readyOnly: Bool = false
  ) throws -> [[String]] {
    var request = WireWriter()
    request.bool(2, readyOnly)
    let message = try request.bytes.withUnsafeBytes {
      try bench.repository.index($0, bench.caller(team))
    }
    let response = try #require(
      inference__repository_index_response__unpack(nil, message.count, message))
    defer { inference__repository_index_response__free_unpacked(response, nil) }
    return try (0..<response.pointee.n_models).map { position in
      let model = try #require(response.pointee.models[position]).pointee
      return [
        String(field: model.name), String(field: model.version), String(field: model.state),
        String(field: model.reason),
      ]
    }
  }

  @Test func indexLoadAndUnload() async throws {
    let bench = try ServingBench()
    for model in ["digits", "digits", "letters"] { try bench.publish(model) }
    #expect(
      try index(bench) == [
        ["vision/digits", "1", "UNAVAILABLE", "unloaded"],
        ["vision/digits", "2", "UNAVAILABLE", "unloaded"],
        ["vision/letters", "1", "UNAVAILABLE", "unloaded"],
      ])
    #expect(try await bench.repository.load(strings("", "digits"), bench.caller()) == [])
    #expect(
      try index(bench, readyOnly: true) == [["vision/digits", "2", "READY", ""]])
    #expect(try bench.store.deployments().map(\.version) == [2])
    // Others see nothing of it, administrators all that is loaded.
    #expect(try index(bench, "speech") == [])
    #expect(try index(bench, "admins") == [["vision/digits", "2", "READY", ""]])

    // Triton's client always sends this parameter.
    var unload = WireWriter()
    unload.string(2, "digits")
    unload.message(3) {
      $0.string(1, "unload_dependents")
      $0.message(2) { $0.bool(1, false) }
    }
    #expect(try await bench.repository.unload(unload.bytes, bench.caller()) == [])
    #expect(try index(bench, readyOnly: true) == [])
    #expect(try bench.store.deployments() == [])
    await bench.stop()
  }

  @Test func whatIsRefused() async throws {
    let bench = try ServingBench()
    try bench.publish()
    var override = WireWriter()
    override.string(2, "digits")
    override.message(3) { $0.string(1, "config") }
    for (message, team, code) in [
      (strings("", "nothing"), "vision", ServingError.Code.notFound),
      (strings("", "vision/digits"), "speech", .notFound),
      (strings("", "../digits"), "vision", .invalidArgument),
      (strings("elsewhere", "digits"), "vision", .invalidArgument),
      (strings(), "vision", .invalidArgument),
      (override.bytes, "vision", .invalidArgument),
    ] {
      let error = await #expect(throws: ServingError.self) {
        try await bench.repository.load(message, bench.caller(team))
      }
      #expect(error?.code == code)
    }
    let error = await #expect(throws: ServingError.self) {
      try await bench.repository.unload(strings("", "digits"), bench.caller())
    }
    #expect(error?.code == .notFound)
    await bench.stop()
  }
}
