// SPDX-License-Identifier: Apache-2.0
// C channels (the last dimension) in G groups, P positions: all other dimensions of a sample.

import CKernels

extension Graph {
  /// Normalises each sample's groups of channels, over all their positions, to mean 0 and variance 1, then scales and
  /// shifts each channel (Wu and He, 2018); as many groups as channels make it instance normalisation.
  ///
  /// - Parameters:
  ///   - x: batched, of any shape with C last.
  ///   - scale: a parameter of shape [C]; also `offset`.
  ///   - groups: a divisor of C.
  ///   - epsilon: added to the variance.
  /// - Throws: `.shapeMismatch` or `.invalidArgument` naming the argument that does not fit.
  public mutating func groupNormalization(
    _ x: Value, groups: Int, scale: Value, offset: Value, epsilon: Float = 1e-5
  ) throws(RuntimeError) -> Value {
    try add(GroupNormalization(groups: groups, epsilon: epsilon), [x, scale, offset])[0]
  }
}

/// y = (x - mean) / √(variance + ε) · scale + offset; the second result: each channel's mean and factor.
struct GroupNormalization: Operation {
  let groups: Int
  let epsilon: Float
  var name: String { "group_norm" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    let x = operands[0]
    try requireFloat(x, "input")
    guard x.isBatched, x.shape.rank > 0, x.shape.elementCount > 0 else {
      throw RuntimeError(
        .shapeMismatch, "expected a batch with channels last; came \(x)", operation: name,
        field: "input")
    }
    guard groups > 0, x.shape.innermost % groups == 0 else {
      throw RuntimeError(
        .invalidArgument, "expected a divisor of \(x.shape.innermost) channels; came \(groups)",
        operation: name, field: "groups")
    }
    for (type, field) in zip(operands[1...], ["scale", "offset"]) {
      try require(type, shape: [x.shape.innermost], field)
    }
    guard epsilon > 0, epsilon.isFinite else {
      throw RuntimeError(
        .invalidArgument, "expected above 0; came \(epsilon)", operation: name, field: "epsilon")
    }
    return [x, TensorType(.fp32, try Shape([2, x.shape.innermost]), isBatched: true)]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let shape = program.type(of: node.operands[0]).shape
    let (channels, elements) = (shape.innermost, shape.elementCount)
    let (isa, groups, epsilon) = (program.instructionSet, groups, epsilon)
    let (x, y) = (try program.buffer(node.operands[0]), try program.buffer(node.results[0]))
    let (scale, offset) = (
      try program.buffer(node.operands[1]), try program.buffer(node.operands[2])
    )
    let statistics = try program.buffer(node.results[1])
    program.step(
      name, reads: [x, scale, offset], writes: [y, statistics], inPlace: (y, x),
      scratchFloats: 2 * channels, tiles: { $0 }
    ) { frame, sample, worker in
      let positions = elements / channels
      let source = frame.floats(x) + sample * elements
      let mean = frame.floats(statistics) + sample * 2 * channels
      let inverse = mean + channels
      isa.kernels.pointee.channel_moments(mean, inverse, source, positions, channels)
      Self.join(groups, channels, positions: positions, mean, inverse, epsilon)
      let (factor, shift) = (frame.scratch(worker), frame.scratch(worker) + channels)
      for channel in 0..<channels {
        factor[channel] = frame.floats(scale)[channel] * inverse[channel]
        shift[channel] = frame.floats(offset)[channel] - mean[channel] * factor[channel]
      }
      isa.kernels.pointee.channel_affine(
        frame.floats(y) + sample * elements, source, factor, shift, Activation.none, positions,
        channels)
    }
  }

