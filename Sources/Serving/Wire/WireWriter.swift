// SPDX-License-Identifier: Apache-2.0

/// Builds a small protobuf message of proto3: default values are left out, as every encoder does.
///
/// For answers of the control methods, whose bytes are few. `ModelInfer` has `InferResponseWriter`.
struct WireWriter {
  var bytes: [UInt8] = []

  mutating func varint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  mutating func unsigned(_ field: Int, _ value: UInt64) {
    guard value != 0 else { return }
    tag(field, 0)
    varint(value)
  }

  mutating func signed(_ field: Int, _ value: Int64) {
    unsigned(field, UInt64(bitPattern: value))
  }

  mutating func bool(_ field: Int, _ value: Bool) {
    unsigned(field, value ? 1 : 0)
  }

  mutating func string(_ field: Int, _ value: String) {
    guard !value.isEmpty else { return }
    element(field, value)
  }

  /// An element of a repeated string field, written even when empty.
  mutating func element(_ field: Int, _ value: String) {
    tag(field, 2)
    varint(UInt64(value.utf8.count))
    bytes.append(contentsOf: value.utf8)
  }

  /// A packed repeated field.
  mutating func packed(_ field: Int, _ values: some Sequence<Int64>) {
    var inner = WireWriter()
    for value in values { inner.varint(UInt64(bitPattern: value)) }
    guard !inner.bytes.isEmpty else { return }
    tag(field, 2)
    varint(UInt64(inner.bytes.count))
    bytes.append(contentsOf: inner.bytes)
  }

  /// The beginning of a nested message whose bytes follow.
  mutating func begin(_ field: Int, byteCount: Int) {
    tag(field, 2)
    varint(UInt64(byteCount))
  }

  /// A nested message, written even when empty: its presence is what it says.
  mutating func message(_ field: Int, _ build: (inout WireWriter) -> Void) {
    var inner = WireWriter()
    build(&inner)
    begin(field, byteCount: inner.bytes.count)
    bytes.append(contentsOf: inner.bytes)
  }

  private mutating func tag(_ field: Int, _ wireType: UInt64) {
    varint(UInt64(field) << 3 | wireType)
  }

  /// The bytes of `value` as a varint.
  static func size(ofVarint value: UInt64) -> Int {
    value < 0x80 ? 1 : (UInt64.bitWidth - value.leadingZeroBitCount + 6) / 7
  }
}
