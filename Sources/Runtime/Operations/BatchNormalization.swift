// SPDX-License-Identifier: Apache-2.0
// C channels (the last dimension), M = batch × pixels values of each.

import CKernels

extension Graph {
  /// Normalises each channel to mean 0 and variance 1, then scales and shifts it (Ioffe and Szegedy,
  /// 2015).
  ///
  /// In training with the batch's statistics, which also move the running ones by `momentum`
  /// (the running variance unbiased); in inference with the running ones.
  /// - Parameters:
  ///   - x: batched, channels last.
  ///   - scale: a parameter of shape [C]; also `offset`, `runningMean` and `runningVariance`, the last
  ///     two not trainable.
  ///   - epsilon: added to the variance.
  ///   - momentum: the weight of the new value in the running one.
  ///   - isFrozen: normalises with the running statistics in training too, and leaves them as they are.
  /// - Throws: `.shapeMismatch` or `.invalidArgument` naming the argument that does not fit.
  public mutating func batchNormalization(
    _ x: Value, scale: Value, offset: Value, runningMean: Value, runningVariance: Value,
    epsilon: Float = 1e-5, momentum: Float = 0.1, isFrozen: Bool = false
  ) throws(RuntimeError) -> Value {
    try add(
      BatchNormalization(epsilon: epsilon, momentum: momentum, isFrozen: isFrozen),
      [x, scale, offset, runningMean, runningVariance])[0]
  }
}

/// y = (x - mean) / √(variance + ε) · scale + offset; further results: the mean and 1 / √(variance + ε).
struct BatchNormalization: ActivationFusing {
  let epsilon: Float
  let momentum: Float
  let isFrozen: Bool
  var activation: Activation?
  var name: String { "batch_norm" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    let x = operands[0]
    try requireFloat(x, "input")
    guard x.isBatched, x.shape.rank > 0, x.shape.elementCount > 0 else {
      throw RuntimeError(
        .shapeMismatch, "expected a batch with channels last; came \(x)", operation: name,
        field: "input")
    }
    for (type, field) in zip(
      operands[1...], ["scale", "offset", "running_mean", "running_variance"])
    {
      try require(type, shape: [x.shape.innermost], field)
    }
    guard epsilon > 0, epsilon.isFinite else {
      throw RuntimeError(
        .invalidArgument, "expected above 0; came \(epsilon)", operation: name, field: "epsilon")
    }
    guard momentum >= 0, momentum <= 1 else {
      throw RuntimeError(
        .invalidArgument, "expected 0 to 1; came \(momentum)", operation: name, field: "momentum")
    }
    let statistic = TensorType(.fp32, try Shape([x.shape.innermost]), isBatched: false)
    return [x, statistic, statistic]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let rows = FeatureRows(program.type(of: node.operands[0]).shape)
    let affine: Buffer
    if program.mode == .training, !isFrozen {
      affine = try emitStatistics(node, rows, into: &program)
    } else {
      affine = try Self.packAffine(node.operands, epsilon, into: &program)
    }
    let (isa, code) = (program.instructionSet, activation?.code ?? Activation.none)
    let (x, y) = (try program.buffer(node.operands[0]), try program.buffer(node.results[0]))
    program.step(
      name, reads: [x, affine], writes: [y], inPlace: (y, x),
      tiles: { rows.chunks(batch: $0) }
    ) { frame, tile, _ in
      let range = rows.range(tile, batch: frame.batch)
      let (start, channels) = (range.lowerBound * rows.columns, rows.columns)
      isa.kernels.pointee.channel_affine(
        frame.floats(y) + start, frame.floats(x) + start, frame.floats(affine),
        frame.floats(affine) + channels, code, range.count, channels)
    }
  }

