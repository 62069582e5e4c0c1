// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Counts the requests in flight of a model version and lets unloading wait for the last of them.
///
/// One atomic word: the upper bit says that the gate is closed, the rest counts. Entering and leaving
/// are one atomic addition each. Who remembers a gate keeps no model in memory: what is behind it is
/// let go when the last has left.
final class InFlightGate: @unchecked Sendable {
  private static let closed: UInt64 = 1 << 63

  private let word = Atomic<UInt64>(0)
  private let waiter = Mutex<CheckedContinuation<Void, Never>?>(nil)
  // SAFETY: set by `guards` before anybody enters, cleared when the gate is closed and nobody is
  // inside; read by leases alone.
  fileprivate var version: ServedVersion?

  /// Says what the gate is the gate of; once, before it is entered.
  func guards(_ version: ServedVersion) { self.version = version }

  /// Requests in flight.
  var count: Int { Int(word.load(ordering: .relaxed) & ~Self.closed) }

  /// A place among the requests in flight; nil when the gate is closed.
  func enter() -> ModelLease? {
    let now = word.wrappingAdd(1, ordering: .acquiring).newValue
    guard now & Self.closed == 0 else {
      leave()
      return nil
    }
    return ModelLease(self)
  }

  fileprivate func leave() {
    let now = word.wrappingSubtract(1, ordering: .acquiringAndReleasing).newValue
    if now == Self.closed { waiter.withLock { $0.take() }?.resume() }
  }

  /// Lets nobody in any more and returns when the last has left.
  ///
  /// To be called once.
  func closeAndDrain() async {
    await withCheckedContinuation { continuation in
      waiter.withLock { $0 = continuation }
      let now = word.bitwiseOr(Self.closed, ordering: .acquiringAndReleasing).newValue
      // Whoever leaves last and whoever closes may both see zero; the lock lets one of them resume.
      if now == Self.closed { waiter.withLock { $0.take() }?.resume() }
    }
    version = nil
  }
}

/// A place among the requests in flight of a model version, given back at the end of its life.
struct ModelLease: ~Copyable {
  private let gate: InFlightGate

  fileprivate init(_ gate: InFlightGate) {
    self.gate = gate
  }

  /// The version behind the gate; nil only for a gate that guards none.
  var version: ServedVersion? { gate.version }

  deinit {
    gate.leave()
  }
}
