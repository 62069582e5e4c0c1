// SPDX-License-Identifier: Apache-2.0
// Queries (T, D), keys (S, D), values (S, E), results (T, E), once for each of G groups: samples and heads.

import CKernels

extension Graph {
  /// Scaled dot-product attention: softmax(Q Kᵀ · scale) V (Vaswani et al., 2017).
  ///
  /// A query sees the first keys only, as many as `lengths` says; a causal one those up to its own place, the last
  /// query's being the last key. A query that sees nothing gives zeros.
  ///
  /// - Parameters:
  ///   - queries: [..., T, D]; the dimensions before, such as heads, are those of all three.
  ///   - keys: [..., S, D].
  ///   - values: [..., S, E].
  ///   - isCausal: whether a query sees no key behind its own place.
  ///   - lengths: batched INT32 scalars, how many keys a sample has; `nil` where all count. Where they are an
  ///     input, one outside 0...S fails the run; where they are computed, it is held within that range.
  ///   - scale: `nil` for 1 / √D.
  /// - Returns: [..., T, E].
  /// - Throws: `.shapeMismatch` naming the argument that does not fit.
  public mutating func attention(
    queries: Value, keys: Value, values: Value, isCausal: Bool = false, lengths: Value? = nil,
    scale: Float? = nil
  ) throws(RuntimeError) -> Value {
    let operation = Attention(
      isCausal: isCausal, hasLengths: lengths != nil,
      scale: scale ?? 1 / Float(max(1, type(of: queries).shape.innermost)).squareRoot())
    return try add(operation, [queries, keys, values] + (lengths.map { [$0] } ?? []))[0]
  }
}

/// y = softmax(Q Kᵀ · scale) V; the second result: the softmax, for the gradient.
struct Attention: Operation {
  let isCausal: Bool
  let hasLengths: Bool
  let scale: Float
  var name: String { "attention" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    let shape = try AttentionShape(self, operands)
    let leading = Array(operands[0].shape.dimensions.dropLast(2))
    return try [[shape.queries, shape.valueWidth], [shape.queries, shape.keys]].map {
      matrix throws(RuntimeError) in
      TensorType(.fp32, try Shape(leading + matrix), isBatched: operands[0].isBatched)
    }
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let shape = try AttentionShape(self, node.operands.map { program.type(of: $0) })
    let isa = program.instructionSet
    let buffers = try AttentionBuffers(node, hasLengths, shape, in: &program)
    let (q, k, v) = (buffers.queries, buffers.keys, buffers.values)
    let y = try program.buffer(node.results[0])
    let weights = program.isUsed(node.results[1]) ? try program.buffer(node.results[1]) : nil
    let (t, s, d, e) = (shape.queries, shape.keys, shape.width, shape.valueWidth)
    let (isCausal, scale) = (isCausal, scale)
    // A part's rows of the softmax stay in the second-level cache.
    let rows = min(max(1, t), max(1, 2 * Tiling.elements / max(1, s)))
    let parts = Tiling.count(t, by: rows)
    let own = weights == nil ? Tiling.count(rows * s, by: 16) * 16 : 0
    program.step(
      name, reads: buffers.all, writes: [y] + (weights.map { [$0] } ?? []),
      scratchFloats: own
        + max(
          isa.productScratch(
            m: rows, n: s, k: d, aRowStride: d, aColumnStride: 1, bForm: MK_OPERAND_TRANSPOSED,
            bStride: d),
          isa.productScratch(
            m: rows, n: e, k: s, aRowStride: s, aColumnStride: 1, bForm: MK_OPERAND_ROWS,
            bStride: e)),
      tiles: { shape.groups(batch: $0) * parts }
    ) { frame, tile, worker in
      let (group, part) = tile.quotientAndRemainder(dividingBy: parts)
      let range = Tiling.range(part, of: rows, total: t)
      let scratch = frame.scratch(worker)
      let softmax =
        weights.map { frame.floats($0) + (group * t + range.lowerBound) * s } ?? scratch
      isa.multiply(
        m: range.count, n: s, k: d,
        a: frame.floats(q) + (group * t + range.lowerBound) * d, aRowStride: d, aColumnStride: 1,
        b: frame.floats(k) + group * s * d, form: MK_OPERAND_TRANSPOSED, bStride: d,
        into: softmax, (0..<range.count, 0..<s), scratch + own)
      let length = shape.length(of: group, buffers.lengths, frame)
      for query in range {
        let row = softmax + (query - range.lowerBound) * s
        let visible = isCausal ? min(max(0, length - t + query + 1), length) : length
        isa.kernels.pointee.scale(row, row, scale, 0, visible)
        if visible > 0 { isa.kernels.pointee.softmax(row, row, 1, visible) }
        isa.kernels.pointee.fill(row + visible, 0, s - visible)
      }
      isa.multiply(
        m: range.count, n: e, k: s, a: softmax, aRowStride: s, aColumnStride: 1,
        b: frame.floats(v) + group * s * e, form: MK_OPERAND_ROWS, bStride: e,
        into: frame.floats(y) + (group * t + range.lowerBound) * e, (0..<range.count, 0..<e),
        scratch + own)
    }
  }

