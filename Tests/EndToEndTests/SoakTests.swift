// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// The short form of `make soak`: everything at once for some seconds.
@Suite(.serialized) struct SoakTests {
  @Test func mixedLoadBringsNoErrorThatNoClientCaused() async throws {
    let massif = try await Installation(serveArguments: ["--allow-unsigned-plugins"])
    defer { massif.remove() }
    _ = try await massif.massifJSON(
      ["plugins", "register", BuildProducts.plugin("IdentityC").path], as: "admin")
    _ = try await massif.massifJSON([
      "models", "create", "echo", "--plugin", "identity",
      "--configuration", #"{"datatype":"FP32","shape":[-1]}"#,
    ])
    _ = try await massif.massifJSON(["deploy", "echo"])
    // A small network: a model with a queue.
    let fashion = try await FashionSubset(in: massif.directory, train: 200, test: 10)
    _ = try await massif.massifJSON(fashion.importArguments("fashion"))
    let layers: [[String: Any]] = [["type": "flatten"], ["type": "dense", "units": 10]]
    let job = try await massif.massifJSON(
      ["train", try fashion.specification(epochs: 1, layers: layers)])
    let trained = try await massif.massif(["jobs", "watch", try #require(job["id"] as? String)])
    #expect(trained.status == 0, "\(trained.errors)")
    _ = try await massif.massifJSON(["deploy", "fashion"])

    let result = try await BuildProducts.runPython(
      "Tests/EndToEndTests/Python/soak.py",
      [
        "--server", massif.address, "--certificates", massif.certificates.path,
        "--pid", "\(massif.server.identifier)", "--model", "echo", "--batched", "fashion",
        "--seconds", "8",
        // Caches are not full yet after so short a time.
        "--growth", "24",
      ])
    #expect(result.status == 0, "\(result.output)\(result.errors)")
    #expect(massif.stop().status == 0)
  }
}
