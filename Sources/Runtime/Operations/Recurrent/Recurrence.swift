// SPDX-License-Identifier: Apache-2.0
// B samples, T steps, I features, U units, G gates. Working memory goes step by step, (T, B, …), in the order in
// which steps are processed.

import CKernels

/// A recurrent cell over all steps of a batch of sequences.
///
/// Operands: x, weights, recurrent weights, bias, then as the flags say: recurrent bias, initial hidden state,
/// initial cell state, lengths. Results: outputs, hidden state, cell state; then what the gradient needs:
/// the inputs, the hidden and the cell states before each step and after the last, and the gates.
struct Recurrence: Operation {
  let cell: RecurrentCell
  let hasRecurrentBias: Bool
  let hasState: Bool
  let hasCell: Bool
  let hasLengths: Bool
  let isReversed: Bool
  var name: String { cell.name }

  enum Result {
    static let outputs = 0
    static let hidden = 1
    static let cell = 2
    static let inputs = 3
    static let hiddenStates = 4
    static let cellStates = 5
    static let gates = 6
  }

  var stateOperand: Int { hasRecurrentBias ? 5 : 4 }
  var lengthsOperand: Int { stateOperand + (hasState ? 1 : 0) + (hasCell ? 1 : 0) }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    let (x, recurrent) = (operands[0], operands[2])
    guard x.isBatched, x.shape.rank == 2, x.datatype == .fp32, x.shape.elementCount > 0 else {
      throw RuntimeError(
        .shapeMismatch, "expected sequences, FP32 [batch, steps, features]; came \(x)",
        operation: name, field: "input")
    }
    guard recurrent.shape.rank == 2, recurrent.shape[0] > 0 else {
      throw RuntimeError(
        .shapeMismatch, "expected FP32 [units, gates * units]; came \(recurrent)",
        operation: name, field: "recurrent_weights")
    }
    let units = recurrent.shape[0]
    let (columns, overflow) = units.multipliedReportingOverflow(by: cell.gateCount)
    guard !overflow else {
      throw RuntimeError(.tooLarge, "\(units) units are too many", operation: name)
    }
    try require(recurrent, shape: [units, columns], "recurrent_weights")
    try require(operands[1], shape: [x.shape[1], columns], "weights")
    try require(operands[3], shape: [columns], "bias")
    try checkOptionalOperands(operands, units: units, columns: columns)
    if case .simple(let activation) = cell, activation.slopeNeedsInput {
      throw RuntimeError(
        .unsupported,
        "expected a function whose derivative follows from its result; came"
          + " \(activation.rawValue)", operation: name, field: "activation")
    }
    func batched(_ dimensions: [Int]) throws(RuntimeError) -> TensorType {
      TensorType(.fp32, try Shape(dimensions), isBatched: true)
    }
    let steps = x.shape[0]
    let cellUnits = cell.hasCellState ? units : 0
    return [
      try batched([steps, units]), try batched([units]), try batched([cellUnits]), x,
      try batched([steps + 1, units]), try batched([steps + 1, cellUnits]),
      try batched([steps, cell.workingGates, units]),
    ]
  }

  private func checkOptionalOperands(
    _ operands: [TensorType], units: Int, columns: Int
  ) throws(RuntimeError) {
    guard hasRecurrentBias == cell.hasRecurrentBias else {
      throw RuntimeError(
        .invalidArgument, "expected \(cell.hasRecurrentBias ? "one" : "none"), as a \(name) has",
        operation: name, field: "recurrent_bias")
    }
    if hasRecurrentBias { try require(operands[4], shape: [columns], "recurrent_bias") }
    guard !hasState || hasCell == cell.hasCellState else {
      throw RuntimeError(
        .invalidArgument, "expected \(cell.hasCellState ? "one" : "none"), as a \(name) has",
        operation: name, field: "cell")
    }
    let state = TensorType(.fp32, try Shape([units]), isBatched: true)
    for (index, field) in ["hidden", "cell"].prefix(hasState ? (hasCell ? 2 : 1) : 0).enumerated()
    where operands[stateOperand + index] != state {
      throw RuntimeError(
        .shapeMismatch, "expected \(state); came \(operands[stateOperand + index])",
        operation: name, field: field)
    }
    guard hasLengths else { return }
    let lengths = TensorType(.int32, .scalar, isBatched: true)
    guard operands[lengthsOperand] == lengths else {
      throw RuntimeError(
        .shapeMismatch, "expected \(lengths); came \(operands[lengthsOperand])", operation: name,
        field: "lengths")
    }
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let run = try RecurrentRun(self, node, in: &program)
    try run.emit(node, into: &program)
  }

  func operationCount(_ node: Graph.Node, in graph: Graph) -> Double {
    let steps = graph.type(of: node.operands[0]).shape[0]
    let weights = [1, 2].map { Double(graph.type(of: node.operands[$0]).shape.elementCount) }
    return 2 * Double(steps) * (weights[0] + weights[1])
  }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    var gradients = [Graph.Value?](repeating: nil, count: node.operands.count)
    let incoming = Array(along.prefix(3))
    guard incoming.contains(where: { $0 != nil }) else { return gradients }
    let saved = [Result.gates, Result.hiddenStates, Result.cellStates].map { node.results[$0] }
    let through = RecurrenceGradient(
      cell: cell, units: graph.type(of: node.operands[2]).shape[0],
      steps: graph.type(of: node.operands[0]).shape[0],
      hasGradient: incoming.map { $0 != nil }, hasLengths: hasLengths, isReversed: isReversed)
    let made = try graph.add(
      through,
      incoming.compactMap { $0 } + saved + [node.operands[2]]
        + (hasLengths ? [node.operands[lengthsOperand]] : []))
    if hasState { gradients[stateOperand] = made[1] }
    if hasCell { gradients[stateOperand + 1] = made[2] }
    let dgates = made[0]
    if wanted[0] {
      let operation = RecurrentInputGradient(
        cell: cell, isReversed: isReversed, type: graph.type(of: node.operands[0]))
      gradients[0] = try graph.add(operation, [dgates, node.operands[1]])[0]
    }
    if wanted[1..<stateOperand].contains(true) {
      let parameters = try graph.add(
        RecurrentParameterGradient(cell: cell),
        [node.results[Result.inputs], node.results[Result.hiddenStates], dgates])
      for (index, value) in parameters.enumerated() { gradients[1 + index] = value }
    }
    return gradients
  }
}

