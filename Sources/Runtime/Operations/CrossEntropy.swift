// SPDX-License-Identifier: Apache-2.0

import CKernels

extension Graph {
  /// The mean over the batch of -log softmax(logits)[label].
  ///
  /// With weights, the mean is weighted by each sample's class, as PyTorch's is: a batch without any
  /// weight has the loss NaN.
  ///
  /// - Parameters:
  ///   - logits: batched [classes], before any softmax.
  ///   - labels: batched INT32 scalars. A label outside the classes fails the run that reads it.
  ///   - smoothing: the part of a label that is spread evenly over all classes (Szegedy et al., 2016).
  ///   - weights: one for each class; empty for ones.
  /// - Returns: one number.
  /// - Throws: `.shapeMismatch` or `.invalidArgument` naming the argument that does not fit.
  public mutating func crossEntropy(
    _ logits: Value, labels: Value, smoothing: Float = 0, weights: [Float] = []
  ) throws(RuntimeError) -> Value {
    try add(CrossEntropy(smoothing: smoothing, weights: weights), [logits, labels])[0]
  }
}

/// loss = -mean log softmax(x)[label]; the second result is its gradient along x.
struct CrossEntropy: Operation {
  var smoothing: Float = 0
  var weights: [Float] = []
  var name: String { "cross_entropy" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    let (logits, labels) = (operands[0], operands[1])
    guard logits.datatype == .fp32, logits.isBatched, logits.shape.rank == 1,
      logits.shape.elementCount > 0
    else {
      throw RuntimeError(
        .shapeMismatch, "expected FP32 [batch, classes]; came \(logits)", operation: name,
        field: "logits")
    }
    guard labels.datatype == .int32, labels.isBatched, labels.shape == .scalar else {
      throw RuntimeError(
        .shapeMismatch, "expected INT32 [batch]; came \(labels)", operation: name, field: "labels")
    }
    guard smoothing >= 0, smoothing < 1 else {
      throw RuntimeError(
        .invalidArgument, "expected at least 0 and less than 1; came \(smoothing)",
        operation: name, field: "smoothing")
    }
    guard weights.isEmpty || weights.count == logits.shape[0],
      weights.allSatisfy({ $0 >= 0 && $0.isFinite })
    else {
      throw RuntimeError(
        .invalidArgument,
        "expected \(logits.shape[0]) numbers of 0 or more, one for each class; came \(weights.count)",
        operation: name, field: "weights")
    }
    return [TensorType(.fp32, .scalar, isBatched: false), logits]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let classes = program.type(of: node.operands[0]).shape[0]
    try program.checkIndices(node.operands[1], count: classes)
    let (isa, smoothing, weights) = (program.instructionSet, smoothing, weights)
    let (x, labels) = (try program.buffer(node.operands[0]), try program.buffer(node.operands[1]))
    let gradient = program.isUsed(node.results[1]) ? try program.buffer(node.results[1]) : nil
    let losses = try program.temporary(floats: program.maximumBatch)
    let total = weights.isEmpty ? nil : try totalWeight(of: labels, into: &program)
    let rows = max(1, Tiling.elements / classes)
    program.step(
      name, reads: [x, labels] + (total.map { [$0] } ?? []),
      writes: [losses] + (gradient.map { [$0] } ?? []),
      tiles: { Tiling.count($0, by: rows) }
    ) { frame, tile, _ in
      let range = Tiling.range(tile, of: rows, total: frame.batch)
      let start = range.lowerBound
      let dx = gradient.map { frame.floats($0) + start * classes }
      let logits = frame.floats(x) + start * classes
      let labels = frame.raw(labels).assumingMemoryBound(to: Int32.self) + start
      let scale = 1 / (total.map { frame.floats($0)[0] } ?? Float(frame.batch))
      if smoothing == 0, weights.isEmpty {
        isa.kernels.pointee.softmax_cross_entropy(
          frame.floats(losses) + start, dx, logits, labels, scale, range.count, classes)
      } else {
        weights.withUnsafeBufferPointer { weights in
          isa.kernels.pointee.smoothed_cross_entropy(
            frame.floats(losses) + start, dx, logits, labels,
            weights.isEmpty ? nil : weights.baseAddress, smoothing, scale, range.count, classes)
        }
      }
    }
    guard let total else {
      return try program.mean(name, node.results[0], of: losses, perSample: 1)
    }
    let output = try program.buffer(node.results[0])
    program.step(
      "\(name) mean", reads: [losses, total], writes: [output], tiles: { _ in 1 }
    ) { frame, _, _ in
      let sum = isa.kernels.pointee.sum(frame.floats(losses), frame.batch)
      frame.floats(output)[0] = sum / frame.floats(total)[0]
    }
  }

  /// The sum of the weights of the samples' classes.
  private func totalWeight(
    of labels: Buffer, into program: inout ProgramBuilder
  ) throws(RuntimeError) -> Buffer {
    let total = try program.temporary(floats: 1)
    let weights = weights
    program.step(
      "\(name) weights", reads: [labels], writes: [total], tiles: { _ in 1 }
    ) { frame, _, _ in
      let labels = frame.raw(labels).assumingMemoryBound(to: Int32.self)
      var sum: Float = 0
      // Labels were checked against the classes before the run.
      for sample in 0..<frame.batch { sum += weights[Int(labels[sample])] }
      frame.floats(total)[0] = sum
    }
    return total
  }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    guard let dloss = along[0] else { return [nil, nil] }
    return [try graph.add(Scale(), [node.results[1], dloss])[0], nil]
  }
}
