// SPDX-License-Identifier: Apache-2.0

import CKernels

extension MatrixProduct {
  /// Floats of scratch memory that a run on so many threads needs: all of B packed, and for each thread what
  /// its tiles pack of A.
  public func sharedScratchCount(threads: Int) -> Int {
    packedCount + threads * workerScratch
  }

  /// Computes C on a pool's threads: B is packed once, then tiles of C are handed out.
  ///
  /// An element's bits are those of `run` on one thread.
  ///
  /// - Parameter scratch: `sharedScratchCount` floats for the time of the call.
  public func run(
    a: UnsafePointer<Float>, b: UnsafePointer<Float>, into c: UnsafeMutablePointer<Float>,
    cStride: Int, bias: UnsafePointer<Float>? = nil, workers: WorkerPool,
    scratch: UnsafeMutablePointer<Float>
  ) {
    let kernels = instructionSet.kernels
    let panel = kernels.pointee.panel_width
    let columns = Tiling.count(max(1, Tiling.elements / max(1, k)), by: panel) * panel
    workers.parallelTiles(Tiling.count(n, by: columns)) { tile, _ in
      let range = Tiling.range(tile, of: columns, total: n)
      kernels.pointee.gemm_pack(
        scratch, b, form, bStride, k, n, range.lowerBound, range.upperBound)
    }
    let tiling = self.tiling
    workers.parallelTiles(tiling.count(m: m, n: n)) { tile, worker in
      var product = mk_gemm(
        m: m, n: n, k: k, a: a, a_row_stride: aRowStride, a_column_stride: aColumnStride,
        b: scratch, b_form: mk_operand_form(MK_OPERAND_PACKED), b_stride: 0, c: c,
        c_stride: cStride, bias: bias, activation: Activation.none, accumulate: 0, gate: nil,
        gate_stride: 0)
      let part = tiling.ranges(tile, m: m, n: n)
      kernels.pointee.gemm(
        &product, part.rows.lowerBound, part.rows.upperBound, part.columns.lowerBound,
        part.columns.upperBound, scratch + packedCount + worker * workerScratch)
    }
  }

  /// B is packed already, so tall products are cut along M alone: a tile packs its rows once for all columns.
  private var tiling: MatrixTiling {
    let (tileRows, panelWidth) = (
      instructionSet.kernels.pointee.tile_rows, instructionSet.kernels.pointee.panel_width
    )
    if m >= Self.leastTiles * tileRows {
      return MatrixTiling(
        rows: m >= 4 * Self.leastTiles * tileRows ? 2 * tileRows : tileRows, columns: max(1, n))
    }
    return MatrixTiling(m: m, n: n, k: k, tileRows: tileRows, panelWidth: panelWidth)
  }

  /// So many tiles even out threads that run at different speeds.
  private static let leastTiles = 16

  /// Rounded up to a page, so that no two threads' parts share a cache line.
  private var packedCount: Int {
    (instructionSet.kernels.pointee.gemm_packed_size(k, n) + 1023) / 1024 * 1024
  }

  private var workerScratch: Int {
    (instructionSet.productScratch(
      m: m, n: n, k: k, aRowStride: aRowStride, aColumnStride: aColumnStride,
      bForm: MK_OPERAND_PACKED, bStride: 0) + 1023) / 1024 * 1024
  }
}