/// The steps of a forward pass: the input is laid out step by step, then every tile takes some samples through
/// all steps, which needs no meeting of the threads between two steps.
struct RecurrentRun {
  /// Samples of a tile: enough rows for the products, few enough for two threads at small batches.
  static let rowsPerTile = 16
  /// Rows of the input that are multiplied together, of several steps where the batch is one tile: with few
  /// samples, reading the weights in every step would take longer than the products.
  static let inputRows = 64

  private let operation: Recurrence
  private let isa: InstructionSet
  private let steps: Int
  private let features: Int
  private let units: Int
  /// Whether a gradient will read what is computed on the way.
  private let saves: Bool
  private let inputs: Buffer
  private let hidden: Buffer
  private let cell: Buffer?
  private let gates: Buffer?

  init(
    _ operation: Recurrence, _ node: Graph.Node, in program: inout ProgramBuilder
  ) throws(RuntimeError) {
    self.operation = operation
    isa = program.instructionSet
    let x = program.type(of: node.operands[0]).shape
    (steps, features) = (x[0], x[1])
    units = program.type(of: node.operands[2]).shape[0]
    saves = program.isUsed(node.results[Recurrence.Result.gates])
    let batch = program.maximumBatch
    typealias Result = Recurrence.Result
    inputs =
      program.isUsed(node.results[Result.inputs])
      ? try program.buffer(node.results[Result.inputs])
      : try program.temporary(floats: try Shape([batch, steps, features]).elementCount)
    let hasCell = operation.cell.hasCellState
    if saves {
      hidden = try program.buffer(node.results[Result.hiddenStates])
      cell = hasCell ? try program.buffer(node.results[Result.cellStates]) : nil
      gates = try program.buffer(node.results[Result.gates])
    } else {
      // The state before a step and the one after it.
      let floats = try Shape([2, batch, units]).elementCount
      hidden = try program.temporary(floats: floats)
      cell = hasCell ? try program.temporary(floats: floats) : nil
      gates = nil
    }
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    try emitInputs(node, into: &program)
    let (operation, isa, steps, features, units) = (operation, isa, steps, features, units)
    let (saves, inputs, hidden, cell, gates) = (saves, inputs, hidden, cell, gates)
    let working = operation.cell.workingGates * units
    let weights = try RecurrentProduct.packed(
      operation.cell, operation.cell.inputRanges, of: node.operands[1], units: units,
      into: &program)
    let recurrent = try RecurrentProduct.packed(
      operation.cell, operation.cell.recurrentRanges, of: node.operands[2], units: units,
      into: &program)
    let bias = try program.buffer(node.operands[3])
    let recurrentBias = operation.hasRecurrentBias ? try program.buffer(node.operands[4]) : nil
    let states = try operandBuffers(node, operation.stateOperand, operation.hasState, &program)
    let cells = try operandBuffers(node, operation.stateOperand + 1, operation.hasCell, &program)
    let lengths = try operandBuffers(
      node, operation.lengthsOperand, operation.hasLengths, &program)
    if operation.hasLengths {
      try program.checkIndices(node.operands[operation.lengthsOperand], count: steps + 1)
    }
    func result(_ index: Int) throws(RuntimeError) -> Buffer? {
      program.isUsed(node.results[index]) ? try program.buffer(node.results[index]) : nil
    }
    let outputs = try result(Recurrence.Result.outputs)
    let lastHidden = try result(Recurrence.Result.hidden)
    let lastCell = cell == nil ? nil : try result(Recurrence.Result.cell)
    let gateFloats = gates == nil ? Self.inputRows * working : 0
    let scratch = max(
      RecurrentProduct.scratch(weights, isa: isa, rows: Self.inputRows, depth: features),
      RecurrentProduct.scratch(recurrent, isa: isa, rows: Self.rowsPerTile, depth: units))

    let buffers =
      [bias, recurrentBias, states, cells, lengths].compactMap { $0 }
      + weights.map(\.packed) + recurrent.map(\.packed)
    program.step(
      operation.name, reads: [inputs] + buffers,
      writes: [hidden] + [cell, gates, outputs, lastHidden, lastCell].compactMap { $0 },
      scratchFloats: gateFloats + scratch,
      tiles: { Tiling.count($0, by: Self.rowsPerTile) }
    ) { frame, tile, worker in
      let batch = frame.batch
      let range = Tiling.range(tile, of: Self.rowsPerTile, total: batch)
      let (first, rows) = (range.lowerBound, range.count)
      let space = frame.scratch(worker)
      func state(_ buffer: Buffer, _ step: Int) -> UnsafeMutablePointer<Float> {
        frame.floats(buffer) + ((saves ? step : step % 2) * batch + first) * units
      }
      func begin(_ buffer: Buffer, with initial: Buffer?) {
        if let initial {
          state(buffer, 0).update(from: frame.floats(initial) + first * units, count: rows * units)
        } else {
          state(buffer, 0).update(repeating: 0, count: rows * units)
        }
      }
      begin(hidden, with: states)
      if let cell { begin(cell, with: cells) }
      // Rows of successive steps follow each other only where the tile has the whole batch.
      let together = rows == batch ? max(1, Self.inputRows / rows) : 1
      for step in 0..<steps {
        let time = operation.isReversed ? steps - 1 - step : step
        let working =
          gates.map { frame.floats($0) + (step * batch + first) * working }
          ?? (space + scratch + step % together * rows * working)
        if step % together == 0 {
          for product in weights {
            product.run(
              isa, frame, rows: min(together, steps - step) * rows, depth: features,
              frame.floats(inputs) + (step * batch + first) * features,
              bias: frame.floats(bias), to: working, space)
          }
        }
        let (before, after) = (state(hidden, step), state(hidden, step + 1))
        for product in recurrent {
          product.run(
            isa, frame, rows: rows, depth: units, before,
            bias: recurrentBias.map { frame.floats($0) }, to: working, space)
        }
        operation.cell.apply(
          isa, gates: working, hidden: after, previousHidden: before,
          cell: cell.map { state($0, step + 1) }, previousCell: cell.map { .init(state($0, step)) },
          rows: rows, units: units)
        for row in 0..<rows {
          let isOver =
            lengths.map { frame.integers($0)[first + row] <= Int32(truncatingIfNeeded: time) }
            ?? false
          if isOver {
            (after + row * units).update(from: before + row * units, count: units)
            if let cell {
              (state(cell, step + 1) + row * units)
                .update(from: state(cell, step) + row * units, count: units)
            }
          }
          guard let outputs else { continue }
          let output = frame.floats(outputs) + ((first + row) * steps + time) * units
          if isOver {
            output.update(repeating: 0, count: units)
          } else {
            output.update(from: after + row * units, count: units)
          }
        }
      }
      if let lastHidden {
        (frame.floats(lastHidden) + first * units)
          .update(from: state(hidden, steps), count: rows * units)
      }
      if let lastCell, let cell {
        (frame.floats(lastCell) + first * units)
          .update(from: state(cell, steps), count: rows * units)
      }
    }
  }

  private func operandBuffers(
    _ node: Graph.Node, _ index: Int, _ isThere: Bool, _ program: inout ProgramBuilder
  ) throws(RuntimeError) -> Buffer? {
    isThere ? try program.buffer(node.operands[index]) : nil
  }

  /// x (B, T, I) in the order of processing, (T, B, I).
  private func emitInputs(
    _ node: Graph.Node, into program: inout ProgramBuilder
  ) throws(RuntimeError) {
    let x = try program.buffer(node.operands[0])
    let (inputs, steps, features) = (inputs, steps, features)
    let isReversed = operation.isReversed
    program.step(
      "\(operation.name) inputs", reads: [x], writes: [inputs], tiles: { _ in steps }
    ) { frame, step, _ in
      let time = isReversed ? steps - 1 - step : step
      for sample in 0..<frame.batch {
        (frame.floats(inputs) + (step * frame.batch + sample) * features)
          .update(from: frame.floats(x) + (sample * steps + time) * features, count: features)
      }
    }
  }
}
