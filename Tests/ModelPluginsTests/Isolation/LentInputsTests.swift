// SPDX-License-Identifier: Apache-2.0
import Foundation
import Runtime
import Testing

@testable import ModelPlugins

/// The inputs of several requests, put together where an isolated model reads them.
struct LentInputsTests {
  private func identity(
    _ isolation: PluginIsolation, _ configuration: String = "{}"
  ) throws -> PluginModel {
    try TestRegistry().load(Locations.product("IdentityC"), isolation: isolation)
      .makeModel(artifacts: [], configuration: configuration)
  }

  /// Puts pieces together and calls the model with them.
  private func call(
    _ model: PluginModel, _ execution: PluginExecution, _ pieces: [[Float]]
  ) throws -> (lent: UnsafeRawBufferPointer, owner: AnyObject) {
    let count = pieces.reduce(0) { $0 + $1.count }
    let lent = try #require(model.lendInputs(byteCounts: [count * 4], for: execution))
    for piece in pieces { piece.withUnsafeBytes { lent.append($0, to: 0) } }
    execution.setInput(
      0, datatype: .fp32, shape: [count], bytes: lent.bytes(0), owner: lent.owner)
    try model.execute(execution)
    return (lent.bytes(0), lent.owner)
  }

  @Test func piecesAreCopiedOnceAndComeBack() throws {
    let model = try identity(.isolated)
    let execution = model.makeExecution()
    // Sizes on both sides of the one from which copies pass the caches, at any alignment.
    for counts in [[1, 3], [1500, 1], [7, 4099, 2048], [0, 5]] {
      let pieces = counts.enumerated().map { index, count in
        (0..<count).map { Float(index * 10_000 + $0) }
      }
      let (lent, _) = try call(model, execution, pieces)
      #expect(execution.output(0).floats == pieces.flatMap { $0 })
      // The answer is the input, which lies where the worker read it: nobody has copied it.
      #expect(execution.output(0).bytes.baseAddress == lent.baseAddress)
      execution.reset()
    }
  }

  @Test func anAnswerThatIsStillReadIsNotWrittenOver() throws {
    let model = try identity(.isolated)
    let execution = model.makeExecution()
    _ = try call(model, execution, [[1, 2], [3]])
    let answer = execution.output(0)
    let held = answer.owner
    execution.reset()
    _ = try call(model, execution, [[4, 5], [6]])
    #expect(answer.floats == [1, 2, 3])
    #expect(execution.output(0).floats == [4, 5, 6])
    withExtendedLifetime(held) {}
  }

  @Test func memoryThatWasLentAndNotUsedIsUsedByTheNextCall() throws {
    let model = try identity(.isolated)
    let execution = model.makeExecution()
    _ = try #require(model.lendInputs(byteCounts: [64], for: execution))
    execution.reset()
    execution.setFloats(0, [7, 8], shape: [2])
    try model.execute(execution)
    #expect(execution.output(0).floats == [7, 8])
  }

  @Test func nothingIsLentWhereItWouldNotHelpOrHarm() throws {
    let inProcess = try identity(.inProcess)
    #expect(inProcess.lendInputs(byteCounts: [64], for: inProcess.makeExecution()) == nil)
    // Sizes inside of BYTES are read twice, so that they must not lie with the worker.
    let bytes = try identity(.isolated, #"{"datatype":"BYTES"}"#)
    #expect(bytes.lendInputs(byteCounts: [64], for: bytes.makeExecution()) == nil)
  }
}
