// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// The header list that a connection is receiving: the fields one behind the other in one piece of
/// memory, so that a list is judged in one go and compared with an earlier one in one step.
///
/// HTTP/2 lets no other frame into a header list (RFC 9113 §4.3), so a connection needs one.
final class ReceivedHeaders {
  private var memory: UnsafeMutableRawPointer
  private var capacity: Int
  private var count = 0
  /// What the list counts as HTTP/2 counts it, the fields that were not kept included.
  private(set) var listByteCount = 0
  /// The value of `grpc-timeout`, which differs from call to call and is therefore kept apart.
  private(set) var timeout: Timeout?
  private let limit: Int

  /// The value of a `grpc-timeout` field.
  enum Timeout {
    case valid(Duration)
    case malformed
  }

  /// - Parameter limit: fields beyond it are counted but not kept.
  init(limit: Int) {
    self.limit = limit
    capacity = 512
    memory = .allocate(byteCount: capacity, alignment: 8)
  }

  deinit { memory.deallocate() }

  /// Begins a list.
  func begin() {
    count = 0
    listByteCount = 0
    timeout = nil
  }

  /// Whether the list is longer than the limit.
  var isTooLong: Bool { listByteCount > limit }

  /// Adds a field.
  func append(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
    // RFC 9113 §6.5.2: what a field counts.
    listByteCount += name.count + value.count + 32
    guard listByteCount <= limit else { return }
    if name.equals("grpc-timeout") {
      timeout = RPCTransport.Timeout.parse(value).map { .valid($0) } ?? .malformed
      return
    }
    let needed = 8 + name.count + value.count
    if capacity - count < needed { grow(needed) }
    // SAFETY: there is room for both lengths and both texts, made sure of above.
    memory.storeBytes(of: UInt32(name.count), toByteOffset: count, as: UInt32.self)
    memory.storeBytes(of: UInt32(value.count), toByteOffset: count + 4, as: UInt32.self)
    if let base = name.baseAddress { memcpy(memory + count + 8, base, name.count) }
    if let base = value.baseAddress { memcpy(memory + count + 8 + name.count, base, value.count) }
    count += needed
  }

  private func grow(_ needed: Int) {
    let larger = max(capacity * 2, count + needed)
    let moved = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 8)
    moved.copyMemory(from: memory, byteCount: count)
    memory.deallocate()
    memory = moved
    capacity = larger
  }

  /// All fields in the form in which they are kept; equal for equal lists.
  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: memory, count: count) }

  /// Calls `body` with the name and value of each field, in their order.
  func forEach(_ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Void) {
    var position = 0
    while position < count {
      let nameCount = Int(memory.loadUnaligned(fromByteOffset: position, as: UInt32.self))
      let valueCount = Int(memory.loadUnaligned(fromByteOffset: position + 4, as: UInt32.self))
      let name = UnsafeRawBufferPointer(start: memory + position + 8, count: nameCount)
      let value = UnsafeRawBufferPointer(
        start: memory + position + 8 + nameCount, count: valueCount)
      position += 8 + nameCount + valueCount
      body(name, value)
    }
  }
}
