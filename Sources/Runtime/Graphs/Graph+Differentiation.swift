// SPDX-License-Identifier: Apache-2.0

extension Graph {
  /// Adds the nodes that compute the gradient of `loss` along `targets`.
  ///
  /// Reverse accumulation (Griewank and Walther, Evaluating Derivatives, chapter 3) as a transformation:
  /// the result is more graph. Gradients that lead to no target, such as an image's, are not made.
  ///
  /// - Returns: one value for each target, `nil` where the loss does not depend on it.
  /// - Throws: `.shapeMismatch` when the loss is not one number.
  mutating func differentiate(
    _ loss: Value, along targets: [Value]
  ) throws(RuntimeError) -> [Value?] {
    guard type(of: loss).shape == .scalar, !type(of: loss).isBatched else {
      throw RuntimeError(
        .shapeMismatch, "a loss is one number; came \(type(of: loss))", field: "loss")
    }
    let forward = nodes
    var leadsToTarget = [Bool](repeating: false, count: types.count)
    for target in targets { leadsToTarget[target.index] = true }
    for node in forward where node.operands.contains(where: { leadsToTarget[$0.index] }) {
      for result in node.results { leadsToTarget[result.index] = true }
    }
    guard leadsToTarget[loss.index] else { return targets.map { _ in nil } }

    var gradients = [Value: Value]()
    gradients[loss] = try add(Ones(), [])[0]
    for node in forward.reversed() {
      let along = node.results.map { gradients[$0] }
      let wanted = node.operands.map { leadsToTarget[$0.index] }
      guard along.contains(where: { $0 != nil }), wanted.contains(true) else { continue }
      let contributions = try node.operation.gradients(
        of: node, along: along, wanted: wanted, in: &self)
      for (operand, (contribution, isWanted)) in zip(node.operands, zip(contributions, wanted)) {
        guard isWanted, let contribution else { continue }
        if let sum = gradients[operand] {
          gradients[operand] = try add(sum, contribution)
        } else {
          gradients[operand] = contribution
        }
      }
    }
    return targets.map { gradients[$0] }
  }
}
