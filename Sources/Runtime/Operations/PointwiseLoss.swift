// SPDX-License-Identifier: Apache-2.0

import CKernels

/// A loss between each prediction and its target; definitions and means are PyTorch's.
public enum ElementLoss: Sendable, Hashable {
  /// (x - t)²; the mean over batch and elements.
  case squared
  /// |x - t|; the mean over batch and elements.
  case absolute
  /// (x - t)² / 2 within `delta` of the target, linear beyond; the mean over batch and elements.
  case huber(delta: Float = 1)
  /// Binary cross-entropy of logits against targets of 0 to 1; the mean over batch and elements.
  ///
  /// - `positiveWeight`: multiplies what positives contribute.
  case binaryCrossEntropy(positiveWeight: Float = 1)
  /// max(0, 1 - t x) for targets of -1 and 1; the mean over batch and elements.
  case hinge
  /// t (log t - x) for logarithms of probabilities x and probabilities t; summed over a sample, the mean
  /// over the batch.
  case kullbackLeibler
  /// -t x for logarithms of probabilities x and the shares t of the classes; summed over a sample, the mean
  /// over the batch.
  case crossEntropy
}

extension Graph {
  /// The mean loss of predictions against targets.
  ///
  /// - Returns: one number.
  /// - Throws: `.shapeMismatch` when the two are not of one type, `.invalidArgument` naming the setting of
  ///   the loss that is out of range.
  public mutating func loss(
    _ loss: ElementLoss, _ predictions: Value, targets: Value
  ) throws(RuntimeError) -> Value {
    try add(PointwiseLoss(loss: loss), [predictions, targets])[0]
  }

  /// The mean of (predictions - targets)² over batch and elements.
  ///
  /// - Returns: one number.
  /// - Throws: `.shapeMismatch` when the two are not of one type.
  public mutating func meanSquaredError(
    _ predictions: Value, targets: Value
  ) throws(RuntimeError) -> Value {
    try loss(.squared, predictions, targets: targets)
  }
}

/// loss = mean l(x, t); the second result is its gradient along x, l'(x, t) / count.
struct PointwiseLoss: Operation {
  let loss: ElementLoss
  var name: String { loss.name }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    try requireFloat(operands[0], "predictions")
    guard operands[0] == operands[1], operands[0].isBatched,
      operands[0].shape.elementCount > 0
    else {
      throw RuntimeError(
        .shapeMismatch, "expected \(operands[0]), as the predictions; came \(operands[1])",
        operation: name, field: "targets")
    }
    if let (value, field) = loss.setting, !(value > 0 && value.isFinite) {
      throw RuntimeError(
        .invalidArgument, "expected above 0; came \(value)", operation: name, field: field)
    }
    return [TensorType(.fp32, .scalar, isBatched: false), operands[0]]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let columns = program.type(of: node.operands[0]).shape.elementCount
    let (isa, code, parameter) = (program.instructionSet, loss.code, loss.setting?.value ?? 0)
    let counted = loss.countsElements ? columns : 1
    let (x, targets) = (try program.buffer(node.operands[0]), try program.buffer(node.operands[1]))
    let gradient = program.isUsed(node.results[1]) ? try program.buffer(node.results[1]) : nil
    let losses = try program.temporary(floats: program.maximumBatch)
    let rows = max(1, Tiling.elements / columns)
    program.step(
      name, reads: [x, targets], writes: [losses] + (gradient.map { [$0] } ?? []),
      tiles: { Tiling.count($0, by: rows) }
    ) { frame, tile, _ in
      let range = Tiling.range(tile, of: rows, total: frame.batch)
      let start = range.lowerBound * columns
      isa.kernels.pointee.pointwise_loss(
        frame.floats(losses) + range.lowerBound, gradient.map { frame.floats($0) + start },
        frame.floats(x) + start, frame.floats(targets) + start, code, parameter,
        1 / Float(frame.batch * counted), range.count, columns)
    }
    try program.mean(name, node.results[0], of: losses, perSample: counted)
  }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    guard !wanted[1] else {
      throw RuntimeError(
        .unsupported, "targets are not learned", operation: name, field: "targets")
    }
    guard let dloss = along[0] else { return [nil, nil] }
    return [try graph.add(Scale(), [node.results[1], dloss])[0], nil]
  }
}

extension ElementLoss {
  fileprivate var name: String {
    switch self {
    case .squared: "mean_squared_error"
    case .absolute: "mean_absolute_error"
    case .huber: "huber"
    case .binaryCrossEntropy: "binary_cross_entropy"
    case .hinge: "hinge"
    case .kullbackLeibler: "kullback_leibler"
    case .crossEntropy: "cross_entropy"
    }
  }

  /// What the kernels call it.
  fileprivate var code: mk_loss {
    let code =
      switch self {
      case .squared: MK_LOSS_SQUARED
      case .absolute: MK_LOSS_ABSOLUTE
      case .huber: MK_LOSS_HUBER
      case .binaryCrossEntropy: MK_LOSS_BINARY_CROSS_ENTROPY
      case .hinge: MK_LOSS_HINGE
      case .kullbackLeibler: MK_LOSS_KULLBACK_LEIBLER
      case .crossEntropy: MK_LOSS_CROSS_ENTROPY
      }
    return mk_loss(code)
  }

  /// The kernel's parameter and the name of the argument that gave it.
  fileprivate var setting: (value: Float, field: String)? {
    switch self {
    case .huber(let delta): (delta, "delta")
    case .binaryCrossEntropy(let weight): (weight, "positive_weight")
    default: nil
    }
  }

  /// Whether the mean is over the elements too.
  fileprivate var countsElements: Bool { self != .kullbackLeibler && self != .crossEntropy }
}
