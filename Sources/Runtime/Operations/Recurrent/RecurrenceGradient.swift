// SPDX-License-Identifier: Apache-2.0
// B samples, T steps, I features, U units, G gates. Working memory as in Recurrence.swift.

import CKernels

/// Backpropagation through time: the gradients along the gates of every step and along the initial state.
///
/// Operands: the gradients along outputs, hidden state and cell state that there are; gates, hidden and cell
/// states; recurrent weights; lengths. Results: the gates' gradients, and those of the initial hidden and cell
/// state.
struct RecurrenceGradient: Operation {
  let cell: RecurrentCell
  let units: Int
  let steps: Int
  /// Whether there is a gradient along outputs, hidden state and cell state.
  let hasGradient: [Bool]
  let hasLengths: Bool
  let isReversed: Bool
  var name: String { "\(cell.name) gradient" }

  private var firstSaved: Int { hasGradient.count { $0 } }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    let state = TensorType(.fp32, try Shape([units]), isBatched: true)
    let cellState = TensorType(
      .fp32, try Shape([cell.hasCellState ? units : 0]), isBatched: true)
    return [operands[firstSaved], state, cellState]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let (isa, cell, units, steps) = (program.instructionSet, cell, units, steps)
    let (isReversed, width) = (isReversed, cell.workingGates * units)
    var given: [Buffer?] = []
    for index in hasGradient.indices {
      let operand = hasGradient[..<index].count { $0 }
      given.append(hasGradient[index] ? try program.buffer(node.operands[operand]) : nil)
    }
    let (doutputs, dlastHidden, dlastCell) = (given[0], given[1], given[2])
    let gates = try program.buffer(node.operands[firstSaved])
    let hidden = try program.buffer(node.operands[firstSaved + 1])
    let cells = cell.hasCellState ? try program.buffer(node.operands[firstSaved + 2]) : nil
    let lengths = hasLengths ? try program.buffer(node.operands[firstSaved + 4]) : nil
    let products = try RecurrentProduct.packed(
      cell, cell.recurrentRanges, of: node.operands[firstSaved + 3], units: units,
      isTransposed: true, into: &program)
    let dgates = try program.buffer(node.results[0])
    let dinitialHidden =
      program.isUsed(node.results[1]) ? try program.buffer(node.results[1]) : nil
    let dinitialCell =
      cells != nil && program.isUsed(node.results[2]) ? try program.buffer(node.results[2]) : nil
    let stateFloats = RecurrentRun.rowsPerTile * units
    let scratch = RecurrentProduct.transposedScratch(
      products, isa: isa, rows: RecurrentRun.rowsPerTile, depth: units)

    program.step(
      name,
      reads: [gates, hidden] + products.map(\.packed)
        + [cells, lengths, doutputs, dlastHidden, dlastCell].compactMap { $0 },
      writes: [dgates] + [dinitialHidden, dinitialCell].compactMap { $0 },
      scratchFloats: scratch + 2 * stateFloats,
      tiles: { Tiling.count($0, by: RecurrentRun.rowsPerTile) }
    ) { frame, tile, worker in
      let batch = frame.batch
      let range = Tiling.range(tile, of: RecurrentRun.rowsPerTile, total: batch)
      let (first, rows) = (range.lowerBound, range.count)
      let space = frame.scratch(worker)
      let (dhidden, dcell) = (space + scratch, space + scratch + stateFloats)
      func begin(_ state: UnsafeMutablePointer<Float>, with last: Buffer?) {
        if let last {
          state.update(from: frame.floats(last) + first * units, count: rows * units)
        } else {
          state.update(repeating: 0, count: rows * units)
        }
      }
      begin(dhidden, with: dlastHidden)
      begin(dcell, with: dlastCell)
      func through(_ row: Int, _ count: Int, _ step: Int) {
        let sample = step * batch + first + row
        func state(_ buffer: Buffer, _ offset: Int) -> UnsafePointer<Float> {
          UnsafePointer(frame.floats(buffer) + (sample + offset * batch) * units)
        }
        cell.applyGradient(
          isa, dgates: frame.floats(dgates) + sample * width, dhidden: dhidden + row * units,
          dcell: dcell + row * units, gates: frame.floats(gates) + sample * width,
          previousHidden: state(hidden, 0), cell: cells.map { state($0, 1) },
          previousCell: cells.map { state($0, 0) }, rows: count, units: units)
      }
      for step in (0..<steps).reversed() {
        let time = isReversed ? steps - 1 - step : step
        let working = frame.floats(dgates) + (step * batch + first) * width
        func isOver(_ row: Int) -> Bool {
          lengths.map { frame.integers($0)[first + row] <= Int32(truncatingIfNeeded: time) }
            ?? false
        }
        if let doutputs {
          for row in 0..<rows where !isOver(row) {
            let dy = frame.floats(doutputs) + ((first + row) * steps + time) * units
            isa.kernels.pointee.add(dhidden + row * units, dhidden + row * units, dy, units)
          }
        }
        if lengths == nil {
          through(0, rows, step)
        } else {
          for row in 0..<rows {
            if isOver(row) {
              (working + row * width).update(repeating: 0, count: width)
            } else {
              through(row, 1, step)
            }
          }
        }
        // Of the first step only a given initial state wants to know.
        guard step > 0 || dinitialHidden != nil else { break }
        for product in products {
          product.runTransposed(
            isa, frame, rows: rows, depth: units, working, to: dhidden, stride: units,
            accumulates: true, space)
        }
      }
      if let dinitialHidden {
        (frame.floats(dinitialHidden) + first * units).update(from: dhidden, count: rows * units)
      }
      if let dinitialCell {
        (frame.floats(dinitialCell) + first * units).update(from: dcell, count: rows * units)
      }
    }
  }
}

