// SPDX-License-Identifier: Apache-2.0

/// Writes fields of a protobuf message, for the requests of the data plane, whose tensors are lent
/// and not copied.
struct ProtobufWriter {
  private(set) var bytes: [UInt8]

  init(bytes: [UInt8] = []) {
    self.bytes = bytes
  }

  /// Writes a text field; an empty one is left out, as proto3 does.
  mutating func string(_ number: Int, _ value: String) {
    guard !value.isEmpty else { return }
    var value = value
    value.withUTF8 { text in
      header(number, byteCount: text.count)
      bytes.append(contentsOf: text)
    }
  }

  /// Writes a field of repeated integers in packed form; none are left out.
  mutating func packed(_ number: Int, _ values: [Int]) {
    guard !values.isEmpty else { return }
    var content = ProtobufWriter()
    for value in values { content.varint(UInt64(bitPattern: Int64(value))) }
    message(number, content)
  }

  /// Writes a message field, also when it is empty.
  mutating func message(_ number: Int, _ content: ProtobufWriter) {
    header(number, byteCount: content.bytes.count)
    bytes.append(contentsOf: content.bytes)
  }

  /// Writes the tag and the length of a field whose bytes are sent from elsewhere.
  mutating func header(_ number: Int, byteCount: Int) {
    varint(UInt64(number) << 3 | 2)
    varint(UInt64(byteCount))
  }

  private mutating func varint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }
}
