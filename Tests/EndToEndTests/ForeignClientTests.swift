// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// The inference, health and reflection services by clients that nobody here wrote: each script runs one case for each
/// public method that this server supports.
@Suite(.serialized) struct ForeignClientTests {
  private static let datatypes = [
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16",
    "FP32",
    "FP64", "BF16", "BYTES",
  ]

  /// Runs a script against a server with an identity model of each datatype, and expects each of its cases to pass.
  private func expect(
    atLeast count: Int, from script: String, datatypes: [String] = ["FP32"], deployed: Bool = false,
    python: String? = BuildProducts.python
  ) async throws {
    let massif = try await Installation(serveArguments: ["--allow-unsigned-plugins"])
    defer { massif.remove() }
    _ = try await massif.massifJSON(
      ["plugins", "register", BuildProducts.plugin("IdentityC").path], as: "admin")
    for datatype in datatypes {
      let name = "echo-\(datatype.lowercased())"
      _ = try await massif.massifJSON([
        "models", "create", name, "--plugin", "identity",
        "--configuration", #"{"datatype":"\#(datatype)","shape":[-1]}"#,
      ])
      if deployed { _ = try await massif.massifJSON(["deploy", name]) }
    }
    let result = try await BuildProducts.runPython(
      "Tests/EndToEndTests/Python/\(script)",
      ["--server", massif.address, "--certificates", massif.certificates.path], python: python)
    #expect(result.status == 0, "\(result.errors)")
    let outcomes = try result.json()
    #expect(outcomes.count >= count, "\(outcomes.keys.sorted())")
    for (name, outcome) in outcomes { #expect(outcome as? String == "ok", "\(name): \(outcome)") }
  }

  @Test func tritonclient() async throws {
    try await expect(atLeast: 64, from: "triton_sync.py", datatypes: Self.datatypes)
  }

  @Test func tritonclientWithAsyncio() async throws {
    try await expect(atLeast: 11, from: "triton_asyncio.py")
  }

  @Test func healthAndReflection() async throws {
    try await expect(atLeast: 9, from: "health_and_reflection.py", deployed: true)
  }

  @Test func kserve() async throws {
    try await expect(
      atLeast: 8, from: "kserve_client.py", deployed: true,
      python: ProcessInfo.processInfo.environment["MASSIF_TEST_KSERVE"])
  }
}