  /// Channels' means and sums of squared deviations become their group's mean and 1 / √(variance + ε).
  private static func join(
    _ groups: Int, _ channels: Int, positions: Int, _ mean: UnsafeMutablePointer<Float>,
    _ deviations: UnsafeMutablePointer<Float>, _ epsilon: Float
  ) {
    let width = channels / groups
    for group in 0..<groups {
      let range = group * width..<(group + 1) * width
      var (total, squares) = (0.0, 0.0)
      for channel in range { total += Double(mean[channel]) }
      let joined = total / Double(width)
      for channel in range {
        let distance = Double(mean[channel]) - joined
        squares += Double(deviations[channel]) + Double(positions) * distance * distance
      }
      let variance = squares / Double(width * positions)
      let inverse = Float(1 / (variance + Double(epsilon)).squareRoot())
      for channel in range {
        mean[channel] = Float(joined)
        deviations[channel] = inverse
      }
    }
  }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    guard let dy = along[0] else { return [nil, nil, nil] }
    let made = try graph.add(
      GroupNormalizationGradient(groups: groups),
      [dy, node.operands[0], node.results[1], node.operands[1]])
    return made.map { $0 }
  }
}

/// With x̂ = (x - mean) · r and g = dy · scale, means over a group: dx = r (g - mean g - x̂ mean (g x̂)), dscale =
/// Σ dy x̂, doffset = Σ dy.
struct GroupNormalizationGradient: Operation {
  let groups: Int
  var name: String { "group_norm gradient" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    [operands[1], operands[3], operands[3]]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let shape = program.type(of: node.operands[1]).shape
    let (channels, elements) = (shape.innermost, shape.elementCount)
    let (isa, groups) = (program.instructionSet, groups)
    var reads: [Buffer] = []
    for operand in node.operands { reads.append(try program.buffer(operand)) }
    let (dy, x, statistics, scale) = (reads[0], reads[1], reads[2], reads[3])
    let dx = try program.buffer(node.results[0])
    let sums = [try program.buffer(node.results[1]), try program.buffer(node.results[2])]
    // Of each sample its dscale, then its doffset.
    let partial = try program.temporary(
      floats: try Shape([program.maximumBatch, 2 * channels]).elementCount)
    program.step(
      name, reads: reads, writes: [dx, partial], scratchFloats: 3 * channels, tiles: { $0 }
    ) { frame, sample, worker in
      let positions = elements / channels
      let (from, along) = (
        frame.floats(x) + sample * elements, frame.floats(dy) + sample * elements
      )
      let mean = frame.floats(statistics) + sample * 2 * channels
      let inverse = mean + channels
      let dscale = frame.floats(partial) + sample * 2 * channels
      isa.kernels.pointee.batch_norm_gradient_sums(
        dscale, dscale + channels, from, along, mean, inverse, positions, channels)
      // dx = dy · a + x · b + c, each of a channel.
      let a = frame.scratch(worker)
      let (b, c) = (a + channels, a + 2 * channels)
      let width = channels / groups
      for group in 0..<groups {
        let range = group * width..<(group + 1) * width
        var (flat, bent) = (0.0, 0.0)
        for channel in range {
          flat += Double(frame.floats(scale)[channel] * dscale[channels + channel])
          bent += Double(frame.floats(scale)[channel] * dscale[channel])
        }
        let count = Double(width * positions)
        for channel in range {
          let r = inverse[channel]
          a[channel] = r * frame.floats(scale)[channel]
          b[channel] = -r * r * Float(bent / count)
          c[channel] = -r * Float(flat / count) - b[channel] * mean[channel]
        }
      }
      let out = frame.floats(dx) + sample * elements
      isa.kernels.pointee.channel_affine(out, from, b, c, Activation.none, positions, channels)
      for position in 0..<positions {
        let (row, source) = (out + position * channels, along + position * channels)
        for channel in 0..<channels { row[channel] += a[channel] * source[channel] }
      }
    }
    program.step("\(name) sums", reads: [partial], writes: sums, tiles: { _ in 2 }) {
      frame, tile, _ in
      isa.kernels.pointee.column_sums(
        frame.floats(sums[tile]), frame.floats(partial) + tile * channels, 2 * channels,
        frame.batch, channels, 0)
    }
  }
}
