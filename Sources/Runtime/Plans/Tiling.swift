// SPDX-License-Identifier: Apache-2.0

/// How work is cut: by shape only, so that results do not depend on how many threads share it.
enum Tiling {
  /// Floating-point operations of a tile: some 50 µs, long beside the microsecond of handing it out
  /// and short beside a step, so that a preempted thread holds little back.
  static let operations = 4 << 20
  /// Elements of a flat tile: three arrays of it fit in the second-level cache.
  static let elements = 32 << 10

  static func count(_ total: Int, by size: Int) -> Int { (total + size - 1) / size }

  /// The part of `0..<total` that is tile `index` of `size`.
  static func range(_ index: Int, of size: Int, total: Int) -> Range<Int> {
    index * size..<min(total, (index + 1) * size)
  }

  /// Rows of images for a tile: whole images where they are small, equal parts of one where not.
  static func rows(ofImage height: Int, workPerRow: Int, work: Int) -> Int {
    let wanted = max(1, work / max(1, workPerRow))
    if wanted >= height { return height * max(1, wanted / height) }
    return count(height, by: count(height, by: wanted))
  }
}

/// How a matrix product (M, K) · (K, N) is cut into tiles of C.
struct MatrixTiling: Sendable {
  let rows: Int
  let columns: Int

  init(rows: Int, columns: Int) {
    self.rows = rows
    self.columns = columns
  }

  /// - Parameters:
  ///   - tileRows: of the kernel's register tile, as `panelWidth`: tiles are multiples of both.
  init(m: Int, n: Int, k: Int, tileRows: Int, panelWidth: Int) {
    // Every tile packs the operands that it uses, so the longer side is cut and the other left whole
    // up to a size whose packed form stays in the second-level cache.
    let perElement = 2 * max(1, k)
    if m > n {
      columns = min(max(n, 1), 32 * panelWidth)
      let wanted = max(1, Tiling.operations / (perElement * columns))
      rows = Tiling.count(wanted, by: tileRows) * tileRows
    } else {
      rows = max(1, min(m, 18 * tileRows))
      let wanted = max(1, Tiling.operations / (perElement * rows))
      columns = Tiling.count(wanted, by: panelWidth) * panelWidth
    }
  }

  func count(m: Int, n: Int) -> Int { Tiling.count(m, by: rows) * Tiling.count(n, by: columns) }

  func ranges(_ tile: Int, m: Int, n: Int) -> (rows: Range<Int>, columns: Range<Int>) {
    let across = Tiling.count(n, by: columns)
    return (
      Tiling.range(tile / across, of: rows, total: m),
      Tiling.range(tile % across, of: columns, total: n)
    )
  }
}
