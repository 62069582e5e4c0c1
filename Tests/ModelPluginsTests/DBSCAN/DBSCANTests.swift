// SPDX-License-Identifier: Apache-2.0
import Runtime
import Testing

@testable import ModelPlugins

struct DBSCANTests {
  @Test("Clusters, noise and core rows are scikit-learn's, row by row")
  func iris() throws {
    let golden = try FamilyGolden("clusters")
    let (_, artifacts) = try FamilyChecks.fit(
      "dbscan", #"{"eps":0.5,"min_samples":5}"#, golden.features())
    let labels = try golden.values("dbscan_labels", as: Int32.self)
    let report = try FamilyChecks.report(artifacts)
    #expect(report["noise_rows"] == .integer(labels.count { $0 < 0 }))
    #expect(
      report["core_rows"] == .integer(try golden.values("dbscan_core", as: Int64.self).count))
    // Served, every core row answers its own cluster.
    let rows = try golden.values("x", as: Float.self)
    let execution = try FamilyChecks.answer("dbscan", artifacts, rows, count: 150)
    let answers = (0..<150).map {
      execution.output(0).bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Int32.self)
    }
    for core in try golden.values("dbscan_core", as: Int64.self) {
      #expect(answers[Int(core)] == labels[Int(core)])
    }
    #expect(zip(answers, labels).allSatisfy { ($0 < 0) == ($1 < 0) })
  }

  @Test("The same bits at any number of threads, and resumed")
  func sameBits() throws {
    try FamilyChecks.expectSameBits(
      "dbscan", #"{"eps":0.6}"#, FamilyGolden("clusters").features())
  }

  @Test("Nothing dense enough is all noise; what is no radius is refused")
  func noise() throws {
    var data = TableData()
    data.add("train/x", [0, 10, 20] as [Float])
    let (trainer, artifacts) = try FamilyChecks.fit(
      "dbscan", #"{"min_samples":2}"#, data.view())
    #expect(trainer.completedEpochs == 1)
    let execution = try FamilyChecks.answer("dbscan", artifacts, [0], count: 1)
    #expect(execution.output(0).bytes.loadUnaligned(as: Int32.self) == -1)
    let plugin = try FamilyChecks.plugin("dbscan")
    #expect(
      pluginError { try plugin.validate(configuration: #"{"eps":0}"#, dataset: nil) }?
        .violations.first?.field == "configuration.eps")
  }
}
