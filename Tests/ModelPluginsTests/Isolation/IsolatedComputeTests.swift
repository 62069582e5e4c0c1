// SPDX-License-Identifier: Apache-2.0
import Foundation
import Runtime
import Testing

@testable import ModelPlugins

/// The lent tensor runtime, `massif.compute/1`, in a worker process.
@Suite(.enabled(if: isInstalled("cc"), "needs a C compiler"))
struct IsolatedComputeTests {
  @Test("A network that the C classifier trained answers isolated with the same bits")
  func sameBitsAsInProcess() throws {
    let library = try ComputeExtensionTests.library.get().path
    let configuration = #"{"hidden":8,"epochs":2,"batch_size":16}"#
    let inProcess = try TestRegistry().load(library)
    let isolated = try TestRegistry().load(library, isolation: .isolated)
    try isolated.validate(
      configuration: configuration, dataset: TwoMoons.dataset().description)
    #expect(
      try isolated.estimateMemory(configuration: configuration, dataset: nil)
        == inProcess.estimateMemory(configuration: configuration, dataset: nil))
    let trainer = try inProcess.makeTrainer(
      configuration: configuration, seed: 7, dataset: TwoMoons.dataset())
    for epoch in 1...2 { _ = try trainer.trainEpoch(epoch) { _ in true } }
    var files: [String: [UInt8]] = [:]
    try trainer.export { files[$0, default: []] += Array($1) }
    let artifacts = files.map { Artifact(name: $0.key, copying: $0.value) }

    let points = TwoMoons.points(32, salt: 3).features
    func answer(_ plugin: ModelPlugins.ModelPlugin) throws -> [Float] {
      let model = try plugin.makeModel(artifacts: artifacts, configuration: configuration)
      let execution = model.makeExecution()
      var answers: [Float] = []
      // A call for each row and then all at once: the plan runs with other batches.
      for rows in [1, 32] {
        execution.batchSize = rows
        execution.setFloats(0, Array(points.prefix(rows * 2)), shape: [rows, 2])
        try model.execute(execution)
        answers += execution.output(0).floats
        execution.reset()
      }
      return answers
    }
    let expected = try answer(inProcess)
    #expect(expected.count == 66)
    #expect(try answer(isolated) == expected)
  }
}
