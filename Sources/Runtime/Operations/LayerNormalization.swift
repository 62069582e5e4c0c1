// SPDX-License-Identifier: Apache-2.0
// D elements of the last dimension, rows of all others.

import CKernels

extension Graph {
  /// Normalises each row of the last dimension to mean 0 and variance 1, then scales and shifts it (Ba et
  /// al., 2016).
  ///
  /// - Parameters:
  ///   - x: batched, of any shape with D last.
  ///   - scale: a parameter of shape [D]; also `offset`.
  ///   - epsilon: added to the variance.
  /// - Throws: `.shapeMismatch` or `.invalidArgument` naming the argument that does not fit.
  public mutating func layerNormalization(
    _ x: Value, scale: Value, offset: Value, epsilon: Float = 1e-5
  ) throws(RuntimeError) -> Value {
    try add(LayerNormalization(epsilon: epsilon, isCentered: true), [x, scale, offset])[0]
  }

  /// Divides each row of the last dimension by the root of its mean square, then scales it (Zhang and
  /// Sennrich, 2019).
  ///
  /// - Parameters:
  ///   - x: batched, of any shape with D last.
  ///   - scale: a parameter of shape [D].
  ///   - epsilon: added to the mean square.
  /// - Throws: `.shapeMismatch` or `.invalidArgument` naming the argument that does not fit.
  public mutating func rmsNormalization(
    _ x: Value, scale: Value, epsilon: Float = 1e-5
  ) throws(RuntimeError) -> Value {
    try add(LayerNormalization(epsilon: epsilon, isCentered: false), [x, scale])[0]
  }
}

/// y = (x - mean) / √(variance + ε) · scale + offset; the second result: each row's mean and factor.
struct LayerNormalization: Operation {
  let epsilon: Float
  /// RMS normalisation leaves the mean where it is, and has no offset.
  let isCentered: Bool
  var name: String { isCentered ? "layer_norm" : "rms_norm" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    let x = operands[0]
    try requireFloat(x, "input")
    guard x.isBatched, x.shape.rank > 0, x.shape.elementCount > 0 else {
      throw RuntimeError(
        .shapeMismatch, "expected a batch with features last; came \(x)", operation: name,
        field: "input")
    }
    for (type, field) in zip(operands[1...], ["scale", "offset"]) {
      try require(type, shape: [x.shape.innermost], field)
    }
    guard epsilon > 0, epsilon.isFinite else {
      throw RuntimeError(
        .invalidArgument, "expected above 0; came \(epsilon)", operation: name, field: "epsilon")
    }
    let statistics = try Shape(x.shape.dimensions.dropLast() + [2])
    return [x, TensorType(.fp32, statistics, isBatched: true)]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let (isa, epsilon, isCentered) = (program.instructionSet, epsilon, isCentered)
    let rows = FeatureRows(program.type(of: node.operands[0]).shape)
    let (x, scale) = (try program.buffer(node.operands[0]), try program.buffer(node.operands[1]))
    let offset = node.operands.count > 2 ? try program.buffer(node.operands[2]) : nil
    let y = try program.buffer(node.results[0])
    let statistics =
      program.isUsed(node.results[1]) ? try program.buffer(node.results[1]) : nil
    program.step(
      name, reads: [x, scale] + (offset.map { [$0] } ?? []),
      writes: [y] + (statistics.map { [$0] } ?? []), inPlace: (y, x),
      tiles: { rows.chunks(batch: $0) }
    ) { frame, tile, _ in
      let range = rows.range(tile, batch: frame.batch)
      let start = range.lowerBound * rows.columns
      isa.kernels.pointee.layer_norm(
        frame.floats(y) + start,
        statistics.map { frame.floats($0) + 2 * range.lowerBound }, frame.floats(x) + start,
        frame.floats(scale), frame.constants(offset), epsilon, isCentered ? 1 : 0, range.count,
        rows.columns)
    }
  }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    var gradients = [Graph.Value?](repeating: nil, count: node.operands.count)
    guard let dy = along[0] else { return gradients }
    let operation = LayerNormalizationGradient(isCentered: isCentered)
    let made = try graph.add(
      operation, [dy, node.operands[0], node.results[1], node.operands[1]])
    for index in gradients.indices { gradients[index] = made[index] }
    return gradients
  }
}