  func operationCount(_ node: Graph.Node, in graph: Graph) -> Double {
    let weights = Double(graph.type(of: node.results[1]).shape.elementCount)
    let width =
      graph.type(of: node.operands[0]).shape[-1] + graph.type(of: node.results[0]).shape[-1]
    return 2 * weights * Double(width)
  }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    var gradients = [Graph.Value?](repeating: nil, count: node.operands.count)
    guard let dy = along[0] else { return gradients }
    let operation = AttentionGradient(scale: scale)
    let made = try graph.add(operation, Array(node.operands[..<3]) + [node.results[1], dy])
    for index in made.indices { gradients[index] = made[index] }
    return gradients
  }
}

/// With P the softmax: dV = Pᵀ dy, dS = softmax'(P, dy Vᵀ) · scale, dQ = dS K, dK = dSᵀ Q.
///
/// What a query does not see has P = 0, and so dS = 0.
struct AttentionGradient: Operation {
  let scale: Float
  var name: String { "attention gradient" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    Array(operands[..<3])
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let shape = try AttentionShape(self, node.operands[..<3].map { program.type(of: $0) })
    let isa = program.instructionSet
    var reads: [Buffer] = []
    for operand in node.operands { reads.append(try program.buffer(operand)) }
    let (q, k, v, weights, dy) = (reads[0], reads[1], reads[2], reads[3], reads[4])
    var writes: [Buffer] = []
    for result in node.results { writes.append(try program.buffer(result)) }
    let (dq, dk, dv) = (writes[0], writes[1], writes[2])
    let (t, s, d, e, scale) = (shape.queries, shape.keys, shape.width, shape.valueWidth, scale)
    let own = Tiling.count(t * s, by: 16) * 16
    let products = [
      isa.productScratch(
        m: s, n: e, k: t, aRowStride: 1, aColumnStride: s, bForm: MK_OPERAND_ROWS, bStride: e),
      isa.productScratch(
        m: t, n: s, k: e, aRowStride: e, aColumnStride: 1, bForm: MK_OPERAND_TRANSPOSED,
        bStride: e),
      isa.productScratch(
        m: t, n: d, k: s, aRowStride: s, aColumnStride: 1, bForm: MK_OPERAND_ROWS, bStride: d),
      isa.productScratch(
        m: s, n: d, k: t, aRowStride: 1, aColumnStride: s, bForm: MK_OPERAND_ROWS, bStride: d),
    ]
    program.step(
      name, reads: reads, writes: writes, scratchFloats: own + (products.max() ?? 0),
      tiles: { shape.groups(batch: $0) }
    ) { frame, group, worker in
      let ds = frame.scratch(worker)
      let scratch = ds + own
      let p = frame.floats(weights) + group * t * s
      let dy = frame.floats(dy) + group * t * e
      isa.multiply(
        m: s, n: e, k: t, a: p, aRowStride: 1, aColumnStride: s, b: dy, form: MK_OPERAND_ROWS,
        bStride: e, into: frame.floats(dv) + group * s * e, (0..<s, 0..<e), scratch)
      isa.multiply(
        m: t, n: s, k: e, a: dy, aRowStride: e, aColumnStride: 1,
        b: frame.floats(v) + group * s * e, form: MK_OPERAND_TRANSPOSED, bStride: e, into: ds,
        (0..<t, 0..<s), scratch)
      isa.kernels.pointee.softmax_gradient(ds, ds, p, t, s)
      isa.kernels.pointee.scale(ds, ds, scale, 0, t * s)
      isa.multiply(
        m: t, n: d, k: s, a: ds, aRowStride: s, aColumnStride: 1,
        b: frame.floats(k) + group * s * d, form: MK_OPERAND_ROWS, bStride: d,
        into: frame.floats(dq) + group * t * d, (0..<t, 0..<d), scratch)
      isa.multiply(
        m: s, n: d, k: t, a: ds, aRowStride: 1, aColumnStride: s,
        b: frame.floats(q) + group * t * d, form: MK_OPERAND_ROWS, bStride: d,
        into: frame.floats(dk) + group * s * d, (0..<s, 0..<d), scratch)
    }
  }

