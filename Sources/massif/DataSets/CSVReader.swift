// SPDX-License-Identifier: Apache-2.0

/// Splits CSV (RFC 4180) into records: commas, fields in double quotes with doubled quotes inside,
/// LF or CRLF.
struct CSVReader {
  /// What is longer is no number and no class name.
  static let maxFieldByteCount = 64 << 10
  static let maxColumns = 65_536

  private let file: SourceFile
  private var buffer: [UInt8] = []
  private var position = 0
  private(set) var line = 0

  init(_ file: SourceFile) {
    self.file = file
  }

  var path: String { file.path }

  /// The next record's fields; nil at the end.
  ///
  /// Empty lines are passed over.
  mutating func next() throws(CommandError) -> [String]? {
    while true {
      guard try peek() != nil else { return nil }
      line += 1
      let record = try record()
      if record != [""] { return record }
    }
  }

  private mutating func record() throws(CommandError) -> [String] {
    let first = line
    var fields: [String] = []
    while true {
      fields.append(
        try peek() == UInt8(ascii: "\"") ? try quotedField(first) : try plainField(first))
      guard fields.count <= Self.maxColumns else {
        throw CommandError(
          path, field: "line \(first)", expected: "at most \(Self.maxColumns) columns")
      }
      switch try take() {
      case UInt8(ascii: ","): continue
      case nil, UInt8(ascii: "\n"): return fields
      case UInt8(ascii: "\r"):
        guard try peek() == UInt8(ascii: "\n") else {
          throw CommandError(path, field: "line \(line)", expected: "LF after CR")
        }
        position += 1
        return fields
      default:
        throw CommandError(
          path, field: "line \(line)",
          expected: "a comma or the end of the line after a quoted field")
      }
    }
  }

  private mutating func plainField(_ first: Int) throws(CommandError) -> String {
    var bytes: [UInt8] = []
    while let byte = try peek(), byte != UInt8(ascii: ","), byte != 0x0A, byte != 0x0D {
      position += 1
      try append(byte, to: &bytes, first)
    }
    return try text(bytes, first)
  }

  private mutating func quotedField(_ first: Int) throws(CommandError) -> String {
    position += 1
    var bytes: [UInt8] = []
    while true {
      guard let byte = try take() else {
        throw CommandError(
          path, field: "line \(first)", expected: "a closing quote", came: "the end of the file")
      }
      if byte == UInt8(ascii: "\"") {
        guard try peek() == UInt8(ascii: "\"") else { return try text(bytes, first) }
        position += 1
      }
      if byte == 0x0A { line += 1 }
      try append(byte, to: &bytes, first)
    }
  }

  private func append(
    _ byte: UInt8, to bytes: inout [UInt8], _ first: Int
  ) throws(CommandError) {
    guard bytes.count < Self.maxFieldByteCount else {
      throw CommandError(
        path, field: "line \(first)", expected: "fields of at most \(Self.maxFieldByteCount) bytes")
    }
    bytes.append(byte)
  }

  private func text(_ bytes: [UInt8], _ first: Int) throws(CommandError) -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw CommandError(path, field: "line \(first)", expected: "UTF-8 text", came: "other bytes")
    }
    return text
  }

  private mutating func peek() throws(CommandError) -> UInt8? {
    if position == buffer.count {
      buffer = try file.read(upTo: 256 << 10)
      position = 0
    }
    return position < buffer.count ? buffer[position] : nil
  }

  private mutating func take() throws(CommandError) -> UInt8? {
    guard let byte = try peek() else { return nil }
    position += 1
    return byte
  }
}
