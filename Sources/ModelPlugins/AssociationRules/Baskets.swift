// SPDX-License-Identifier: Apache-2.0
import Runtime

/// The items of a table: each value of a categorical column, each number column that is not 0.
struct BasketEncoding: Sendable, Hashable {
  let schema: TableSchema

  /// What each item is called: `bread=t`, `basket[3]`; a category that stands alone in its column
  /// gives the item the column's name.
  var names: [String] {
    schema.sources.flatMap { source in
      if case .categorical(let categories) = source.kind {
        return categories.count == 1
          ? [source.name] : categories.map { "\(source.name)=\($0)" }
      }
      return source.shape.isEmpty
        ? [source.name] : (0..<source.width).map { "\(source.name)[\($0)]" }
    }
  }

  /// The items of a row of the table, ascending.
  func items(_ row: UnsafePointer<Float>) -> [Int32] {
    var items: [Int32] = []
    var (item, column) = (Int32(0), 0)
    for source in schema.sources {
      if case .categorical(let categories) = source.kind {
        // In a request of one matrix a code may be any number; what is no category is not there.
        if let code = Int32(exactly: row[column]), categories.indices.contains(Int(code)) {
          items.append(item + code)
        }
        item += Int32(categories.count)
        column += 1
        continue
      }
      for _ in 0..<source.width {
        if row[column] != 0, !row[column].isNaN { items.append(item) }
        item += 1
        column += 1
      }
    }
    return items
  }

  /// The baskets of a split.
  func baskets(split: String, in view: DataSetView) throws(PluginError) -> [[Int32]] {
    let sources = try TableSource.all(of: schema, split: split, in: view)
    let (rows, columns) = (sources[0].rows, schema.columnCount)
    guard Extents.byteCount([rows, columns], of: .fp32) != nil else {
      throw PluginError(.resourceExhausted, "\(rows) × \(columns) numbers are too many")
    }
    let memory = UnsafeMutablePointer<Float>.allocate(capacity: max(1, rows * columns))
    defer { memory.deallocate() }
    var column = 0
    for source in sources {
      for index in 0..<source.width {
        source.readColumn(index, into: memory + column, stride: columns)
        column += 1
      }
    }
    return (0..<rows).map { items(memory + $0 * columns) }
  }
}
