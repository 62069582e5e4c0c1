// SPDX-License-Identifier: Apache-2.0
import Runtime

/// Rows of a split, some at a time: what trees are asked about.
struct TableRows {
  let rowCount: Int
  private let sources: [TableSource]
  private let columnCount: Int

  /// Rows that are lent at once: a few megabytes of a wide table.
  static let blockRows = 1024

  /// - Throws: as `TableSource.all`.
  init(_ schema: TableSchema, split: String, in dataset: DataSetView) throws(PluginError) {
    sources = try TableSource.all(of: schema, split: split, in: dataset)
    rowCount = sources[0].rows
    columnCount = schema.columnCount
  }

  /// Lends block after block, (rows, columns) row-major, missing values as NaN.
  func forEachBlock(
    _ body: (_ first: Int, _ count: Int, _ rows: UnsafePointer<Float>) throws(PluginError) -> Void
  ) throws(PluginError) {
    let memory = UnsafeMutablePointer<Float>.allocate(
      capacity: Self.blockRows * max(columnCount, 1))
    defer { memory.deallocate() }
    for first in stride(from: 0, to: rowCount, by: Self.blockRows) {
      let count = min(Self.blockRows, rowCount - first)
      read(first, count, into: memory)
      try body(first, count, memory)
    }
  }

  private func read(_ first: Int, _ count: Int, into memory: UnsafeMutablePointer<Float>) {
    var column = 0
    for source in sources {
      let width = source.width
      if width == columnCount {
        TableElements.read(
          source.bytes, source.datatype, first: first * width, count: count * width, into: memory)
      } else {
        for index in 0..<width {
          TableElements.read(
            source.bytes, source.datatype, first: first * width + index, stride: width,
            count: count, into: memory + column + index, destinationStride: columnCount)
        }
      }
      if case .categorical = source.schema.kind {
        for row in 0..<count where memory[row * columnCount + column] < 0 {
          memory[row * columnCount + column] = .nan
        }
      }
      column += width
    }
  }
}
