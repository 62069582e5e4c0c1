// SPDX-License-Identifier: Apache-2.0

import CKernels

extension MatrixTiling {
  /// Bytes of packed B that stay in the second-level cache beside the rows that they meet.
  private static let residentByteCount = 512 << 10

  /// How a product of narrow operands is cut into tiles of C.
  ///
  /// Of many rows a tile takes as many columns as stay in cache: a row may have to be copied for each tile that reads it.
  ///
  /// - Parameter words: words of 32 bits in a row of A.
  init(m: Int, n: Int, words: Int, kernels: UnsafePointer<mk_narrow_kernels>) {
    let (tileRows, panel) = (kernels.pointee.tile_rows, kernels.pointee.panel_width)
    guard m > 4 * tileRows else {
      self.init(m: m, n: n, k: words, tileRows: tileRows, panelWidth: panel)
      return
    }
    let resident = max(1, Self.residentByteCount / (4 * max(1, words) * panel)) * panel
    let columns = min(max(n, 1), resident)
    let wanted = max(1, 4 * Tiling.operations / (2 * max(1, words) * columns))
    self.init(rows: Tiling.count(wanted, by: tileRows) * tileRows, columns: columns)
  }
}
