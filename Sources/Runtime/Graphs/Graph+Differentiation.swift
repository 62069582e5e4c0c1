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
    return try accumulate(targets, from: loss) { graph throws(RuntimeError) in
      try graph.add(Ones(), [])[0]
    }
  }

  /// Adds the nodes that compute the gradients of a value along which the gradient of a loss is known.
  ///
  /// - Parameters:
  ///   - value: what was computed.
  ///   - gradient: the gradient along it, of the same type.
  ///   - targets: inputs, parameters or values between.
  /// - Returns: one value for each target, `nil` where `value` does not depend on it.
  /// - Throws: `.shapeMismatch` when the types differ, `.unsupported` where an operation has no gradient.
  public mutating func gradients(
    of value: Value, along gradient: Value, to targets: [Value]
  ) throws(RuntimeError) -> [Value?] {
    guard type(of: gradient) == type(of: value) else {
      throw RuntimeError(
        .shapeMismatch, "expected \(type(of: value)); came \(type(of: gradient))",
        field: "gradient")
    }
    return try accumulate(targets, from: value) { _ in gradient }
  }

  /// Goes backwards from `value`, whose own gradient `seed` gives.
  private mutating func accumulate(
    _ targets: [Value], from value: Value,
    seed: (inout Graph) throws(RuntimeError) -> Value
  ) throws(RuntimeError) -> [Value?] {
    let forward = nodes
    var leadsToTarget = [Bool](repeating: false, count: types.count)
    for target in targets { leadsToTarget[target.index] = true }
    for node in forward where node.operands.contains(where: { leadsToTarget[$0.index] }) {
      for result in node.results { leadsToTarget[result.index] = true }
    }
    guard leadsToTarget[value.index] else { return targets.map { _ in nil } }

    var gradients = [Value: Value]()
    gradients[value] = try seed(&self)
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
