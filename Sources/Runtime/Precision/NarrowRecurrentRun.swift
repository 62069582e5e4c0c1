// SPDX-License-Identifier: Apache-2.0
// B samples, T steps, I features, U units. A chunk is some steps of a tile's samples, step by step: (steps, samples, …).

import CKernels

/// The way of a tile of samples through all steps: the input's products for a chunk of steps at once, then in each step
/// those of the hidden state, added where the others are.
struct NarrowRecurrentRun: Sendable {
  /// Samples of a tile: two whole register tiles of the widest instruction set.
  static let rowsPerTile = 28
  /// Rows that the input's products take at once: enough for whole register tiles at batch 1.
  private static let chunkRows = 112

  /// The buffers of operands and results.
  struct Place: Sendable {
    let x: Buffer
    let bias: Buffer
    let recurrentBias: Buffer?
    let hidden: Buffer?
    let cell: Buffer?
    let lengths: Buffer?
    let outputs: Buffer?
    let lastHidden: Buffer?
    let lastCell: Buffer?
  }

  /// Packed weights for a range of gates.
  private struct Product: Sendable {
    let range: GateRange
    let packed: Buffer
  }

  private let operation: Recurrence
  private let isa: InstructionSet
  let steps: Int
  private let features: Int
  private let units: Int
  private let inputs: [Product]
  private let recurrent: [Product]

  init(
    _ operation: Recurrence, _ node: Graph.Node, into program: inout ProgramBuilder
  ) throws(RuntimeError) {
    self.operation = operation
    isa = program.instructionSet
    let x = program.type(of: node.operands[0]).shape
    (steps, features) = (x[0], x[1])
    units = program.type(of: node.operands[2]).shape[0]
    inputs = try Self.packed(
      operation.cell, operation.cell.inputRanges, node.operands[1], units, into: &program)
    recurrent = try Self.packed(
      operation.cell, operation.cell.recurrentRanges, node.operands[2], units, into: &program)
  }

  /// The buffers of packed weights.
  var packs: [Buffer] { (inputs + recurrent).map(\.packed) }

  private static func packed(
    _ cell: RecurrentCell, _ ranges: [GateRange], _ weights: Graph.Value, _ units: Int,
    into program: inout ProgramBuilder
  ) throws(RuntimeError) -> [Product] {
    let kernels = program.instructionSet.narrow.pointee.bf16
    let depth = program.type(of: weights).shape[0]
    var products: [Product] = []
    for range in ranges {
      let width = range.count * units
      let buffer = try program.packed(
        weights, layout: "bf16 recurrent \(range.column) \(range.count)",
        floats: kernels.packed_size(1, depth, width) / 4
      ) { source, destination in
        Step(name: "pack", tiles: { _ in 1 }) { frame, _, _ in
          kernels.pack(
            frame.raw(destination), frame.floats(source) + range.column * units, 1, depth,
            cell.gateCount * units, 0, width, nil, nil)
        }
      }
      products.append(Product(range: range, packed: buffer))
    }
    return products
  }

  // MARK: Scratch

  private var columns: Int { operation.cell.workingGates * units }
  private var halves: Int { max(Self.chunkRows * features, Self.rowsPerTile * units) }

  /// Where a worker's parts begin, in floats: gates, two hidden and two cell states, halves, the products' own.
  private var statesOffset: Int { Self.chunkRows * columns }
  private var halvesOffset: Int { statesOffset + 4 * Self.rowsPerTile * units }
  private var productsOffset: Int { halvesOffset + Tiling.count(halves, by: 2) + 16 }

  var scratchFloats: Int {
    let kernels = isa.narrow.pointee.bf16
    let bytes = [features, units].map { depth in
      var gemm = mk_narrow_gemm()
      (gemm.m, gemm.n, gemm.k, gemm.a_stride) = (Self.chunkRows, columns, depth, depth)
      return kernels.gemm_scratch_size(&gemm)
    }
    return productsOffset + Tiling.count(bytes.max() ?? 0, by: 4)
  }

  // MARK: Running