  /// The running statistics, scale and offset as one factor and offset a channel.
  ///
  /// - Parameter operands: of the operation; its gradient along x gives its own first one.
  fileprivate static func packAffine(
    _ operands: [Graph.Value], _ epsilon: Float, hasOffset: Bool = true,
    into program: inout ProgramBuilder
  ) throws(RuntimeError) -> Buffer {
    let channels = program.type(of: operands[1]).shape.elementCount
    let offset = try program.buffer(operands[2])
    let (mean, variance) = (try program.buffer(operands[3]), try program.buffer(operands[4]))
    return try program.packed(
      operands[1], layout: "batch_norm \(operands.dropFirst()) \(epsilon) \(hasOffset)",
      floats: 2 * channels
    ) { scale, affine in
      Step(name: "pack", tiles: { _ in 1 }) { frame, _, _ in
        let out = frame.floats(affine)
        for c in 0..<channels {
          let inverse = 1 / (frame.floats(variance)[c] + epsilon).squareRoot()
          out[c] = frame.floats(scale)[c] * inverse
          out[channels + c] =
            hasOffset ? frame.floats(offset)[c] - frame.floats(mean)[c] * out[c] : 0
        }
      }
    }
  }

  /// The batch's statistics, in chunks merged in order; they also move the running ones.
  private func emitStatistics(
    _ node: Graph.Node, _ rows: FeatureRows, into program: inout ProgramBuilder
  ) throws(RuntimeError) -> Buffer {
    let (isa, channels, epsilon, momentum) = (
      program.instructionSet, rows.columns, epsilon, momentum
    )
    var operands: [Buffer] = []
    for operand in node.operands { operands.append(try program.buffer(operand)) }
    let (x, scale, offset, runningMean, runningVariance) = (
      operands[0], operands[1], operands[2], operands[3], operands[4]
    )
    let (mean, inverse) = (
      try program.buffer(node.results[1]), try program.buffer(node.results[2])
    )
    let affine = try program.temporary(floats: 2 * channels)
    // Of each chunk the means, then the sums of squared deviations.
    let moments = try program.temporary(
      floats: rows.chunks(batch: program.maximumBatch) * 2 * channels)
    program.step(
      "batch_norm moments", reads: [x], writes: [moments], tiles: { rows.chunks(batch: $0) }
    ) { frame, tile, _ in
      let range = rows.range(tile, batch: frame.batch)
      let out = frame.floats(moments) + tile * 2 * channels
      isa.kernels.pointee.channel_moments(
        out, out + channels, frame.floats(x) + range.lowerBound * channels, range.count, channels)
    }
    program.step(
      "batch_norm statistics", reads: [moments, scale, offset, runningMean, runningVariance],
      writes: [mean, inverse, affine, runningMean, runningVariance, moments], tiles: { _ in 1 }
    ) { frame, _, _ in
      let total = frame.floats(moments)
      var seen = rows.range(0, batch: frame.batch).count
      for chunk in 1..<max(1, rows.chunks(batch: frame.batch)) {
        let more = total + chunk * 2 * channels
        let count = rows.range(chunk, batch: frame.batch).count
        isa.kernels.pointee.channel_moments_merge(
          total, total + channels, seen, more, more + channels, count, channels)
        seen += count
      }
      let out = frame.floats(affine)
      for c in 0..<channels {
        let variance = total[channels + c] / Float(seen)
        let unbiased = total[channels + c] / Float(max(1, seen - 1))
        let inverseDeviation = 1 / (variance + epsilon).squareRoot()
        frame.floats(mean)[c] = total[c]
        frame.floats(inverse)[c] = inverseDeviation
        out[c] = frame.floats(scale)[c] * inverseDeviation
        out[channels + c] = frame.floats(offset)[c] - total[c] * out[c]
        frame.floats(runningMean)[c] += momentum * (total[c] - frame.floats(runningMean)[c])
        frame.floats(runningVariance)[c] +=
          momentum * (unbiased - frame.floats(runningVariance)[c])
      }
    }
    return affine
  }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    guard let dy = along[0] else { return [nil, nil, nil, nil, nil] }
    if isFrozen {
      guard !wanted[1], !wanted[2] else {
        throw RuntimeError(
          .unsupported, "the scale and offset of a frozen normalisation are not learned",
          operation: name, field: "scale")
      }
      let gradient = FrozenBatchNormalizationGradient(epsilon: epsilon)
      return [try graph.add(gradient, [dy] + node.operands[1...])[0], nil, nil, nil, nil]
    }
    let made = try graph.add(
      BatchNormalizationGradient(),
      [dy, node.operands[0], node.operands[1], node.results[1], node.results[2]])
    return [made[0], made[1], made[2], nil, nil]
  }
}

