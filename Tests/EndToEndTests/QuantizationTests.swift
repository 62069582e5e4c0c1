// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// A trained version, made narrower, deployed and called like any other.
@Suite(.serialized) struct QuantizationTests {
  @Test func int8AndBF16VersionsAnswerAsTheTrainedOneDoes() async throws {
    let massif = try await Installation()
    defer { massif.remove() }
    let fashion = try await FashionSubset(in: massif.directory, train: 4000, test: 1000)
    _ = try await massif.massifJSON(fashion.importArguments("fashion"))
    let submitted = try await massif.massifJSON([
      "train",
      try fashion.specification(
        epochs: 2,
        layers: [
          ["type": "conv2d", "filters": 8, "kernel": 3, "stride": 2, "activation": "relu"],
          ["type": "flatten"], ["type": "dense", "units": 32, "activation": "relu"],
          ["type": "dense", "units": 10],
        ]),
    ])
    let id = try #require(submitted["id"] as? String)
    let watched = try await massif.massif(["jobs", "watch", id])
    #expect(watched.status == 0, "\(watched.errors)")

    let refused = try await massif.massif(["models", "quantize", "fashion", "--type", "int8"])
    #expect(refused.status != 0 && refused.errors.contains("--calibration"))
    let int8 = try await massif.massifJSON([
      "models", "quantize", "fashion@1", "--type", "int8", "--calibration", "fashion",
    ])
    #expect(int8["version"] as? Int == 2)
    let bf16 = try await massif.massifJSON(["models", "quantize", "fashion@1", "--type", "bf16"])
    #expect(bf16["version"] as? Int == 3)

    var classes: [[Int]] = []
    var accuracies: [Double] = []
    for version in 1...3 {
      let deployed = try await massif.massifJSON(["deploy", "fashion@\(version)"])
      #expect(deployed["serving_state"] as? String == "READY")
      let answer = try await massif.massifJSON([
        "predict", "fashion@\(version)", "--images", fashion.testImages, "--expect",
        fashion.testLabels,
      ])
      classes.append(try #require(answer["classes"] as? [Int]))
      accuracies.append(try #require(answer["accuracy"] as? Double))
    }
    #expect(accuracies[0] > 0.6)
    // A thousand pictures: within half a point of what was trained, give or take a few pictures.
    #expect(abs(accuracies[1] - accuracies[0]) <= 0.01, "\(accuracies)")
    #expect(zip(classes[0], classes[2]).count { $0 == $1 } >= 990)
    let stopped = massif.stop()
    #expect(stopped.status == 0, "\(stopped.errors)")
  }
}
