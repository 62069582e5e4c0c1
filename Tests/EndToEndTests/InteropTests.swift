// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// gRPC's interoperability cases (`doc/interop-test-descriptions.md` of the grpc repository) with clients that nobody
/// here wrote the library of.
@Suite(.serialized) struct InteropTests {
  /// The cases that every client runs; C++ and Python run those below too.
  private static let cases = [
    "empty_unary", "large_unary", "client_streaming", "server_streaming", "ping_pong",
    "empty_stream", "timeout_on_sleeping_server", "status_code_and_message",
    "unimplemented_method", "unimplemented_service", "custom_metadata", "cancel_after_begin",
    "cancel_after_first_response",
  ]
  private static let furtherCases = [
    "special_status_message", "client_compressed_unary", "server_compressed_unary",
    "client_compressed_streaming", "server_compressed_streaming",
  ]

  /// Runs a client against a server of its own and expects every case to pass.
  private func expect(
    _ cases: [String],
    from run: (InteropServer) async throws -> ProgramResult
  ) async throws {
    let server = try await InteropServer()
    let result: Result<ProgramResult, any Error>
    do { result = .success(try await run(server)) } catch { result = .failure(error) }
    let stopped = server.stop()
    #expect(stopped.status == 0, "\(stopped.errors)")
    let client = try result.get()
    #expect(client.status == 0, "\(client.errors)")
    let outcomes = try client.json()
    for name in cases {
      #expect(outcomes[name] as? String == "ok", "\(name): \(outcomes[name] ?? "did not run")")
    }
  }

  @Test func rubysOwnClient() async throws {
    // The two compressed cases of the script fail against Ruby's own server, and pass here.
    let cases = Self.cases + ["client_compressed_unary", "client_compressed_streaming"]
    try await expect(cases) { server in
      try await Program.run(
        URL(filePath: "/usr/bin/ruby"),
        [BuildProducts.root.appending(path: "Tests/EndToEndTests/Ruby/interop.rb").path]
          + server.arguments + cases)
    }
  }

  @Test func pythonsGRPC() async throws {
    try await expect(Self.cases + Self.furtherCases + ["half_duplex_streaming"]) { server in
      try await BuildProducts.runPython(
        "Tests/EndToEndTests/Python/interop.py", server.arguments)
    }
  }

  @Test func cPlusPlusGRPC() async throws {
    try await expect(Self.cases + Self.furtherCases) { server in
      guard let client = ProcessInfo.processInfo.environment["MASSIF_TEST_INTEROP_CLIENT"] else {
        throw HarnessError("MASSIF_TEST_INTEROP_CLIENT is not set; run the tests with `make test`")
      }
      return try await Program.run(URL(filePath: client), server.arguments)
    }
  }

  /// `grpc-timeout` in every unit, of 0, and in forms that no library sends.
  @Test func timeoutsAsTheyAreWritten() async throws {
    let server = try await InteropServer()
    let result = try await BuildProducts.runPython(
      "Tests/EndToEndTests/Python/timeouts.py", server.arguments)
    _ = server.stop()
    #expect(result.status == 0, "\(result.errors)")
    let answers = try #require(try result.json() as? [String: [String: Any]])
    // OK, DEADLINE_EXCEEDED, INVALID_ARGUMENT
    for (group, status, count) in [("taken", 0, 7), ("passed", 4, 7), ("malformed", 3, 11)] {
      let outcomes = try #require(answers[group])
      #expect(outcomes.count == count)
      for (timeout, outcome) in outcomes {
        #expect(outcome as? Int == status, "\(group) \(timeout): \(outcome)")
      }
    }
  }

  /// Every kind of `google.rpc` detail, from both planes, as grpcio-status decodes it.
  @Test func errorDetailsAreSeenFromPython() async throws {
    let server = try await InteropServer()
    let result = try await BuildProducts.runPython(
      "Tests/EndToEndTests/Python/error_details.py", server.arguments)
    _ = server.stop()
    #expect(result.status == 0, "\(result.errors)")
    let answers = try #require(try result.json() as? [String: [String: Any]])
    for method in ["Unary", "AfterAResponse", "DataPlane"] {
      let answer = try #require(answers[method])
      #expect(answer["code"] as? String == "FAILED_PRECONDITION")
      #expect(answer["message"] as? String == "every kind of detail")
      let details = try #require(answer["details"] as? [String: [String: Any]])
      #expect(details["ErrorInfo"]?["reason"] as? String == "NOT_READY")
      #expect(details["ErrorInfo"]?["domain"] as? String == "massif")
      #expect(details["ErrorInfo"]?["metadata"] as? [String: String] == ["model": "vision/digits"])
      #expect(
        details["BadRequest"]?["fieldViolations"] as? [[String: String]]
          == [["field": "inputs[0].shape", "description": "expected [4]"]])
      #expect(details["RetryInfo"]?["retryDelay"] as? String == "1.500s")
      #expect(
        details["QuotaFailure"]?["violations"] as? [[String: String]]
          == [["subject": "team/vision", "description": "8 calls"]])
      #expect(
        details["ResourceInfo"] as? [String: String]
          == [
            "resourceType": "model", "resourceName": "digits", "owner": "vision",
            "description": "does not exist",
          ])
    }
  }
}