/// With x̂ = (x - mean) · r: dscale = Σ dy x̂, doffset = Σ dy, dx = scale · r · (dy - (doffset + x̂ dscale) / M).
struct BatchNormalizationGradient: Operation {
  var name: String { "batch_norm gradient" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    [operands[1], operands[2], operands[2]]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let rows = FeatureRows(program.type(of: node.operands[0]).shape)
    let (isa, channels) = (program.instructionSet, rows.columns)
    var operands: [Buffer] = []
    for operand in node.operands { operands.append(try program.buffer(operand)) }
    let (dy, x, scale, mean, inverse) = (
      operands[0], operands[1], operands[2], operands[3], operands[4]
    )
    let dx = try program.buffer(node.results[0])
    let (dscale, doffset) = (
      try program.buffer(node.results[1]), try program.buffer(node.results[2])
    )
    // Of each chunk the scale's sums, then the offset's.
    let partial = try program.temporary(
      floats: rows.chunks(batch: program.maximumBatch) * 2 * channels)
    program.step(
      "batch_norm gradient sums", reads: [dy, x, mean, inverse], writes: [partial],
      tiles: { rows.chunks(batch: $0) }
    ) { frame, tile, _ in
      let range = rows.range(tile, batch: frame.batch)
      let start = range.lowerBound * channels
      let out = frame.floats(partial) + tile * 2 * channels
      isa.kernels.pointee.batch_norm_gradient_sums(
        out, out + channels, frame.floats(x) + start, frame.floats(dy) + start,
        frame.floats(mean), frame.floats(inverse), range.count, channels)
    }
    program.step(
      "batch_norm gradient totals", reads: [partial], writes: [dscale, doffset],
      tiles: { _ in 1 }
    ) { frame, _, _ in
      let chunks = rows.chunks(batch: frame.batch)
      isa.kernels.pointee.column_sums(
        frame.floats(dscale), frame.floats(partial), 2 * channels, chunks, channels, 0)
      isa.kernels.pointee.column_sums(
        frame.floats(doffset), frame.floats(partial) + channels, 2 * channels, chunks, channels, 0)
    }
    program.step(
      name, reads: operands + [dscale, doffset], writes: [dx], inPlace: (dx, dy),
      tiles: { rows.chunks(batch: $0) }
    ) { frame, tile, _ in
      let range = rows.range(tile, batch: frame.batch)
      let start = range.lowerBound * channels
      isa.kernels.pointee.batch_norm_gradient(
        frame.floats(dx) + start, frame.floats(x) + start, frame.floats(dy) + start,
        frame.floats(mean), frame.floats(inverse), frame.floats(scale), frame.floats(dscale),
        frame.floats(doffset), rows.count(batch: frame.batch), range.count, channels)
    }
  }
}

/// dx = dy · scale / √(running variance + ε).
struct FrozenBatchNormalizationGradient: Operation {
  let epsilon: Float
  var name: String { "frozen batch_norm gradient" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    [operands[0]]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let rows = FeatureRows(program.type(of: node.operands[0]).shape)
    let affine = try BatchNormalization.packAffine(
      node.operands, epsilon, hasOffset: false, into: &program)
    let (dy, dx) = (try program.buffer(node.operands[0]), try program.buffer(node.results[0]))
    let isa = program.instructionSet
    program.step(
      name, reads: [dy, affine], writes: [dx], inPlace: (dx, dy),
      tiles: { rows.chunks(batch: $0) }
    ) { frame, tile, _ in
      let range = rows.range(tile, batch: frame.batch)
      let (start, channels) = (range.lowerBound * rows.columns, rows.columns)
      isa.kernels.pointee.channel_affine(
        frame.floats(dx) + start, frame.floats(dy) + start, frame.floats(affine),
        frame.floats(affine) + channels, Activation.none, range.count, channels)
    }
  }
}
