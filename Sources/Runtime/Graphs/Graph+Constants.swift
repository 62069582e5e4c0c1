// SPDX-License-Identifier: Apache-2.0

extension Graph {
  /// Positions of the nodes whose results are the same in every run with the same parameters.
  ///
  /// A plan computes them once, when it is made, and a plan of living parameters when they have changed.
  var constantNodes: Set<Int> {
    var constants: Set<Value> = []
    var positions: Set<Int> = []
    for (position, node) in nodes.enumerated() {
      let isConstant = node.operands.allSatisfy { operand in
        if case .parameter = origins[operand.index] { return true }
        return constants.contains(operand)
      }
      guard isConstant, node.results.allSatisfy({ !type(of: $0).isBatched }) else { continue }
      positions.insert(position)
      constants.formUnion(node.results)
    }
    return positions
  }
}
