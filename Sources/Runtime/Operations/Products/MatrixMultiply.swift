// SPDX-License-Identifier: Apache-2.0
// C(M, N) = A(M, K) · B(K, N), once for each of G groups: samples, and the dimensions before the last two.

import CKernels

extension Graph {
  /// Products of matrices, which the last two dimensions of each tensor are.
  ///
  /// The dimensions before them broadcast, as does a missing batch: samples times one matrix of weights, or matrix by
  /// matrix. A tensor of one dimension is a row on the left and a column on the right, and is none in the
  /// result.
  ///
  /// - Parameters:
  ///   - transposesA: whether matrices of `a` lie as (K, M); as `transposesB`, (N, K), for two dimensions and more.
  /// - Throws: `.shapeMismatch` for other types or where K differs.
  public mutating func matrixMultiply(
    _ a: Value, _ b: Value, transposesA: Bool = false, transposesB: Bool = false
  ) throws(RuntimeError) -> Value {
    var (a, b) = (a, b)
    let (isRow, isColumn) = (type(of: a).shape.rank == 1, type(of: b).shape.rank == 1)
    if isRow { a = try reshape(a, to: type(of: a).shape.prepending(1)) }
    if isColumn { b = try reshape(b, to: Shape([type(of: b).shape[0], 1])) }
    let operation = MatrixMultiply(
      transposesA: transposesA && !isRow, transposesB: transposesB && !isColumn)
    let product = try add(operation, [a, b])[0]
    guard isRow || isColumn else { return product }
    var extents = type(of: product).shape.dimensions
    if isColumn { extents.removeLast() }
    if isRow { extents.remove(at: extents.count - (isColumn ? 1 : 2)) }
    return try reshape(product, to: Shape(extents))
  }
}

/// C = A · B for every group.
struct MatrixMultiply: Operation {
  let transposesA: Bool
  let transposesB: Bool
  var name: String { "matrix_multiply" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    [try MatrixGroups(self, operands[0], operands[1], transposesA, transposesB).result]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let groups = try MatrixGroups(
      self, program.type(of: node.operands[0]), program.type(of: node.operands[1]), transposesA,
      transposesB)
    if groups.sharesB, !transposesA {
      try emitRows(groups, node, into: &program)
    } else {
      try emitGroups(groups, node, into: &program)
    }
  }

  /// One product of all rows: B is the same for every group.
  ///
  /// It is packed once where it is a weight that does not change.
  private func emitRows(
    _ groups: MatrixGroups, _ node: Graph.Node, into program: inout ProgramBuilder
  ) throws(RuntimeError) {
    let (isa, n, k, transposesB) = (program.instructionSet, groups.n, groups.k, transposesB)
    let (a, y) = (try program.buffer(node.operands[0]), try program.buffer(node.results[0]))
    let stored = transposesB ? MK_OPERAND_TRANSPOSED : MK_OPERAND_ROWS
    let stride = transposesB ? k : n
    let isPacked = program.mode == .inference && program.isParameter(node.operands[1])
    let b: Buffer
    if isPacked {
      b = try program.packed(
        node.operands[1], layout: "matrix \(stored)",
        floats: isa.kernels.pointee.gemm_packed_size(k, n)
      ) { source, destination in
        Step(name: "pack", tiles: { _ in 1 }) { frame, _, _ in
          isa.kernels.pointee.gemm_pack(
            frame.floats(destination), frame.floats(source), mk_operand_form(stored), stride, k, n,
            0, n)
        }
      }
    } else {
      b = try program.buffer(node.operands[1])
    }
    let form = isPacked ? MK_OPERAND_PACKED : stored
    let rows = groups.count(batch: program.maximumBatch) * groups.m
    let tiling = MatrixTiling(
      m: rows, n: n, k: k, tileRows: isa.kernels.pointee.tile_rows,
      panelWidth: isa.kernels.pointee.panel_width)
    program.step(
      name, reads: [a, b], writes: [y],
      scratchFloats: isa.productScratch(
        m: rows, n: n, k: k, aRowStride: k, aColumnStride: 1, bForm: form, bStride: stride),
      tiles: { tiling.count(m: groups.count(batch: $0) * groups.m, n: n) }
    ) { frame, tile, worker in
      let rows = groups.count(batch: frame.batch) * groups.m
      let ranges = tiling.ranges(tile, m: rows, n: n)
      isa.multiply(
        m: rows, n: n, k: k, a: frame.floats(a), aRowStride: k, aColumnStride: 1,
        b: frame.floats(b), form: form, bStride: stride, into: frame.floats(y), ranges,
        frame.scratch(worker))
    }
  }