  func operationCount(_ node: Graph.Node, in graph: Graph) -> Double {
    let weights = Double(graph.type(of: node.operands[3]).shape.elementCount)
    let width =
      graph.type(of: node.operands[0]).shape[-1] + graph.type(of: node.operands[2]).shape[-1]
    return 4 * weights * Double(width)
  }
}

/// The extents of an attention's operands.
struct AttentionShape: Sendable {
  /// T.
  let queries: Int
  /// S.
  let keys: Int
  /// D.
  let width: Int
  /// E.
  let valueWidth: Int
  private let heads: Int
  private let isBatched: Bool

  /// - Throws: `.shapeMismatch` naming the operand.
  init(_ operation: some Operation, _ operands: [TensorType]) throws(RuntimeError) {
    let (q, k, v) = (operands[0], operands[1], operands[2])
    for (type, field) in [(q, "queries"), (k, "keys"), (v, "values")] {
      try operation.requireFloat(type, field)
      guard type.shape.rank > 1, type.isBatched == q.isBatched,
        type.shape.dimensions.dropLast(2) == q.shape.dimensions.dropLast(2)
      else {
        throw RuntimeError(
          .shapeMismatch, "expected matrices, as many as \(q) has; came \(type)",
          operation: operation.name, field: field)
      }
    }
    queries = q.shape[-2]
    width = q.shape[-1]
    keys = k.shape[-2]
    valueWidth = v.shape[-1]
    heads = q.shape.dimensions.dropLast(2).reduce(1, *)
    isBatched = q.isBatched
    guard k.shape[-1] == width, width > 0 else {
      throw RuntimeError(
        .shapeMismatch, "expected keys of \(width) elements, as queries have; came \(k)",
        operation: operation.name, field: "keys")
    }
    guard v.shape[-2] == keys else {
      throw RuntimeError(
        .shapeMismatch, "expected \(keys) values, as there are keys; came \(v)",
        operation: operation.name, field: "values")
    }
    if operands.count > 3 {
      guard operands[3] == TensorType(.int32, .scalar, isBatched: true), isBatched else {
        throw RuntimeError(
          .shapeMismatch, "expected INT32 [batch]; came \(operands[3])",
          operation: operation.name, field: "lengths")
      }
    }
    _ = try Shape(q.shape.dimensions.dropLast() + [keys]).byteCount(of: .fp32)
  }

  func groups(batch: Int) -> Int { (isBatched ? batch : 1) * heads }

  /// How many keys a group has.
  func length(of group: Int, _ lengths: Buffer?, _ frame: borrowing Frame) -> Int {
    guard let lengths else { return keys }
    return min(max(0, Int(frame.integers(lengths)[group / heads])), keys)
  }
}

/// Where an attention's operands are.
private struct AttentionBuffers {
  let queries: Buffer
  let keys: Buffer
  let values: Buffer
  let lengths: Buffer?

  init(
    _ node: Graph.Node, _ hasLengths: Bool, _ shape: AttentionShape,
    in program: inout ProgramBuilder
  ) throws(RuntimeError) {
    queries = try program.buffer(node.operands[0])
    keys = try program.buffer(node.operands[1])
    values = try program.buffer(node.operands[2])
    if hasLengths {
      let (count, overflow) = shape.keys.addingReportingOverflow(1)
      guard !overflow else { throw RuntimeError(.tooLarge, "too many keys", field: "keys") }
      try program.checkIndicesIfInput(node.operands[3], count: count)
    }
    lengths = hasLengths ? try program.buffer(node.operands[3]) : nil
  }

  var all: [Buffer] { [queries, keys, values] + (lengths.map { [$0] } ?? []) }
}
