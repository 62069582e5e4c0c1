// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// What was acknowledged survives the death of every process.
@Suite(.serialized) struct CrashTests {
  /// The job as `massif jobs get` shows it.
  private func job(_ id: String, of massif: Installation) async throws -> [String: Any] {
    try await massif.massifJSON(["jobs", "get", id])
  }

  private func waitForEnd(_ id: String, of massif: Installation) async throws -> [String: Any] {
    try await eventually(within: 120, "the end of job \(id)") {
      let job = try await self.job(id, of: massif)
      let state = job["state"] as? String
      return ["SUCCEEDED", "FAILED", "CANCELLED"].contains(state) ? job : nil
    }
  }

  private func epochCount(_ job: [String: Any]) -> Int { (job["epochs"] as? [Any])?.count ?? 0 }

  @Test func aServerKilledWhileTrainingLosesNothingAndResumes() async throws {
    let massif = try await Installation(serveArguments: ["--allow-unsigned-plugins"])
    defer { massif.remove() }
    let fashion = try await FashionSubset(in: massif.directory, train: 6000, test: 500)
    let dataset = try await massif.massifJSON(fashion.importArguments("fashion"))
    _ = try await massif.massifJSON(
      ["plugins", "register", BuildProducts.plugin("IdentityC").path], as: "admin")
    _ = try await massif.massifJSON([
      "models", "create", "echo", "--plugin", "identity", "--configuration", "{}",
    ])
    _ = try await massif.massifJSON(["deploy", "echo", "--alias", "production"])

    // One run that is killed in the middle, and one of the same seed that is not.
    let specification = try fashion.specification(epochs: 4)
    let first = try #require(
      try await massif.massifJSON(["train", specification])["id"] as? String)
    _ = try await eventually("the first epoch") {
      self.epochCount(try await self.job(first, of: massif)) >= 1 ? true : nil
    }
    massif.crash()
    try await massif.restart(serveArguments: ["--allow-unsigned-plugins"])

    let datasets = try await massif.massif(["data", "list", "--output", "json"])
    #expect(datasets.output.contains(try #require(dataset["digest"] as? String)))
    let plugins = try await massif.massif(["plugins", "list", "--output", "json"])
    #expect(plugins.output.contains("identity"))
    let models = try await massif.massifJSON(["models", "describe", "echo"])
    #expect("\(models)".contains("READY"), "\(models)")

    let resumed = try await waitForEnd(first, of: massif)
    #expect(resumed["state"] as? String == "SUCCEEDED", "\(resumed)")
    #expect(epochCount(resumed) == 4)

    let second = try #require(
      try await massif.massifJSON(["train", specification])["id"] as? String)
    let whole = try await waitForEnd(second, of: massif)
    #expect(whole["state"] as? String == "SUCCEEDED", "\(whole)")

    // Same data, specification and seed: the same weights, interrupted or not.
    let weights = try FileManager.default.subpathsOfDirectory(atPath: massif.data.path)
      .filter {
        $0.hasSuffix("fashion/1/weights.safetensors")
          || $0.hasSuffix("fashion/2/weights.safetensors")
      }
      .map { try Data(contentsOf: massif.data.appending(path: $0)) }
    #expect(weights.count == 2)
    #expect(weights.first == weights.last)
  }

  @Test func aKilledWorkerFailsItsJobAndNothingElse() async throws {
    let massif = try await Installation()
    defer { massif.remove() }
    let fashion = try await FashionSubset(in: massif.directory, train: 6000, test: 500)
    _ = try await massif.massifJSON(fashion.importArguments("fashion"))
    let id = try #require(
      try await massif.massifJSON(["train", try fashion.specification(epochs: 200)])["id"]
        as? String)
    let worker = try await eventually("the worker process") { () -> Int32? in
      Self.children(of: massif.server.identifier).first
    }
    _ = try await eventually("the first epoch") {
      self.epochCount(try await self.job(id, of: massif)) >= 1 ? true : nil
    }
    kill(worker, SIGKILL)

    let failed = try await waitForEnd(id, of: massif)
    #expect(failed["state"] as? String == "FAILED")
    let reason = failed["error"] as? String ?? ""
    #expect(reason.contains("SIGKILL") || reason.contains("signal 9"), "\(reason)")

    #expect(massif.server.isRunning)
    let again = try #require(
      try await massif.massifJSON(["train", try fashion.specification(epochs: 1)])["id"] as? String)
    #expect(try await waitForEnd(again, of: massif)["state"] as? String == "SUCCEEDED")
  }

  @Test func aCancelledJobEndsSoon() async throws {
    let massif = try await Installation()
    defer { massif.remove() }
    let fashion = try await FashionSubset(in: massif.directory, train: 6000, test: 500)
    _ = try await massif.massifJSON(fashion.importArguments("fashion"))
    let id = try #require(
      try await massif.massifJSON(["train", try fashion.specification(epochs: 500)])["id"]
        as? String)
    _ = try await eventually("the worker process") {
      Self.children(of: massif.server.identifier).first
    }
    _ = try await massif.massifJSON(["jobs", "cancel", id])
    #expect(try await waitForEnd(id, of: massif)["state"] as? String == "CANCELLED")
    _ = try await eventually("the worker's end") {
      Self.children(of: massif.server.identifier).isEmpty ? true : nil
    }
  }

  /// The child processes of a process, from /proc.
  private static func children(of parent: Int32) -> [Int32] {
    let entries = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return entries.compactMap(Int32.init).filter { process in
      // "pid (name) state ppid ...", where the name may hold spaces and parentheses
      let stat = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
      guard let fields = stat?.split(separator: ")").last?.split(separator: " ") else {
        return false
      }
      return fields.count > 1 && fields[0] != "Z" && Int32(fields[1]) == parent
    }
  }
}
