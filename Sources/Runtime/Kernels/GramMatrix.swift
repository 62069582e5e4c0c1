// SPDX-License-Identifier: Apache-2.0

import CKernels

/// Gram matrices XᵀX in double precision, of rows that may be shifted and weighted.
public struct GramMatrix: Sendable {
  private let workers: WorkerPool
  private let instructionSet: InstructionSet
  /// Rows packed at a time: their panels stay in the last-level cache.
  private static let blockRows = 1024
  /// Rows that one tile packs.
  private static let packRows = 128

  /// Makes one that computes on a pool.
  public init(workers: WorkerPool, instructionSet: InstructionSet) {
    self.workers = workers
    self.instructionSet = instructionSet
  }

  /// The Gram matrix of (x - shift) · weight, row by row: (columns, columns), row-major, both
  /// triangles.
  ///
  /// Cost: rows · columns² multiply-adds, on all threads; the bits do not depend on their number.
  ///
  /// - Parameters:
  ///   - x: (rows, columns), row stride `stride`.
  ///   - shift: subtracted from each column; nil: none.
  ///   - weights: factor of each row; nil: 1.
  ///   - isCancelled: asked between blocks of rows; then what is there so far is returned.
  public func compute(
    _ x: UnsafePointer<Float>, rows: Int, columns: Int, stride: Int, shift: [Double]? = nil,
    weights: [Double]? = nil, isCancelled: () -> Bool = { false }
  ) -> [Double] {
    let kernels = instructionSet.kernels.pointee
    let width = kernels.gram_panel_width
    let panels = Tiling.count(columns, by: width)
    let padded = panels * width
    var sums = [Double](repeating: 0, count: padded * padded)
    let blockRows = max(1, min(Self.blockRows, rows))
    let packed = UnsafeMutablePointer<Double>.allocate(capacity: max(1, blockRows * padded))
    defer { packed.deallocate() }
    sums.withUnsafeMutableBufferPointer { sums in
      guard let base = sums.baseAddress else { return }
      // SAFETY: tiles write disjoint parts, and all are done when each call returns.
      nonisolated(unsafe) let (out, x) = (base, x)
      nonisolated(unsafe) let block = packed
      for start in Swift.stride(from: 0, to: rows, by: blockRows) where !isCancelled() {
        let count = min(blockRows, rows - start)
        workers.parallelTiles(Tiling.count(count, by: Self.packRows)) { tile, _ in
          let part = Tiling.range(tile, of: Self.packRows, total: count)
          Self.withOptional(shift) { shift in
            Self.withOptional(weights) { weights in
              kernels.gram_pack(
                block + part.lowerBound * width, blockRows, x + (start + part.lowerBound) * stride,
                stride, shift, weights.map { $0 + start + part.lowerBound }, part.count, columns)
            }
          }
        }
        workers.parallelTiles(panels) { panel, _ in
          kernels.gram(out, padded, block, blockRows, count, columns, panel)
        }
      }
    }
    var result = [Double](repeating: 0, count: columns * columns)
    for row in 0..<columns {
      for column in row..<columns {
        let value = sums[row * padded + column]
        result[row * columns + column] = value
        result[column * columns + row] = value
      }
    }
    return result
  }

  private static func withOptional(
    _ values: [Double]?, _ body: (UnsafePointer<Double>?) -> Void
  ) {
    guard let values else { return body(nil) }
    values.withUnsafeBufferPointer { body($0.baseAddress) }
  }
}
