// SPDX-License-Identifier: Apache-2.0

import CKernels

/// How the elements along some axes become one.
public enum Reduction: String, Sendable, Hashable, CaseIterable {
  /// The sum; 0 of nothing.
  case sum
  /// The sum over their number; NaN of nothing.
  case mean
  /// The product; 1 of nothing.
  case product
  /// The smallest; NaN where one is.
  case minimum
  /// The largest; NaN where one is.
  case maximum

  var function: BinaryFunction {
    switch self {
    case .sum, .mean: .add
    case .product: .multiply
    case .minimum: .minimum
    case .maximum: .maximum
    }
  }
}

extension Graph {
  /// Brings the elements along some axes together.
  ///
  /// - Parameters:
  ///   - axes: of the shape of one sample, negative ones counted from the end; `nil` for all.
  ///   - includingBatch: whether samples are brought together too: the result has no batch then.
  ///   - keepsAxes: whether reduced axes stay with an extent of one.
  /// - Throws: `.invalidArgument` for an axis that there is not or that comes twice, `.shapeMismatch` for what is not
  ///   FP32.
  public mutating func reduce(
    _ reduction: Reduction, _ x: Value, axes: [Int]? = nil, includingBatch: Bool = false,
    keepsAxes: Bool = false
  ) throws(RuntimeError) -> Value {
    let operation = Reduce(
      reduction: reduction, axes: axes, includesBatch: includingBatch, keepsAxes: keepsAxes)
    return try add(operation, [x])[0]
  }

  /// The sum of what broadcasting an operand spread out, in the operand's own type.
  mutating func sum(_ gradient: Value?, toTypeOf operand: Value) throws(RuntimeError) -> Value? {
    guard let gradient else { return nil }
    let (from, to) = (type(of: gradient), type(of: operand))
    guard from != to else { return gradient }
    let missing = from.shape.rank - to.shape.rank
    let axes = from.shape.dimensions.indices.filter { axis in
      from.shape[axis] != 1 && (axis < missing || to.shape[axis - missing] == 1)
    }
    var result = gradient
    if !axes.isEmpty || from.isBatched != to.isBatched {
      result = try reduce(
        .sum, gradient, axes: axes, includingBatch: from.isBatched && !to.isBatched)
    }
    return type(of: result) == to ? result : try reshape(result, to: to.shape)
  }
}

/// y = the elements along some axes, brought together.
struct Reduce: Operation {
  let reduction: Reduction
  /// `nil` for all.
  var axes: [Int]?
  var includesBatch = false
  var keepsAxes = false
  var name: String { "reduce_\(reduction.rawValue)" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    let x = operands[0]
    try requireFloat(x, "input")
    let reduced = try reducedAxes(of: x)
    let extents = x.shape.dimensions.enumerated().compactMap { axis, extent in
      !reduced.contains(axis) ? extent : keepsAxes ? 1 : nil
    }
    return [TensorType(.fp32, try Shape(extents), isBatched: x.isBatched && !includesBatch)]
  }

  /// The axes from the front.
  func reducedAxes(of x: TensorType) throws(RuntimeError) -> Set<Int> {
    guard let axes else { return Set(x.shape.dimensions.indices) }
    var reduced: Set<Int> = []
    for axis in axes {
      guard reduced.insert(try resolve(axis, x)).inserted else {
        throw RuntimeError(
          .invalidArgument, "expected every axis once; came \(axes)", operation: name,
          field: "axes")
      }
    }
    return reduced
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let type = program.type(of: node.operands[0])
    let reduced = try reducedAxes(of: type)
    let walk = ReductionWalk(
      type.shape.dimensions.enumerated().map { ($0.element, reduced.contains($0.offset)) })
    let (x, y) = (try program.buffer(node.operands[0]), try program.buffer(node.results[0]))
    guard type.isBatched, includesBatch else {
      return emitEach(walk, type, from: x, into: y, program: &program)
    }
    try emitTogether(walk, type, from: x, into: y, program: &program)
  }

  /// Each sample by itself.
  private func emitEach(
    _ walk: ReductionWalk, _ type: TensorType, from x: Buffer, into y: Buffer,
    program: inout ProgramBuilder
  ) {
    let (isa, function) = (program.instructionSet, reduction.function)
    let (elements, units) = (type.shape.elementCount, walk.unitCount)
    let mean = factor(elements, walk)
    let perTile = max(1, Tiling.elements / walk.unitCost)
    let isBatched = type.isBatched
    program.step(
      name, reads: [x], writes: [y],
      tiles: { Tiling.count((isBatched ? $0 : 1) * units, by: perTile) }
    ) { frame, tile, _ in
      let total = (isBatched ? frame.batch : 1) * units
      for index in Tiling.range(tile, of: perTile, total: total) {
        let (sample, unit) = index.quotientAndRemainder(dividingBy: units)
        let out = frame.floats(y) + sample * walk.resultCount
        let made = walk.reduce(
          unit, function, isa, from: frame.floats(x) + sample * elements, into: out)
        if let mean {
          let place = out + made.lowerBound
          isa.kernels.pointee.scale(place, place, mean, 0, made.count)
        }
      }
    }
  }

