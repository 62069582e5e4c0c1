// SPDX-License-Identifier: Apache-2.0
import Runtime
@testable import massif

extension FuzzEntry {
  /// Tables in CSV: every column has every row, and the data set made of them fits its tensors.
  ///
  /// Input: the file, gzip or not.
  static let csv = FuzzEntry("csv") { bytes in
    let file = try MemoryFile(bytes)
    _ = try? CSVTable.read(file.path, label: "y", testFraction: 0.25, seed: 1)
    try check { () throws(CommandError) in try TextColumns.csv(file.path) }
  }

  /// Tables in Weka's format.
  ///
  /// Input: the file, gzip or not.
  static let arff = FuzzEntry("arff") { bytes in
    let file = try MemoryFile(bytes)
    try check { () throws(CommandError) in try TextColumns.arff(file.path) }
  }

  /// Arrays in the format of MNIST.
  ///
  /// Input: the file, gzip or not.
  static let idx = FuzzEntry("idx") { bytes in
    let file = try MemoryFile(bytes)
    guard let tensor = try? IDXFile.read(file.path, as: "train/labels") else { return }
    try check(tensor)
    if let normalized = try? tensor.normalized() { try check(normalized) }
  }

  /// Arrays of NumPy.
  ///
  /// Input: the file, gzip or not.
  static let npy = FuzzEntry("npy") { bytes in
    let file = try MemoryFile(bytes)
    for name in ["train/images", "train/labels"] {
      guard let tensor = try? NPYFile.read(file.path, as: name) else { return }
      try check(tensor)
      if let normalized = try? tensor.normalized() { try check(normalized) }
    }
  }

  private static func check(_ read: () throws(CommandError) -> TextColumns) throws {
    guard let table = try? read() else { return }
    for column in table.columns {
      try require(
        column.texts.count == table.rows, "\(column.texts.count) values in \(table.rows) rows")
    }
    guard
      let columns = try? NamedColumns(table, overrides: [], testFraction: 0.25, seed: 1)
    else { return }
    for tensor in columns.tensors { try check(tensor) }
  }

  private static func check(_ tensor: ImportedTensor) throws(FuzzFinding) {
    let count = ImportedTensor.elementCount(tensor.shape + [tensor.datatype.byteCount ?? 1])
    try require(
      count == tensor.bytes.count,
      "\(tensor.name): \(tensor.bytes.count) bytes of \(tensor.datatype) \(tensor.shape)")
  }
}
