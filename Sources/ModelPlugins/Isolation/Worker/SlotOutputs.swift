// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Where a worker's executions put their outputs: in the slot, each on pages of its own with its end
/// at the end of a page, and behind it a page that nobody may touch.
///
/// Writing past an output by 64 bytes or more ends the worker; by less, or before the output's
/// beginning, is seen when the call ends.
final class SlotOutputs: OutputMemory {
  /// What stands around an output until the call has ended.
  private static let canary: UInt8 = 0xC5
  /// Before the output, so that its beginning is aligned.
  private static let leadByteCount = SlotLayout.alignment

  private let area: UnsafeMutableRawBufferPointer
  private let pageByteCount = SlotLayout.pageByteCount
  private var position = 0
  /// Offsets of the pages that are not to be touched now; the same from call to call where shapes
  /// are, so that a call changes nothing.
  private var guards: [Int] = []
  private var outputs: [(offset: Int, byteCount: Int)] = []

  init(_ area: UnsafeMutableRawBufferPointer) {
    self.area = area
  }

  /// Forgets the outputs of the last call.
  func begin() {
    position = 0
    outputs.removeAll(keepingCapacity: true)
  }

  func take(byteCount: Int) throws(PluginError) -> UnsafeMutableRawBufferPointer {
    let rounded = SlotLayout.roundUp(byteCount, SlotLayout.alignment)
    let pages = SlotLayout.roundUp(rounded + Self.leadByteCount, pageByteCount)
    let end = position + pages
    guard end + pageByteCount <= area.count else {
      throw PluginError(
        .resourceExhausted, "the outputs of one call do not fit into \(area.count) bytes")
    }
    try open(position..<end)
    try close(end)
    position = end + pageByteCount
    let offset = end - rounded
    outputs.append((offset, byteCount))
    withCanaries(of: offset, byteCount) {
      $0.initializeMemory(as: UInt8.self, repeating: Self.canary)
    }
    return UnsafeMutableRawBufferPointer(rebasing: area[offset..<offset + byteCount])
  }

  /// Whether every byte around the outputs is as it was.
  var isIntact: Bool {
    for output in outputs {
      var isIntact = true
      withCanaries(of: output.offset, output.byteCount) { bytes in
        isIntact = isIntact && bytes.allSatisfy { $0 == Self.canary }
      }
      if !isIntact { return false }
    }
    return true
  }

  private func withCanaries(
    of offset: Int, _ byteCount: Int, _ body: (UnsafeMutableRawBufferPointer) -> Void
  ) {
    let end = offset + byteCount
    body(UnsafeMutableRawBufferPointer(rebasing: area[offset - Self.leadByteCount..<offset]))
    body(
      UnsafeMutableRawBufferPointer(
        rebasing: area[end..<SlotLayout.roundUp(end, SlotLayout.alignment)]))
  }

  private func open(_ range: Range<Int>) throws(PluginError) {
    for index in guards.indices.reversed() where range.contains(guards[index]) {
      try protect(guards[index], PROT_READ | PROT_WRITE)
      guards.remove(at: index)
    }
  }

  private func close(_ page: Int) throws(PluginError) {
    guard !guards.contains(page) else { return }
    try protect(page, PROT_NONE)
    guards.append(page)
  }

  private func protect(_ page: Int, _ protection: Int32) throws(PluginError) {
    guard let base = area.baseAddress, mprotect(base + page, pageByteCount, protection) == 0 else {
      throw PluginError(.resourceExhausted, "no memory to guard an output with")
    }
  }
}