  /// Group by group.
  private func emitGroups(
    _ groups: MatrixGroups, _ node: Graph.Node, into program: inout ProgramBuilder
  ) throws(RuntimeError) {
    let (isa, m, n, k) = (program.instructionSet, groups.m, groups.n, groups.k)
    let (a, b) = (try program.buffer(node.operands[0]), try program.buffer(node.operands[1]))
    let y = try program.buffer(node.results[0])
    let form = transposesB ? MK_OPERAND_TRANSPOSED : MK_OPERAND_ROWS
    let (aRow, aColumn) = transposesA ? (1, m) : (k, 1)
    let bStride = transposesB ? k : n
    let tiling = MatrixTiling(
      m: m, n: n, k: k, tileRows: isa.kernels.pointee.tile_rows,
      panelWidth: isa.kernels.pointee.panel_width)
    let perGroup = tiling.count(m: m, n: n)
    // Small matrices several to a tile.
    let perTile = perGroup > 1 ? 1 : max(1, Tiling.operations / max(1, 2 * m * n * k))
    program.step(
      name, reads: [a, b], writes: [y],
      scratchFloats: isa.productScratch(
        m: m, n: n, k: k, aRowStride: aRow, aColumnStride: aColumn, bForm: form,
        bStride: bStride),
      tiles: { Tiling.count(groups.count(batch: $0) * perGroup, by: perTile) }
    ) { frame, tile, worker in
      let total = groups.count(batch: frame.batch) * perGroup
      for piece in Tiling.range(tile, of: perTile, total: total) {
        let (group, part) = piece.quotientAndRemainder(dividingBy: perGroup)
        let offsets = groups.offsets(group)
        isa.multiply(
          m: m, n: n, k: k, a: frame.floats(a) + offsets[1], aRowStride: aRow,
          aColumnStride: aColumn, b: frame.floats(b) + offsets[2], form: form, bStride: bStride,
          into: frame.floats(y) + group * m * n, tiling.ranges(part, m: m, n: n),
          frame.scratch(worker))
      }
    }
  }

  func operationCount(_ node: Graph.Node, in graph: Graph) -> Double {
    let a = graph.type(of: node.operands[0]).shape
    let k = Double(a[transposesA ? -2 : -1])
    return 2 * k * Double(graph.type(of: node.results[0]).shape.elementCount)
  }

  // dA = dC Bᵀ, dB = Aᵀ dC, and their transposes where the operands are transposed.
  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    guard let dy = along[0] else { return [nil, nil] }
    let (a, b) = (node.operands[0], node.operands[1])
    var (da, db): (Graph.Value?, Graph.Value?)
    if wanted[0] {
      da =
        transposesA
        ? try graph.matrixMultiply(b, dy, transposesA: transposesB, transposesB: true)
        : try graph.matrixMultiply(dy, b, transposesB: !transposesB)
    }
    if wanted[1] {
      let groups = try MatrixGroups(
        self, graph.type(of: a), graph.type(of: b), transposesA, transposesB)
      if groups.sharesB, !groups.sharesA, !transposesA {
        let product = try graph.add(RowProduct(), transposesB ? [dy, a] : [a, dy])[0]
        db = try graph.reshape(product, to: graph.type(of: b).shape)
      } else {
        db =
          transposesB
          ? try graph.matrixMultiply(dy, a, transposesA: true, transposesB: transposesA)
          : try graph.matrixMultiply(a, dy, transposesA: !transposesA)
      }
    }
    return [try graph.sum(da, toTypeOf: a), try graph.sum(db, toTypeOf: b)]
  }
}

/// C(M, N) = Σ over all rows of aᵀ b: the gradient of a matrix that every group is multiplied with.
struct RowProduct: Operation {
  var name: String { "row_product" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    let shape = try Shape([operands[0].shape[-1], operands[1].shape[-1]])
    return [TensorType(.fp32, shape, isBatched: false)]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let type = program.type(of: node.operands[0])
    let (m, n) = (type.shape[-1], program.type(of: node.operands[1]).shape[-1])
    let rowsPerSample = type.shape.elementCount / max(1, m)
    let isBatched = type.isBatched
    let isa = program.instructionSet
    let (a, b) = (try program.buffer(node.operands[0]), try program.buffer(node.operands[1]))
    let y = try program.buffer(node.results[0])
    let most = (isBatched ? program.maximumBatch : 1) * rowsPerSample
    let tiling = MatrixTiling(
      m: m, n: n, k: most, tileRows: isa.kernels.pointee.tile_rows,
      panelWidth: isa.kernels.pointee.panel_width)
    program.step(
      name, reads: [a, b], writes: [y],
      scratchFloats: isa.productScratch(
        m: m, n: n, k: most, aRowStride: 1, aColumnStride: m, bForm: MK_OPERAND_ROWS, bStride: n),
      tiles: { _ in tiling.count(m: m, n: n) }
    ) { frame, tile, worker in
      isa.multiply(
        m: m, n: n, k: (isBatched ? frame.batch : 1) * rowsPerSample, a: frame.floats(a),
        aRowStride: 1, aColumnStride: m, b: frame.floats(b), form: MK_OPERAND_ROWS, bStride: n,
        into: frame.floats(y), tiling.ranges(tile, m: m, n: n), frame.scratch(worker))
    }
  }