/// dx of each step: the gates' gradient times the transposed weights.
struct RecurrentInputGradient: Operation {
  let cell: RecurrentCell
  let isReversed: Bool
  let type: TensorType
  var name: String { "\(cell.name) input gradient" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] { [type] }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let (steps, features) = (type.shape[0], type.shape[1])
    let (isa, isReversed) = (program.instructionSet, isReversed)
    let units = program.type(of: node.operands[1]).shape[1] / cell.gateCount
    let width = cell.workingGates * units
    let products = try RecurrentProduct.packed(
      cell, cell.inputRanges, of: node.operands[1], units: units, isTransposed: true,
      into: &program)
    let (dgates, dx) = (try program.buffer(node.operands[0]), try program.buffer(node.results[0]))
    let scratch = RecurrentProduct.transposedScratch(
      products, isa: isa, rows: program.maximumBatch, depth: features)
    program.step(
      name, reads: [dgates] + products.map(\.packed), writes: [dx], scratchFloats: scratch,
      tiles: { _ in steps }
    ) { frame, step, worker in
      let time = isReversed ? steps - 1 - step : step
      for (index, product) in products.enumerated() {
        product.runTransposed(
          isa, frame, rows: frame.batch, depth: features,
          frame.floats(dgates) + step * frame.batch * width,
          to: frame.floats(dx) + time * features, stride: steps * features,
          accumulates: index > 0, frame.scratch(worker))
      }
    }
  }
}

/// The gradients of weights, recurrent weights and biases: products over all steps and samples.
///
/// Operands: inputs, hidden states, the gates' gradients.
struct RecurrentParameterGradient: Operation {
  let cell: RecurrentCell
  var name: String { "\(cell.name) parameter gradient" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    let (features, units) = (operands[0].shape[1], operands[1].shape[1])
    let columns = cell.gateCount * units
    let bias = TensorType(.fp32, try Shape([columns]), isBatched: false)
    return [
      TensorType(.fp32, try Shape([features, columns]), isBatched: false),
      TensorType(.fp32, try Shape([units, columns]), isBatched: false), bias,
    ] + (cell.hasRecurrentBias ? [bias] : [])
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let inputs = program.type(of: node.operands[0]).shape
    let units = program.type(of: node.operands[1]).shape[1]
    let (steps, features) = (inputs[0], inputs[1])
    let dgates = try program.buffer(node.operands[2])
    try emitProducts(
      cell.inputRanges, node.operands[0], depth: features, steps, units, dgates,
      to: node.results[0], into: &program)
    try emitProducts(
      cell.recurrentRanges, node.operands[1], depth: units, steps, units, dgates,
      to: node.results[1], into: &program)
    try emitSums(
      cell.inputRanges, steps, units, dgates, to: node.results[2], into: &program)
    if cell.hasRecurrentBias {
      try emitSums(
        cell.recurrentRanges, steps, units, dgates, to: node.results[3], into: &program)
    }
  }

  /// left (T · B, depth) transposed times the gates' gradients (T · B, G · U).
  private func emitProducts(
    _ ranges: [GateRange], _ operand: Graph.Value, depth: Int, _ steps: Int, _ units: Int,
    _ dgates: Buffer, to result: Graph.Value, into program: inout ProgramBuilder
  ) throws(RuntimeError) {
    let (isa, width, columns) = (
      program.instructionSet, cell.workingGates * units, cell.gateCount * units
    )
    let (left, dw) = (try program.buffer(operand), try program.buffer(result))
    for range in ranges {
      let n = range.count * units
      let tiling = MatrixTiling(
        m: depth, n: n, k: steps * program.maximumBatch, tileRows: isa.kernels.pointee.tile_rows,
        panelWidth: isa.kernels.pointee.panel_width)
      let scratch = isa.productScratch(
        m: depth, n: n, k: steps * program.maximumBatch, aRowStride: 1, aColumnStride: depth,
        bForm: MK_OPERAND_ROWS, bStride: width)
      program.step(
        name, reads: [left, dgates], writes: [dw], scratchFloats: scratch,
        tiles: { _ in tiling.count(m: depth, n: n) }
      ) { frame, tile, worker in
        var product = mk_gemm(
          m: depth, n: n, k: steps * frame.batch, a: frame.floats(left), a_row_stride: 1,
          a_column_stride: depth, b: frame.floats(dgates) + range.gate * units,
          b_form: mk_operand_form(MK_OPERAND_ROWS), b_stride: width,
          c: frame.floats(dw) + range.column * units, c_stride: columns, bias: nil,
          activation: Activation.none, accumulate: 0, gate: nil, gate_stride: 0)
        let part = tiling.ranges(tile, m: depth, n: n)
        isa.kernels.pointee.gemm(
          &product, part.rows.lowerBound, part.rows.upperBound, part.columns.lowerBound,
          part.columns.upperBound, frame.scratch(worker))
      }
    }
  }

  private func emitSums(
    _ ranges: [GateRange], _ steps: Int, _ units: Int, _ dgates: Buffer, to result: Graph.Value,
    into program: inout ProgramBuilder
  ) throws(RuntimeError) {
    let (isa, width) = (program.instructionSet, cell.workingGates * units)
    let db = try program.buffer(result)
    program.step(
      "\(cell.name) bias gradient", reads: [dgates], writes: [db], tiles: { _ in ranges.count }
    ) { frame, tile, _ in
      let range = ranges[tile]
      isa.kernels.pointee.column_sums(
        frame.floats(db) + range.column * units, frame.floats(dgates) + range.gate * units, width,
        steps * frame.batch, range.count * units, 0)
    }
  }
}
