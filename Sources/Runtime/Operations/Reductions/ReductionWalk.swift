// SPDX-License-Identifier: Apache-2.0

import CKernels

/// How the elements of a sample are brought together along some of its axes, in an order that its shape fixes.
///
/// Neighbouring axes that share their fate are one. Where the innermost is reduced, a result is a chain of contiguous runs;
/// where it is kept, whole runs of results are combined at once.
struct ReductionWalk: Sendable {
  private var keptCounts: [Int] = []
  private var keptSteps: [Int] = []
  private var reducedCounts: [Int] = []
  private var reducedSteps: [Int] = []
  /// The innermost axis.
  private let run: Int
  private let runIsReduced: Bool
  private let reducedRows: Int
  private let blocksPerRow: Int

  /// Results of a sample.
  let resultCount: Int
  /// Independent pieces of work in a sample: a result each, or a part of a run of results.
  let unitCount: Int
  /// Elements that a unit reads.
  let unitCost: Int

  /// Results of a part: with what it reads it stays in the first-level cache.
  private static let blockCount = 2048

  /// - Parameter axes: each with its extent, outermost first.
  init(_ axes: [(count: Int, isReduced: Bool)]) {
    var merged: [(count: Int, isReduced: Bool)] = []
    for axis in axes where axis.count != 1 {
      if let last = merged.last, last.isReduced == axis.isReduced {
        merged[merged.count - 1].count *= axis.count
      } else {
        merged.append(axis)
      }
    }
    let innermost = merged.popLast() ?? (1, false)
    run = innermost.count
    runIsReduced = innermost.isReduced
    var step = run
    for axis in merged.reversed() {
      if axis.isReduced {
        reducedCounts.insert(axis.count, at: 0)
        reducedSteps.insert(step, at: 0)
      } else {
        keptCounts.insert(axis.count, at: 0)
        keptSteps.insert(step, at: 0)
      }
      step *= axis.count
    }
    let keptRows = keptCounts.reduce(1, *)
    reducedRows = reducedCounts.reduce(1, *)
    blocksPerRow = runIsReduced ? 1 : Tiling.count(run, by: Self.blockCount)
    resultCount = runIsReduced ? keptRows : keptRows * run
    unitCount = keptRows * blocksPerRow
    unitCost = max(1, (runIsReduced ? run : min(run, Self.blockCount)) * reducedRows)
  }

  /// Computes the results of one unit, from `samples` samples together that lie `sampleStep` elements apart.
  ///
  /// Allocates nothing.
  ///
  /// - Returns: which results those are.
  @discardableResult
  func reduce(
    _ unit: Int, _ function: BinaryFunction, _ isa: InstructionSet,
    from x: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, samples: Int = 1,
    sampleStep: Int = 0
  ) -> Range<Int> {
    let (row, block) = unit.quotientAndRemainder(dividingBy: max(1, blocksPerRow))
    let start = x + Self.offset(of: row, keptCounts, keptSteps)
    if runIsReduced {
      var total = function.identity
      for sample in 0..<samples {
        for reducedRow in 0..<reducedRows {
          let place =
            start + sample * sampleStep + Self.offset(of: reducedRow, reducedCounts, reducedSteps)
          total = function.combined(total, isa.kernels.pointee.reduce(place, function.code, run))
        }
      }
      out[row] = total
      return row..<row + 1
    }
    let columns = Tiling.range(block, of: Self.blockCount, total: run)
    let place = out + row * run + columns.lowerBound
    if samples == 0 || reducedRows == 0 {
      isa.kernels.pointee.fill(place, function.identity, columns.count)
    }
    for sample in 0..<samples {
      for reducedRow in 0..<reducedRows {
        let source =
          start + sample * sampleStep + columns.lowerBound
          + Self.offset(of: reducedRow, reducedCounts, reducedSteps)
        if sample == 0, reducedRow == 0 {
          place.update(from: source, count: columns.count)
        } else {
          isa.kernels.pointee.binary(place, place, 1, source, 1, function.code, columns.count)
        }
      }
    }
    return row * run + columns.lowerBound..<row * run + columns.upperBound
  }

  private static func offset(of row: Int, _ counts: [Int], _ steps: [Int]) -> Int {
    var (rest, offset) = (row, 0)
    for index in counts.indices.reversed() {
      let (quotient, position) = rest.quotientAndRemainder(dividingBy: counts[index])
      offset += position * steps[index]
      rest = quotient
    }
    return offset
  }
}

extension BinaryFunction {
  /// What changes nothing.
  ///
  /// - Precondition: the function is one that reductions have.
  fileprivate var identity: Float {
    switch self {
    case .multiply: 1
    case .minimum: .infinity
    case .maximum: -.infinity
    default: 0
    }
  }

  fileprivate func combined(_ a: Float, _ b: Float) -> Float {
    switch self {
    case .multiply: a * b
    case .minimum: a.isNaN ? a : (b < a || b.isNaN) ? b : a
    case .maximum: a.isNaN ? a : (b > a || b.isNaN) ? b : a
    default: a + b
    }
  }
}