  /// From here on results are independent work enough.
  private static let manyResults = 8192

  /// All samples in one: chunks of a fixed number of them one by one, then those, or, where there are many
  /// results, each result from all samples.
  private func emitTogether(
    _ walk: ReductionWalk, _ type: TensorType, from x: Buffer, into y: Buffer,
    program: inout ProgramBuilder
  ) throws(RuntimeError) {
    let (isa, function) = (program.instructionSet, reduction.function)
    let (elements, results) = (type.shape.elementCount, walk.resultCount)
    let mean = factor(elements, walk)
    let perChunk =
      results >= Self.manyResults
      ? program.maximumBatch : max(1, Tiling.elements / max(1, elements))
    let chunks = Tiling.count(program.maximumBatch, by: perChunk)
    guard chunks > 1 else {
      return emitCombination(
        walk, from: x, into: y, sampleStep: elements, count: { $0 }, mean, program: &program)
    }
    let (partialCount, overflow) = chunks.multipliedReportingOverflow(by: results)
    guard !overflow else {
      throw RuntimeError(.tooLarge, "partial results do not fit in 64 bits", operation: name)
    }
    let partial = try program.temporary(floats: partialCount)
    program.step(
      name, reads: [x], writes: [partial], tiles: { Tiling.count($0, by: perChunk) }
    ) { frame, tile, _ in
      let samples = Tiling.range(tile, of: perChunk, total: frame.batch)
      for unit in 0..<walk.unitCount {
        walk.reduce(
          unit, function, isa, from: frame.floats(x) + samples.lowerBound * elements,
          into: frame.floats(partial) + tile * results, samples: samples.count,
          sampleStep: elements)
      }
    }
    emitCombination(
      ReductionWalk([(results, false)]), from: partial, into: y, sampleStep: results,
      count: { Tiling.count($0, by: perChunk) }, mean, program: &program)
  }

  private func emitCombination(
    _ walk: ReductionWalk, from x: Buffer, into y: Buffer, sampleStep: Int,
    count: @escaping @Sendable (Int) -> Int, _ mean: Float?, program: inout ProgramBuilder
  ) {
    let (isa, function) = (program.instructionSet, reduction.function)
    program.step(name, reads: [x], writes: [y], tiles: { _ in walk.unitCount }) {
      frame, tile, _ in
      let out = frame.floats(y)
      let made = walk.reduce(
        tile, function, isa, from: frame.floats(x), into: out, samples: count(frame.batch),
        sampleStep: sampleStep)
      if let mean {
        let place = out + made.lowerBound
        isa.kernels.pointee.scale(place, place, mean / Float(frame.batch), 0, made.count)
      }
    }
  }

  /// What a mean is multiplied with, the batch apart.
  private func factor(_ elements: Int, _ walk: ReductionWalk) -> Float? {
    reduction == .mean ? 1 / (Float(elements) / Float(max(1, walk.resultCount))) : nil
  }

  func operationCount(_ node: Graph.Node, in graph: Graph) -> Double {
    Double(graph.type(of: node.operands[0]).shape.elementCount)
  }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    guard let dy = along[0] else { return [nil] }
    let x = node.operands[0]
    let type = graph.type(of: x)
    let reduced = try reducedAxes(of: type)
    let kept = try Shape(
      type.shape.dimensions.enumerated().map { reduced.contains($0.offset) ? 1 : $0.element })
    let aligned = try graph.reshape(dy, to: kept)
    switch reduction {
    case .sum, .mean:
      let isMean = reduction == .mean
      let expand = Expand(
        type: type,
        factor: isMean ? Float(kept.elementCount) / Float(type.shape.elementCount) : 1,
        dividesByBatch: isMean && includesBatch && type.isBatched)
      return [try graph.add(expand, [aligned])[0]]
    case .product:
      let gradient = ProductGradient(axes: reduced.sorted(), includesBatch: includesBatch)
      return [try graph.add(gradient, [aligned, x])[0]]
    case .minimum, .maximum:
      // Those that are the extreme share the gradient, as PyTorch's amax has it.
      let y = try graph.reshape(node.results[0], to: kept)
      let zero = try graph.constant(0)
      let isExtreme = try graph.compare(.equal, x, y)
      let marks = try graph.select(isExtreme, graph.constant(1), zero)
      let count = try graph.reduce(
        .sum, marks, axes: Array(reduced), includingBatch: includesBatch, keepsAxes: true)
      let share = try graph.binary(.divide, aligned, count)
      return [try graph.select(isExtreme, share, zero)]
    }
  }
}
