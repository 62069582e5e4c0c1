// SPDX-License-Identifier: Apache-2.0

extension TextColumns {
  /// Reads a CSV file whose first record names the columns.
  static func csv(_ path: String) throws(CommandError) -> TextColumns {
    var reader = CSVReader(try SourceFile(path))
    guard let header = try reader.next() else {
      throw CommandError(path, expected: "a header and rows", came: "an empty file")
    }
    var table = TextColumns(path: path, columns: header.map { Column(name: $0.trimmingSpaces) })
    while let record = try reader.next() {
      guard record.count == header.count else {
        throw CommandError(
          path, field: "line \(reader.line)", expected: "\(header.count) fields",
          came: "\(record.count)")
      }
      for (index, text) in record.enumerated() { table.columns[index].texts.append(text) }
    }
    return table
  }
}