/// With x̂ = (x - mean) · r and g = dy · scale: dx = r (g - mean g - x̂ mean (g x̂)), dscale = Σ dy x̂,
/// doffset = Σ dy.
struct LayerNormalizationGradient: Operation {
  let isCentered: Bool
  var name: String { isCentered ? "layer_norm gradient" : "rms_norm gradient" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    [operands[1], operands[3]] + (isCentered ? [operands[3]] : [])
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let (isa, isCentered) = (program.instructionSet, isCentered)
    let rows = FeatureRows(program.type(of: node.operands[1]).shape)
    var operands: [Buffer] = []
    for operand in node.operands { operands.append(try program.buffer(operand)) }
    let (dy, x, statistics, scale) = (operands[0], operands[1], operands[2], operands[3])
    let columns = rows.columns
    var results: [Buffer] = []
    if node.results[1...].contains(where: program.isUsed) {
      for result in node.results[1...] { results.append(try program.buffer(result)) }
    }
    let parameters = results
    if !parameters.isEmpty {
      // Of each chunk the scale's sums, then the offset's.
      let partial = try program.temporary(
        floats: rows.chunks(batch: program.maximumBatch) * 2 * columns)
      program.step(
        "\(name) sums", reads: [dy, x, statistics], writes: [partial],
        tiles: { rows.chunks(batch: $0) }
      ) { frame, tile, _ in
        let range = rows.range(tile, batch: frame.batch)
        let start = range.lowerBound * columns
        let out = frame.floats(partial) + tile * 2 * columns
        isa.kernels.pointee.layer_norm_gradient_sums(
          out, out + columns, frame.floats(dy) + start, frame.floats(x) + start,
          frame.floats(statistics) + 2 * range.lowerBound, range.count, columns)
      }
      program.step(
        "\(name) totals", reads: [partial], writes: parameters,
        tiles: { _ in parameters.count }
      ) { frame, tile, _ in
        isa.kernels.pointee.column_sums(
          frame.floats(parameters[tile]), frame.floats(partial) + tile * columns, 2 * columns,
          rows.chunks(batch: frame.batch), columns, 0)
      }
    }
    guard program.isUsed(node.results[0]) else { return }
    let dx = try program.buffer(node.results[0])
    program.step(
      name, reads: operands, writes: [dx], inPlace: (dx, dy),
      tiles: { rows.chunks(batch: $0) }
    ) { frame, tile, _ in
      let range = rows.range(tile, batch: frame.batch)
      let start = range.lowerBound * columns
      isa.kernels.pointee.layer_norm_gradient(
        frame.floats(dx) + start, frame.floats(dy) + start, frame.floats(x) + start,
        frame.floats(statistics) + 2 * range.lowerBound, frame.floats(scale), isCentered ? 1 : 0,
        range.count, columns)
    }
  }
}

/// A batch of values as rows of features, cut into chunks of a fixed number of rows.
struct FeatureRows: Sendable {
  let columns: Int
  private let rowsPerSample: Int
  private let rowsPerChunk: Int

  init(_ sample: Shape) {
    columns = max(1, sample.innermost)
    rowsPerSample = sample.elementCount / columns
    rowsPerChunk = max(1, Tiling.elements / columns)
  }

  func count(batch: Int) -> Int { batch * rowsPerSample }

  func chunks(batch: Int) -> Int { Tiling.count(count(batch: batch), by: rowsPerChunk) }

  func range(_ chunk: Int, batch: Int) -> Range<Int> {
    Tiling.range(chunk, of: rowsPerChunk, total: count(batch: batch))
  }
}
