// SPDX-License-Identifier: Apache-2.0

/// Gives equal header fields the same strings, because a connection's calls repeat theirs.
///
/// A direct-mapped table of fixed size: a miss makes strings, a hit only counts a reference.
struct HeaderInterner {
  private struct Slot {
    var name: [UInt8] = []
    var value: [UInt8] = []
    var entry: Metadata.Entry?
    var text = ""
  }

  /// Longer values are rarely repeated and would make the table large.
  private static let maxByteCount = 192
  private var slots: [Slot] = []

  /// The value of a field as a string.
  mutating func text(
    name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer
  ) -> String {
    guard name.count + value.count <= HeaderInterner.maxByteCount else {
      return String(decoding: value, as: UTF8.self)
    }
    let index = find(name, value)
    return slots[index].text
  }

  /// A text field as an entry of metadata.
  mutating func entry(
    name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer
  ) -> Metadata.Entry {
    guard name.count + value.count <= HeaderInterner.maxByteCount else {
      return Metadata.Entry(
        key: String(decoding: name, as: UTF8.self),
        value: .string(String(decoding: value, as: UTF8.self)))
    }
    let index = find(name, value)
    if let entry = slots[index].entry { return entry }
    let entry = Metadata.Entry(
      key: String(decoding: name, as: UTF8.self), value: .string(slots[index].text))
    slots[index].entry = entry
    return entry
  }

  private mutating func find(
    _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
  ) -> Int {
    if slots.isEmpty { slots = Array(repeating: Slot(), count: 32) }
    let mix = name.count &* 31 &+ value.count &* 7 &+ Int(value.last ?? 0)
    let index = mix & 31
    if slots[index].name.elementsEqual(name), slots[index].value.elementsEqual(value) {
      return index
    }
    slots[index] = Slot(
      name: Array(name), value: Array(value), entry: nil,
      text: String(decoding: value, as: UTF8.self))
    return index
  }
}