  func operationCount(_ node: Graph.Node, in graph: Graph) -> Double {
    2 * Double(graph.type(of: node.operands[0]).shape.elementCount)
      * Double(graph.type(of: node.operands[1]).shape[-1])
  }
}

/// The matrices of two tensors and how groups of them belong together.
struct MatrixGroups: Sendable {
  let m: Int
  let n: Int
  let k: Int
  let result: TensorType
  /// Whether one matrix of B is that of every group, and of A.
  let sharesB: Bool
  let sharesA: Bool
  private let outer: OuterLoop
  private let batchSteps: StridedWalk.Offsets

  /// - Throws: `.shapeMismatch` naming the operand.
  init(
    _ operation: some Operation, _ a: TensorType, _ b: TensorType, _ transposesA: Bool,
    _ transposesB: Bool
  ) throws(RuntimeError) {
    for (type, field) in [(a, "a"), (b, "b")] {
      try operation.requireFloat(type, field)
      guard type.shape.rank > 1 else {
        throw RuntimeError(
          .shapeMismatch, "expected matrices; came \(type)", operation: operation.name,
          field: field)
      }
    }
    m = a.shape[transposesA ? -1 : -2]
    k = a.shape[transposesA ? -2 : -1]
    n = b.shape[transposesB ? -2 : -1]
    guard b.shape[transposesB ? -1 : -2] == k else {
      throw RuntimeError(
        .shapeMismatch, "expected matrices of \(k) \(transposesB ? "columns" : "rows"); came \(b)",
        operation: operation.name, field: "b")
    }
    let leading = try [a, b].map { type throws(RuntimeError) in
      TensorType(
        .fp32, try Shape(Array(type.shape.dimensions.dropLast(2))), isBatched: type.isBatched)
    }
    let groups = try operation.broadcastType(leading, .fp32, "b")
    result = TensorType(
      .fp32, try Shape(groups.shape.dimensions + [m, n]), isBatched: groups.isBatched)
    _ = try result.shape.byteCount(of: .fp32)
    sharesB = leading[1].shape.elementCount == 1 && !b.isBatched
    sharesA = leading[0].shape != groups.shape || a.isBatched != groups.isBatched
    var dimensions: [(count: Int, steps: StridedWalk.Offsets)] =
      groups.shape.dimensions.map { ($0, .zero) }
    var batchSteps = StridedWalk.Offsets.zero
    for (position, type) in [a, b].enumerated() {
      var step = type.shape[-1] * type.shape[-2]
      let extents = type.shape.dimensions.dropLast(2)
      for (index, extent) in extents.enumerated().reversed() {
        let place = dimensions.count - extents.count + index
        if extent != 1 { dimensions[place].steps[position + 1] = step }
        step *= extent
      }
      batchSteps[position + 1] = type.isBatched ? step : 0
    }
    outer = OuterLoop(dimensions)
    self.batchSteps = batchSteps
  }

  func count(batch: Int) -> Int { (result.isBatched ? batch : 1) * outer.count }

  /// Where a group's matrices begin.
  func offsets(_ group: Int) -> StridedWalk.Offsets {
    let (sample, index) = group.quotientAndRemainder(dividingBy: outer.count)
    return outer.offsets(index) &+ batchSteps &* StridedWalk.Offsets(repeating: sample)
  }
}

extension ProgramBuilder {
  /// Whether a value is a parameter, which the prologue can pack.
  func isParameter(_ value: Graph.Value) -> Bool {
    if case .parameter = graph.origins[value.index] { true } else { false }
  }
}

extension InstructionSet {
  /// A part of a product, its result dense unless `cStride` says otherwise.
  func multiply(
    m: Int, n: Int, k: Int, a: UnsafePointer<Float>, aRowStride: Int, aColumnStride: Int,
    b: UnsafePointer<Float>, form: Int, bStride: Int, into c: UnsafeMutablePointer<Float>,
    cStride: Int? = nil, accumulates: Bool = false, bias: UnsafePointer<Float>? = nil,
    activation: mk_activation = Activation.none,
    _ ranges: (rows: Range<Int>, columns: Range<Int>), _ scratch: UnsafeMutablePointer<Float>
  ) {
    var product = mk_gemm(
      m: m, n: n, k: k, a: a, a_row_stride: aRowStride, a_column_stride: aColumnStride, b: b,
      b_form: mk_operand_form(form), b_stride: bStride, c: c, c_stride: cStride ?? n, bias: bias,
      activation: activation, accumulate: accumulates ? 1 : 0, gate: nil, gate_stride: 0)
    kernels.pointee.gemm(
      &product, ranges.rows.lowerBound, ranges.rows.upperBound, ranges.columns.lowerBound,
      ranges.columns.upperBound, scratch)
  }
}
