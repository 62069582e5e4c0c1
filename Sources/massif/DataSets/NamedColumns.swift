// SPDX-License-Identifier: Apache-2.0
internal import Runtime

/// A table as text, column by column, from a file of any format.
struct TextColumns {
  /// One column: its name in the file and the text of each row.
  struct Column {
    var name: String
    /// What the file says that it is; nil where it says nothing.
    var declared: ColumnType?
    var texts: [String] = []
  }

  /// Where it came from, for messages.
  let path: String
  var columns: [Column]
  var rows: Int { columns.first?.texts.count ?? 0 }
}

/// What a column's values are.
enum ColumnType: String, CaseIterable, Equatable {
  case number
  case integer
  case categorical
  /// Left out of the data set.
  case skip
}

/// As `price=number`.
struct ColumnOverride: Equatable {
  let name: String
  let type: ColumnType
}

/// Turns columns of text into a data set's tensors: each a rank-1 tensor `<split>/<column>`.
///
/// Numbers are FP32 with NaN for missing values, integers INT32 (or INT64 where they need it),
/// categories INT32 codes with -1 for missing and the sorted names in `categories/<column>`, a JSON
/// list. Which type a column has follows from its values: integers if all are, numbers if all that
/// are there are, categories otherwise.
struct NamedColumns {
  let tensors: [ImportedTensor]
  let metadata: [String: String]

  /// What stands for a value that is not there.
  static let missing: Set<String> = ["", "?", "NA", "N/A", "NaN", "nan", "null", "NULL"]

  /// - Parameters:
  ///   - test: rows held out in a file of their own; nil to hold out `testFraction` of `table`.
  ///   - overrides: types of columns by their name in the file or in the data set.
  init(
    _ table: TextColumns, test: TextColumns? = nil, overrides: [ColumnOverride],
    testFraction: Double, seed: UInt64
  ) throws(CommandError) {
    let names = try Self.names(table)
    for override in overrides
    where !names.contains(override.name)
      && !table.columns.contains(where: { $0.name == override.name })
    {
      throw CommandError(
        table.path, field: "--column \(override.name)", expected: "a column of the table",
        came: table.columns.prefix(20).map(\.name).joined(separator: ", "))
    }
    let parts = try Self.split(table, test, testFraction: testFraction, seed: seed)
    var tensors: [ImportedTensor] = []
    var renamed: [(key: String, value: JSONValue)] = []
    for (index, column) in table.columns.enumerated() {
      let name = names[index]
      if name != column.name { renamed.append((key: name, value: .string(column.name))) }
      let override = overrides.last { $0.name == name || $0.name == column.name }?.type
      let texts = test.map { column.texts + $0.columns[index].texts } ?? column.texts
      let values = try Values(texts, as: override ?? column.declared, name: column.name, table.path)
      guard let values else { continue }
      for (split, rows) in parts where !rows.isEmpty {
        tensors.append(values.tensor("\(split)/\(name)", rows))
      }
      if let dictionary = values.dictionary {
        let bytes = Array(JSONValue.array(dictionary.map(JSONValue.string)).text.utf8)
        tensors.append(
          ImportedTensor(
            name: "categories/\(name)", datatype: .uint8, shape: [bytes.count], bytes: bytes))
      }
    }
    guard !tensors.isEmpty else {
      throw CommandError(table.path, expected: "a column that is not skipped", came: "none")
    }
    self.tensors = tensors
    metadata = renamed.isEmpty ? [:] : ["columns": JSONValue.object(renamed).text]
  }

  /// The column names of a data set: letters, digits, '.', '_' and '-', begun by a letter or digit.
  static func names(_ table: TextColumns) throws(CommandError) -> [String] {
    var names: [String] = []
    var seen: Set<String> = []
    for (index, column) in table.columns.enumerated() {
      let name = sanitized(column.name, index)
      guard seen.insert(name).inserted else {
        throw CommandError(
          table.path, field: "column \(index + 1)", expected: "different column names",
          came: "\"\(column.name.prefix(64))\" again")
      }
      names.append(name)
    }
    return names
  }

  /// `petal length (cm)` becomes `petal-length-cm`.
  static func sanitized(_ name: String, _ index: Int) -> String {
    var result = ""
    for character in name.unicodeScalars {
      switch character {
      case "a"..."z", "A"..."Z", "0"..."9", ".", "_": result.unicodeScalars.append(character)
      default: if !result.isEmpty, result.last != "-" { result += "-" }
      }
    }
    while let first = result.first, "._-".contains(first) { result.removeFirst() }
    while result.last == "-" { result.removeLast() }
    return result.isEmpty ? "column-\(index + 1)" : String(result.prefix(128))
  }

