// SPDX-License-Identifier: Apache-2.0

extension TextColumns {
  /// Reads Weka's attribute-relation file format (https://waikato.github.io/weka-wiki/formats_and_processing/arff_stable/):
  /// numeric, integer, real, string and nominal attributes, dense and sparse rows.
  static func arff(_ path: String) throws(CommandError) -> TextColumns {
    var reader = ARFFReader(try LineReader(path), path: path)
    return try reader.read()
  }
}

/// Reads the lines of a text file.
struct LineReader {
  /// A line of baskets has some thousand characters.
  static let maxLineByteCount = 16 << 20

  private let file: SourceFile
  private var buffer: [UInt8] = []
  private var position = 0
  /// The line read last, from 1.
  private(set) var number = 0

  init(_ path: String) throws(CommandError) {
    file = try SourceFile(path)
  }

  /// The next line without its end; nil at the end of the file.
  mutating func next() throws(CommandError) -> String? {
    var line: [UInt8] = []
    var isAtEnd = true
    while true {
      if position == buffer.count {
        buffer = try file.read(upTo: 256 << 10)
        position = 0
        if buffer.isEmpty { break }
      }
      isAtEnd = false
      let end = buffer[position...].firstIndex(of: 0x0A)
      line += buffer[position..<(end ?? buffer.count)]
      position = end.map { $0 + 1 } ?? buffer.count
      guard line.count <= Self.maxLineByteCount else {
        throw CommandError(
          file.path, field: "line \(number + 1)",
          expected: "lines of at most \(Self.maxLineByteCount) bytes")
      }
      if end != nil { break }
    }
    if isAtEnd { return nil }
    number += 1
    if line.last == 0x0D { line.removeLast() }
    guard let text = String(validating: line, as: UTF8.self) else {
      throw CommandError(
        file.path, field: "line \(number)", expected: "UTF-8 text", came: "other bytes")
    }
    return text
  }
}

private struct ARFFReader {
  private var lines: LineReader
  private let path: String
  private var columns: [TextColumns.Column] = []

  init(_ lines: LineReader, path: String) {
    self.lines = lines
    self.path = path
  }

  mutating func read() throws(CommandError) -> TextColumns {
    var isData = false
    while let line = try lines.next() {
      let text = line.trimmingSpaces
      if text.isEmpty || text.hasPrefix("%") { continue }
      if isData {
        try row(text)
      } else if text.lowercased().hasPrefix("@attribute") {
        try attribute(text.dropFirst("@attribute".count))
      } else if text.lowercased().hasPrefix("@data") {
        guard !columns.isEmpty else { throw refusal("an @attribute before @data", text) }
        isData = true
      } else if !text.lowercased().hasPrefix("@relation") {
        throw refusal("@relation, @attribute or @data", text)
      }
    }
    guard isData else { throw refusal("@data", "the end of the file") }
    return TextColumns(path: path, columns: columns)
  }

  private mutating func attribute(_ text: Substring) throws(CommandError) {
    var rest = text.drop { $0 == " " || $0 == "\t" }
    let name = try field(&rest, until: " \t")
    let type = rest.drop { $0 == " " || $0 == "\t" }.lowercased()
    let declared: ColumnType? =
      if type.hasPrefix("{") || type.hasPrefix("string") {
        .categorical
      } else if type.hasPrefix("real") || type.hasPrefix("numeric") {
        .number
      } else if type.hasPrefix("integer") {
        // A missing integer is a NaN, so what the column is follows from its values.
        nil
      } else {
        throw refusal("numeric, real, integer, string or {values}", type)
      }
    guard columns.count < CSVReader.maxColumns else {
      throw refusal("at most \(CSVReader.maxColumns) attributes", "more")
    }
    columns.append(TextColumns.Column(name: name, declared: declared))
  }

  private mutating func row(_ text: String) throws(CommandError) {
    var rest = text[...]
    if rest.hasPrefix("{") {
      try sparseRow(rest.dropFirst())
      return
    }
    for index in columns.indices {
      guard index == 0 || take(",", &rest) else {
        throw refusal("\(columns.count) values", "\(index)")
      }
      columns[index].texts.append(try field(&rest, until: ","))
    }
    guard rest.trimmed.isEmpty else { throw refusal("\(columns.count) values", "more") }
  }

  /// `{3 t, 17 2.5}`; what is left out is 0, or missing in a column of categories.
  private mutating func sparseRow(_ text: Substring) throws(CommandError) {
    var values: [Int: String] = [:]
    var rest = text.trimmed
    while !take("}", &rest) {
      guard values.isEmpty || take(",", &rest) else { throw refusal("',' or '}'", String(rest)) }
      rest = rest.trimmed
      guard let index = Int(try field(&rest, until: " \t")), columns.indices.contains(index),
        values[index] == nil
      else { throw refusal("an index of an attribute, each once", String(rest.prefix(20))) }
      rest = rest.trimmed
      values[index] = try field(&rest, until: ",}")
    }
    for index in columns.indices {
      let absent = columns[index].declared == .categorical ? "?" : "0"
      columns[index].texts.append(values[index] ?? absent)
    }
  }

  private func take(_ character: Character, _ rest: inout Substring) -> Bool {
    rest = rest.trimmed
    guard rest.first == character else { return false }
    rest.removeFirst()
    return true
  }

  /// The next value: quoted with ' or ", or as far as one of `ends`.
  private func field(
    _ rest: inout Substring, until ends: String
  ) throws(CommandError) -> String {
    rest = rest.trimmed
    guard let quote = rest.first, quote == "'" || quote == "\"" else {
      let value = rest.prefix { !ends.contains($0) }
      rest = rest[value.endIndex...]
      return String(value).trimmingSpaces
    }
    rest.removeFirst()
    var value = ""
    while let character = rest.popFirst() {
      if character == quote { return value }
      if character == "\\", let escaped = rest.popFirst() {
        value.append(escaped)
      } else {
        value.append(character)
      }
    }
    throw refusal("a closing \(quote)", "the end of the line")
  }

  private func refusal(_ expected: String, _ came: String) -> CommandError {
    CommandError(
      path, field: "line \(lines.number)", expected: expected, came: "\"\(came.prefix(40))\"")
  }
}

extension Substring {
  fileprivate var trimmed: Substring { drop { $0 == " " || $0 == "\t" } }
}
