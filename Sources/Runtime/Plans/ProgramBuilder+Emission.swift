// SPDX-License-Identifier: Apache-2.0

extension ProgramBuilder {
  /// Emits every node of the graph in order.
  ///
  /// - Throws: what an operation throws, with its place in the graph.
  mutating func emitNodes() throws(RuntimeError) {
    for (index, node) in graph.nodes.enumerated() {
      do {
        try emit(node, at: index)
      } catch {
        var placed = error
        placed.operation = "operation \(index) (\(node.operation.name))"
        throw placed
      }
    }
  }
}

extension Program {
  /// A program with memory for its prologue only.
  var prologueOnly: Program {
    Program(
      prologue: prologue, steps: [], storages: storages, arenaByteCount: 0, unsharedByteCount: 0,
      residentByteCount: residentByteCount, scratchByteCount: scratchByteCount, outputs: [],
      indexChecks: [], parametersRead: [])
  }

  /// The same steps on other memory.
  func replacing(storages: [Storage]) -> Program {
    Program(
      prologue: prologue, steps: steps, storages: storages, arenaByteCount: arenaByteCount,
      unsharedByteCount: unsharedByteCount,
      residentByteCount: residentByteCount, scratchByteCount: scratchByteCount, outputs: outputs,
      indexChecks: indexChecks, parametersRead: parametersRead)
  }
}
