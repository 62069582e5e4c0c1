// SPDX-License-Identifier: Apache-2.0
import Foundation
import MassifClient
import Testing

/// Memory comes back: a server that has loaded, asked and unloaded a model two hundred times is as
/// large as before.
@Suite(.serialized) struct ModelMemoryTests {
  /// A leak of 40 KB a round would show; the allocator's own breathing does not.
  private static let allowedGrowth = 8 << 20

  @Test func twoHundredTimesLoadInferUnload() async throws {
    let massif = try await Installation(serveArguments: ["--allow-unsigned-plugins"])
    defer { massif.remove() }
    _ = try await massif.massifJSON(
      ["plugins", "register", BuildProducts.plugin("IdentityC").path], as: "admin")
    _ = try await massif.massifJSON([
      "models", "create", "echo", "--plugin", "identity", "--configuration",
      #"{"datatype":"FP32","shape":[16384]}"#,
    ])
    let address = try #require(ServerAddress(massif.address))
    let client = try MassifClient(
      addresses: [address],
      credentials: Credentials(directory: massif.certificates.path, name: "alice"))
    defer { client.close() }
    let input = try Tensor("INPUT0", shape: [16384], [Float](repeating: 1, count: 16384))
    var before = 0
    for round in 1...200 {
      _ = try await client.models.deploy("echo")
      let answer = try await client.infer("echo", inputs: [input])
      #expect(answer.outputs[0].byteCount == 65536)
      _ = try await client.models.undeploy("echo")
      if round == 40 { before = try massif.server.residentByteCount() }
    }
    let after = try massif.server.residentByteCount()
    #expect(after - before < Self.allowedGrowth, "\(before >> 10) KB, then \(after >> 10) KB")
  }
}

extension Program {
  /// What the program holds in memory.
  fileprivate func residentByteCount() throws -> Int {
    let status = try String(contentsOfFile: "/proc/\(identifier)/status", encoding: .utf8)
    guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmRSS:") }),
      let kilobytes = line.split(separator: " ").compactMap({ Int($0) }).first
    else { throw HarnessError("no VmRSS of process \(identifier)") }
    return kilobytes << 10
  }
}