  func run(
    _ place: Place, _ frame: borrowing Frame, _ tile: Int, _ scratch: UnsafeMutablePointer<Float>
  ) {
    let range = Tiling.range(tile, of: Self.rowsPerTile, total: frame.batch)
    let (first, rows) = (range.lowerBound, range.count)
    let states = scratch + statesOffset
    /// The hidden states before and after a step, then the cell states.
    func state(_ kind: Int, _ step: Int) -> UnsafeMutablePointer<Float> {
      states + (2 * kind + step % 2) * Self.rowsPerTile * units
    }
    for (kind, initial) in [place.hidden, place.cell].enumerated() {
      if let initial {
        state(kind, 0).update(from: frame.floats(initial) + first * units, count: rows * units)
      } else {
        state(kind, 0).update(repeating: 0, count: rows * units)
      }
    }
    let stepsAtOnce = Self.chunkRows / rows
    for begin in stride(from: 0, to: steps, by: stepsAtOnce) {
      let chunk = begin..<min(begin + stepsAtOnce, steps)
      projectInputs(place, frame, samples: range, chunk, scratch)
      for step in chunk {
        let gates = scratch + (step - begin) * rows * columns
        let (before, after) = (state(0, step), state(0, step + 1))
        projectState(place, frame, before, rows: rows, into: gates, scratch)
        operation.cell.apply(
          isa, gates: gates, hidden: after, previousHidden: before, cell: state(1, step + 1),
          previousCell: .init(state(1, step)), rows: rows, units: units)
        let time = operation.isReversed ? steps - 1 - step : step
        for row in 0..<rows {
          var isOver = false
          if let lengths = place.lengths {
            isOver = frame.integers(lengths)[first + row] <= Int32(truncatingIfNeeded: time)
          }
          if isOver {
            for kind in 0..<(operation.cell.hasCellState ? 2 : 1) {
              (state(kind, step + 1) + row * units)
                .update(from: state(kind, step) + row * units, count: units)
            }
          }
          guard let outputs = place.outputs else { continue }
          let output = frame.floats(outputs) + ((first + row) * steps + time) * units
          if isOver {
            output.update(repeating: 0, count: units)
          } else {
            output.update(from: after + row * units, count: units)
          }
        }
      }
    }
    for (kind, last) in [place.lastHidden, place.lastCell].enumerated() {
      guard let last else { continue }
      (frame.floats(last) + first * units).update(from: state(kind, steps), count: rows * units)
    }
  }

  /// gates (steps, samples, columns) = x · weights + bias for a chunk.
  private func projectInputs(
    _ place: Place, _ frame: borrowing Frame, samples: Range<Int>, _ chunk: Range<Int>,
    _ scratch: UnsafeMutablePointer<Float>
  ) {
    let halves = UnsafeMutableRawPointer(scratch + halvesOffset)
      .assumingMemoryBound(to: UInt16.self)
    for step in chunk {
      let time = operation.isReversed ? steps - 1 - step : step
      for (row, sample) in samples.enumerated() {
        isa.narrow.pointee.bf16_from_f32(
          halves + ((step - chunk.lowerBound) * samples.count + row) * features,
          frame.floats(place.x) + (sample * steps + time) * features, features)
      }
    }
    for product in inputs {
      multiply(
        product, frame, halves, depth: features, rows: chunk.count * samples.count,
        bias: place.bias, into: scratch, scratch)
    }
  }

  /// gates (samples, columns) += or = hidden · weights.
  private func projectState(
    _ place: Place, _ frame: borrowing Frame, _ hidden: UnsafePointer<Float>, rows: Int,
    into gates: UnsafeMutablePointer<Float>, _ scratch: UnsafeMutablePointer<Float>
  ) {
    let halves = UnsafeMutableRawPointer(scratch + halvesOffset)
      .assumingMemoryBound(to: UInt16.self)
    isa.narrow.pointee.bf16_from_f32(halves, hidden, rows * units)
    for product in recurrent {
      multiply(
        product, frame, halves, depth: units, rows: rows, bias: place.recurrentBias, into: gates,
        scratch)
    }
  }

  private func multiply(
    _ product: Product, _ frame: borrowing Frame, _ left: UnsafePointer<UInt16>, depth: Int,
    rows: Int, bias: Buffer?, into gates: UnsafeMutablePointer<Float>,
    _ scratch: UnsafeMutablePointer<Float>
  ) {
    let width = product.range.count * units
    var gemm = mk_narrow_gemm()
    (gemm.m, gemm.n, gemm.k, gemm.a_stride) = (rows, width, depth, depth)
    gemm.a = UnsafeRawPointer(left)
    gemm.b = UnsafeRawPointer(frame.raw(product.packed))
    gemm.c = UnsafeMutableRawPointer(gates + product.range.gate * units)
    gemm.c_stride = columns
    if let bias = frame.constants(bias) {
      gemm.result.bias = bias + product.range.column * units
    }
    gemm.result.accumulate = product.range.accumulates ? 1 : 0
    gemm.result.format = mk_format(MK_FORMAT_F32)
    isa.narrow.pointee.bf16.gemm(
      &gemm, 0, rows, 0, width, UnsafeMutableRawPointer(scratch + productsOffset))
  }
}
