// SPDX-License-Identifier: Apache-2.0
internal import RPCTransport
internal import Synchronization

/// Brings calls that were completed on other threads back to their loop, in batches: the first of
/// a batch wakes the loop, the others only put themselves on a list.
///
/// A stack that is taken whole (Treiber, "Systems Programming: Coping with Parallelism", 1986), so
/// the ABA problem does not arise: nothing is ever popped alone.
final class CompletionQueue: @unchecked Sendable {
  // SAFETY: a pointer is not Sendable, but what it points at is, and each node has one owner.
  private let top = Atomic<UnsafeMutableRawPointer?>(nil)
  private let loop: EventLoop

  init(_ loop: EventLoop) { self.loop = loop }

  /// Adds a completed call.
  ///
  /// Any thread; never waits.
  func push(_ call: StreamUnaryCall) {
    // SAFETY: the reference that the list holds is given back in `takeAll`.
    let node = Unmanaged.passRetained(call).toOpaque()
    var current = top.load(ordering: .relaxed)
    while true {
      call.next = current
      let (exchanged, found) = top.weakCompareExchange(
        expected: current, desired: node, ordering: .releasing)
      if exchanged { break }
      current = found
    }
    guard current == nil else { return }
    if !loop.execute({ self.drain() }) { _ = takeAll() }
  }

  private func drain() {
    for call in takeAll() { call.deliver() }
  }

  /// Empties the list; the first that was pushed is the first.
  private func takeAll() -> [StreamUnaryCall] {
    var node = top.exchange(nil, ordering: .acquiring)
    var calls: [StreamUnaryCall] = []
    while let pointer = node {
      let call = Unmanaged<StreamUnaryCall>.fromOpaque(pointer).takeRetainedValue()
      node = call.next
      call.next = nil
      calls.append(call)
    }
    calls.reverse()
    return calls
  }
}
