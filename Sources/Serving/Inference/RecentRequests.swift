// SPDX-License-Identifier: Apache-2.0
import RPCTransport
import Runtime

/// What the recent requests of a connection came to, because a client repeats itself: one request
/// often differs from the one before in its id and in the bytes of its tensors alone.
///
/// Then scan, decoding, checks, permission and look-up come to what they came to before, with all
/// ranges in the same places, and are replaced by a comparison. A request is remembered when one of
/// the same length came just before it, so that requests that differ cost nothing but that look.
///
/// Of one connection and one caller, on the connection's loop.
final class RecentRequests {
  private struct Slot {
    /// Of the last message that fell into this slot, remembered or not.
    var byteCount = 0
    var entry: Entry?
  }

  /// A request that is remembered.
  final class Entry {
    /// The manager's, from before the version was looked up.
    fileprivate let generation: UInt64
    let gate: InFlightGate
    /// What lies between the tensors and the id, one behind the other.
    fileprivate let fixed: [UInt8]
    fileprivate let layout: Layout
    /// As it came last; without tensors and id in between.
    @exclusivity(unchecked) fileprivate(set) var request: InferRequest

    fileprivate init(
      generation: UInt64, gate: InFlightGate, fixed: [UInt8], layout: Layout,
      request: InferRequest
    ) {
      self.generation = generation
      self.gate = gate
      self.fixed = fixed
      self.layout = layout
      self.request = request
    }

    /// Lets go of the message: the request has been answered or copied.
    func letGo() {
      for index in request.inputs.indices {
        request.inputs.change(index) { tensor in
          tensor.bytes = UnsafeRawBufferPointer(start: nil, count: 0)
          tensor.owner = nil
        }
      }
    }
  }

  /// Where the parts of a message lie.
  fileprivate struct Layout {
    var fixed: [WireRange] = []
    var id: WireRange?
    /// By the model's order of inputs, with the size of an element.
    var tensors: [(range: WireRange, elementSize: Int)] = []
  }

  /// Slots, by length: requests to different models rarely evict each other.
  private static let slotCount = 8
  /// What is longer beside its tensors is decoded anew.
  private static let maxFixedByteCount = 1024

  // Of the connection's loop; the dynamic checks show in profiles of small calls.
  @exclusivity(unchecked) private var slots = [Slot](repeating: Slot(), count: slotCount)
  /// Where misaligned tensors go.
  private let pool: BufferPool

  init(pool: BufferPool) {
    self.pool = pool
  }

  /// The request that `message` is, if it is remembered and holds still; to be let go of when it is
  /// done with, before the next is recalled.
  ///
  /// - Parameter generation: the manager's, now.
  func recall(_ message: PooledBuffer, generation: UInt64) -> Entry? {
    let bytes = message.bytes
    let slot = bytes.count % Self.slotCount
    guard slots[slot].byteCount == bytes.count, let entry = slots[slot].entry else { return nil }
    guard entry.generation == generation else {
      slots[slot].entry = nil
      return nil
    }
    var offset = 0
    let isSame = entry.fixed.withUnsafeBytes { fixed in
      for range in entry.layout.fixed {
        guard
          bytes.hasBytes(
            UnsafeRawBufferPointer(rebasing: fixed[offset..<offset + range.count]),
            at: range.offset)
        else { return false }
        offset += range.count
      }
      return true
    }
    guard isSame else { return nil }
    if let id = entry.layout.id {
      let text = UnsafeRawBufferPointer(rebasing: bytes[id.offset..<id.offset + id.count])
      guard !text.contains(0), let text = String(validating: text, as: UTF8.self) else {
        return nil
      }
      entry.request.id = text
    }
    for index in entry.layout.tensors.indices {
      let tensor = entry.layout.tensors[index]
      let range = tensor.range.offset..<tensor.range.offset + tensor.range.count
      let part = UnsafeRawBufferPointer(rebasing: bytes[range])
      // Where the bytes lie in memory is the one thing that a new message may do otherwise.
      do throws(ServingError) {
        try entry.request.inputs.change(index) { (input) throws(ServingError) in
          try input.lend(part, of: message, elementSize: tensor.elementSize, pool: pool)
        }
      } catch {
        return nil
      }
    }
    return entry
  }

  /// Remembers what `message` came to, if it is likely to come again.
  ///
  /// - Returns: where the next message like it should lie aligned; nil when that does not matter.
  func remember(
    _ message: PooledBuffer, as request: borrowing InferRequest, of version: ServedVersion,
    generation: UInt64
  ) -> Int? {
    let bytes = message.bytes
    let slot = bytes.count % Self.slotCount
    guard slots[slot].byteCount == bytes.count else {
      slots[slot] = Slot(byteCount: bytes.count)
      return nil
    }
    guard let layout = Self.layout(of: message, request, version.loaded.signature) else {
      return nil
    }
    var blank = copy request
    blank.id = ""
    for index in blank.inputs.indices {
      blank.inputs[index].bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      blank.inputs[index].owner = nil
    }
    slots[slot].entry = Entry(
      generation: generation, gate: version.gate,
      fixed: layout.fixed.flatMap { bytes[$0.offset..<$0.offset + $0.count] }, layout: layout,
      request: blank)
    return layout.tensors.first?.range.offset
  }

  /// Takes a message apart; nil for one whose checks depend on more than its fixed part.
  private static func layout(
    of message: PooledBuffer, _ request: borrowing InferRequest, _ signature: ModelSignature
  ) -> Layout? {
    var layout = Layout()
    for index in request.inputs.indices {
      let tensor = request.inputs[index]
      // Typed contents are decoded, and the elements of BYTES counted, each time.
      guard let offset = tensor.offset,
        let elementSize = signature.inputs[index].datatype.byteCount
      else { return nil }
      layout.tensors.append((WireRange(offset: offset, count: tensor.bytes.count), elementSize))
    }
    guard let id = idRange(in: message.bytes) else { return nil }
    layout.id = id.count > 0 ? id : nil
    let apart = (layout.tensors.map(\.range) + (layout.id.map { [$0] } ?? []))
      .sorted { $0.offset < $1.offset }
    var position = 0
    var fixedByteCount = 0
    for range in apart + [WireRange(offset: message.count, count: 0)] {
      if range.offset > position {
        layout.fixed.append(WireRange(offset: position, count: range.offset - position))
        fixedByteCount += range.offset - position
      }
      position = range.offset + range.count
    }
    return fixedByteCount <= maxFixedByteCount ? layout : nil
  }

  /// Where the text of the field `id` lies, empty where there is none; nil when it comes twice.
  private static func idRange(in bytes: UnsafeRawBufferPointer) -> WireRange? {
    var found: WireRange?
    var reader = WireReader(bytes)
    do throws(WireError) {
      while !reader.isAtEnd {
        let (field, wireType) = try reader.tag()
        if field == 3, wireType == 2 {
          let range = try reader.lengthDelimited()
          guard found == nil else { return nil }
          found = range
        } else {
          try reader.skip(wireType)
        }
      }
    } catch {
      return nil
    }
    return found ?? WireRange()
  }
}
