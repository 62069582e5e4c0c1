// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// HTTP/2 that is broken or hostile, from Python: frames as bytes over TLS, against the real server.
@Suite(.serialized) struct HostileWireTests {
  private let times = [
    "--handshake-seconds", "1", "--header-seconds", "1", "--stall-seconds", "1",
  ]

  @Test func eachBrokenRuleHasItsErrorCode() async throws {
    let massif = try await Installation()
    defer { massif.remove() }
    let result = try await massif.python("Tests/EndToEndTests/Python/http2_rules.py", [])
    #expect(result.status == 0, "\(result.output)\(result.errors)")
  }

  @Test func eachAttackIsEndedAndTheLogSaysWhy() async throws {
    let massif = try await Installation(serveArguments: times)
    defer { massif.remove() }
    let result = try await massif.python(
      "Tests/EndToEndTests/Python/attacks.py",
      ["--server-process", "\(massif.server.identifier)"], seconds: 180)
    #expect(result.status == 0, "\(result.output)\(result.errors)")
    let log = massif.server.errors
    for reason in [
      "too_many_pings", "too many frames that carry nothing", "a header list took too long",
      "the handshake took too long", "does not read what it asked for", "bytes a second",
      "ENHANCE_YOUR_CALM",
    ] {
      #expect(log.contains(reason), "\(log)")
    }
  }
}