  /// Which rows each split has, in the order of the file.
  private static func split(
    _ table: TextColumns, _ test: TextColumns?, testFraction: Double, seed: UInt64
  ) throws(CommandError) -> [(split: String, rows: [Int])] {
    guard table.rows > 0 else {
      throw CommandError(table.path, expected: "rows after the header", came: "none")
    }
    if let test {
      guard test.columns.map(\.name) == table.columns.map(\.name) else {
        throw CommandError(
          test.path, field: "header", expected: "the columns of \(table.path)",
          came: test.columns.prefix(20).map(\.name).joined(separator: ", "))
      }
      return [
        ("train", Array(0..<table.rows)), ("test", Array(table.rows..<table.rows + test.rows)),
      ]
    }
    var generator = SplitMix64(state: seed)
    let order = Array(0..<table.rows).shuffled(using: &generator)
    let held = Int((Double(order.count) * testFraction).rounded())
    return [("train", order[held...].sorted()), ("test", order[..<held].sorted())]
  }
}

extension NamedColumns {
  /// The values of a column, in the type that it is kept in.
  enum Values {
    case numbers([Float])
    case integers([Int64])
    case categories([Int32], [String])

    /// nil for a column that is skipped.
    init?(
      _ texts: [String], as type: ColumnType?, name: String, _ path: String
    ) throws(CommandError) {
      let texts = texts.map(\.trimmingSpaces)
      switch type {
      case .skip: return nil
      case .number: self = .numbers(try Self.numbers(texts, name, path))
      case .integer: self = .integers(try Self.integers(texts, name, path))
      case .categorical: self = Self.categories(texts)
      case nil:
        let integers = texts.compactMap { Int64($0) }
        if integers.count == texts.count {
          self = .integers(integers)
        } else if texts.allSatisfy({ NamedColumns.missing.contains($0) || Float($0) != nil }),
          texts.contains(where: { !NamedColumns.missing.contains($0) })
        {
          self = .numbers(try Self.numbers(texts, name, path))
        } else {
          self = Self.categories(texts)
        }
      }
    }

    /// The sorted names of categories.
    var dictionary: [String]? {
      if case .categories(_, let names) = self { names } else { nil }
    }

    func tensor(_ name: String, _ rows: [Int]) -> ImportedTensor {
      func tensor<T: BitwiseCopyable>(_ type: DataType, _ values: [T]) -> ImportedTensor {
        ImportedTensor(
          name: name, datatype: type, shape: [rows.count],
          bytes: values.withUnsafeBytes { Array($0) })
      }
      switch self {
      case .numbers(let values): return tensor(.fp32, rows.map { values[$0] })
      case .categories(let codes, _): return tensor(.int32, rows.map { codes[$0] })
      case .integers(let values):
        // The whole column decides, so that both splits have one type.
        if values.allSatisfy({ Int32(exactly: $0) != nil }) {
          return tensor(.int32, rows.map { Int32(truncatingIfNeeded: values[$0]) })
        }
        return tensor(.int64, rows.map { values[$0] })
      }
    }

    private static func numbers(
      _ texts: [String], _ name: String, _ path: String
    ) throws(CommandError) -> [Float] {
      var values: [Float] = []
      values.reserveCapacity(texts.count)
      for (row, text) in texts.enumerated() {
        if NamedColumns.missing.contains(text) {
          values.append(.nan)
        } else if let value = Float(text) {
          values.append(value)
        } else {
          throw refusal("a number", text, row, name, path)
        }
      }
      return values
    }

    private static func integers(
      _ texts: [String], _ name: String, _ path: String
    ) throws(CommandError) -> [Int64] {
      var values: [Int64] = []
      values.reserveCapacity(texts.count)
      for (row, text) in texts.enumerated() {
        guard let value = Int64(text) else { throw refusal("an integer", text, row, name, path) }
        values.append(value)
      }
      return values
    }

    private static func categories(_ texts: [String]) -> Values {
      let names = Set(texts).subtracting(NamedColumns.missing).sorted()
      let codes = Dictionary(uniqueKeysWithValues: zip(names, Int32(0)...))
      return .categories(texts.map { codes[$0] ?? -1 }, names)
    }

    private static func refusal(
      _ expected: String, _ text: String, _ row: Int, _ name: String, _ path: String
    ) -> CommandError {
      CommandError(
        path, field: "row \(row + 1), column \(name)", expected: expected,
        came: "\"\(text.prefix(40))\"",
        hint: "--column \(sanitized(name, 0))=categorical keeps it as text")
    }
  }
}

extension String {
  /// The text without spaces and tabs around it.
  var trimmingSpaces: String {
    guard let first = utf8.first, let last = utf8.last,
      first == 0x20 || first == 0x09 || last == 0x20 || last == 0x09
    else { return self }
    let trimmed = drop { $0 == " " || $0 == "\t" }
    return String(trimmed.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
  }
}
