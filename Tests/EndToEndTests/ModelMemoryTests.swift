// SPDX-License-Identifier: Apache-2.0
import Foundation
import MassifClient
import Testing

/// Memory comes back: a server that has loaded, asked and unloaded a model two hundred times is as
/// large as before.
@Suite(.serialized) struct ModelMemoryTests {
  /// A leak of 40 KB a round would show; the allocator's own breathing does not.
  private static let allowedGrowth = 8 << 20

  @Test(arguments: [false, true])
  func twoHundredTimesLoadInferUnload(isIsolated: Bool) async throws {
    let massif = try await Installation(serveArguments: ["--allow-unsigned-plugins"])
    defer { massif.remove() }
    _ = try await massif.massifJSON(
      ["plugins", "register", BuildProducts.plugin("IdentityC").path]
        + (isIsolated ? ["--isolated"] : []), as: "admin")
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
    // The worker of an isolated plugin lives through all of it.
    let worker = try isIsolated ? massif.server.worker() : nil
    var before = (server: 0, worker: 0)
    func measure() throws -> (server: Int, worker: Int) {
      try (
        residentByteCount(of: massif.server.identifier),
        worker.map { try residentByteCount(of: $0) } ?? 0
      )
    }
    for round in 1...200 {
      _ = try await client.models.deploy("echo")
      let answer = try await client.infer("echo", inputs: [input])
      #expect(answer.outputs[0].byteCount == 65536)
      _ = try await client.models.undeploy("echo")
      if round == 40 { before = try measure() }
    }
    let after = try measure()
    #expect(after.server - before.server < Self.allowedGrowth, "\(before), then \(after)")
    #expect(after.worker - before.worker < Self.allowedGrowth, "\(before), then \(after)")
  }

  /// What a process holds in memory.
  private func residentByteCount(of process: Int32) throws -> Int {
    let status = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
    guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmRSS:") }),
      let kilobytes = line.split(separator: " ").compactMap({ Int($0) }).first
    else { throw HarnessError("no VmRSS of process \(process)") }
    return kilobytes << 10
  }
}

extension Program {
  /// The worker of the one isolated plugin: a child of this name.
  fileprivate func worker() throws -> Int32 {
    for entry in try FileManager.default.contentsOfDirectory(atPath: "/proc") {
      guard let process = Int32(entry),
        let status = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
        // proc_pid_stat(5): number (name) state parent; a name has at most fifteen characters.
        status.contains("(massif-plugin-w)"),
        status.split(separator: ")").last?.split(separator: " ").dropFirst().first
          == "\(identifier)"
      else { continue }
      return process
    }
    throw HarnessError("process \(identifier) has no plugin worker")
  }
}
