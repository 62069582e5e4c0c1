// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// The main job, small: import, train, deploy, and classify with two clients that agree.
@Suite(.serialized) struct MainJobTests {
  @Test func trainDeployAndClassifyWithTwoClients() async throws {
    let massif = try await Installation()
    defer { massif.remove() }
    let fashion = try await FashionSubset(in: massif.directory, train: 6000, test: 1000)
    _ = try await massif.massifJSON(fashion.importArguments("fashion"))

    let submitted = try await massif.massifJSON(["train", try fashion.specification(epochs: 2)])
    let id = try #require(submitted["id"] as? String)
    let watched = try await massif.massif(["jobs", "watch", id])
    #expect(watched.status == 0, "\(watched.errors)")
    let job = try await massif.massifJSON(["jobs", "get", id])
    #expect(job["state"] as? String == "SUCCEEDED")
    #expect((job["epochs"] as? [Any])?.count == 2)

    let deployed = try await massif.massifJSON(["deploy", "fashion", "--alias", "production"])
    #expect(deployed["version"] as? Int == 1)

    let sdk = try await massif.massifJSON([
      "predict", "fashion", "--images", fashion.testImages, "--expect", fashion.testLabels,
    ])
    let accuracy = try #require(sdk["accuracy"] as? Double)
    #expect(accuracy > 0.7)

    let triton = try await massif.python(
      "Examples/Clients/python/classify.py",
      [
        "--model", "fashion", "--images", fashion.testImages, "--labels", fashion.testLabels,
        "--json",
      ])
    #expect(triton.status == 0, "\(triton.errors)")
    let foreign = try triton.json()
    #expect(foreign["classes"] as? [Int] == sdk["classes"] as? [Int])
    #expect((sdk["classes"] as? [Int])?.count == 1000)

    let stopped = massif.stop()
    #expect(stopped.status == 0, "\(stopped.errors)")
  }

  @Test func aSpecificationThatDoesNotFitIsRefusedWithItsPath() async throws {
    let massif = try await Installation()
    defer { massif.remove() }
    let fashion = try await FashionSubset(in: massif.directory, train: 100, test: 100)
    _ = try await massif.massifJSON(fashion.importArguments("fashion"))
    let specification = try fashion.specification(
      epochs: 1,
      layers: [
        ["type": "conv2d", "filters": 8, "kernel": 40, "activation": "relu"],
        ["type": "flatten"],
        ["type": "dense", "units": 10],
      ])
    let refused = try await massif.massif(["train", specification])
    #expect(refused.status != 0)
    #expect(refused.errors.contains("configuration.layers[0].kernel"), "\(refused.errors)")
  }
}
