// SPDX-License-Identifier: Apache-2.0
internal import RPCTransport
internal import Synchronization

/// What gRFC A66 measures of calls, for the calls of one event loop.
///
/// The loop alone writes, anybody may read: a plain load and store of an atomic word each, without a
/// lock and without a locked instruction. Tables are made for a method and a status when the first
/// such call ends, and stay.
final class CallMeasures: @unchecked Sendable {
  /// The upper bounds of durations, in nanoseconds (A66: 0.01 ms to 100 s).
  static let durationBounds: [UInt64] = [
    0.01, 0.05, 0.1, 0.3, 0.6, 0.8, 1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 30, 40, 50, 65, 80,
    100, 130, 160, 200, 250, 300, 400, 500, 650, 800, 1000, 2000, 5000, 10_000, 20_000, 50_000,
    100_000,
  ].map { UInt64($0 * 1_000_000) }

  /// The upper bounds of sizes, in bytes (A66: 0 to 4 GiB).
  static let sizeBounds: [UInt64] = [
    0, 1024, 2048, 4096, 16_384, 65_536, 262_144, 1 << 20, 4 << 20, 16 << 20, 64 << 20, 256 << 20,
    1 << 30, 4 << 30,
  ]

  /// One histogram: its buckets, the last for what is beyond every bound, and the sum.
  struct Snapshot: Equatable {
    var buckets: [UInt64]
    var sum: UInt64

    var count: UInt64 { buckets.reduce(0, &+) }

    static func + (left: Snapshot, right: Snapshot) -> Snapshot {
      Snapshot(
        buckets: zip(left.buckets, right.buckets).map { $0 &+ $1 }, sum: left.sum &+ right.sum)
    }
  }

  /// The calls of one method that ended with one status.
  struct Ended: Equatable {
    var duration: Snapshot
    var received: Snapshot
    var sent: Snapshot

    static func + (left: Ended, right: Ended) -> Ended {
      Ended(
        duration: left.duration + right.duration, received: left.received + right.received,
        sent: left.sent + right.sent)
    }
  }

  private static let statusCount = 17
  private static let durationCount = durationBounds.count + 2
  private static let sizeCount = sizeBounds.count + 2
  private static let tableCount = durationCount + 2 * sizeCount

  private typealias Word = Atomic<UInt64>
  private typealias Table = UnsafeMutablePointer<Word>

  // SAFETY: allocated in init and freed in deinit; words and table pointers are atomic.
  private let started: UnsafeMutablePointer<Word>
  private let tables: UnsafeMutablePointer<Atomic<UInt>>
  private let methodCount: Int

  /// - Parameter methodCount: how many methods are told apart; see `record`.
  init(methodCount: Int) {
    self.methodCount = methodCount
    started = Self.words(methodCount)
    tables = .allocate(capacity: methodCount * Self.statusCount)
    for index in 0..<methodCount * Self.statusCount { (tables + index).initialize(to: Atomic(0)) }
  }

  deinit {
    for index in 0..<methodCount * Self.statusCount {
      Table(bitPattern: tables[index].load(ordering: .relaxed))?.deallocate()
    }
    tables.deallocate()
    started.deallocate()
  }

  private static func words(_ count: Int) -> Table {
    let words = Table.allocate(capacity: count)
    for index in 0..<count { (words + index).initialize(to: Word(0)) }
    return words
  }

  // MARK: On the loop

  /// A call of `method` has begun.
  func begin(_ method: Int) { Self.add(1, to: started + method) }

  /// A call of `method` has ended.
  ///
  /// - Parameters:
  ///   - method: less than `methodCount`.
  ///   - status: gRPC's number of it.
  ///   - nanoseconds: from its headers to its status.
  ///   - received: bytes of messages, as they came; `sent`: as they went.
  func end(_ method: Int, status: Int, nanoseconds: UInt64, received: UInt64, sent: UInt64) {
    let slot = tables + (method * Self.statusCount + min(max(status, 0), Self.statusCount - 1))
    var table = Table(bitPattern: slot.pointee.load(ordering: .relaxed))
    if table == nil {
      table = Self.words(Self.tableCount)
      slot.pointee.store(UInt(bitPattern: table), ordering: .releasing)
    }
    guard let table else { return }
    Self.observe(nanoseconds, Self.durationBounds, table)
    Self.observe(received, Self.sizeBounds, table + Self.durationCount)
    Self.observe(sent, Self.sizeBounds, table + Self.durationCount + Self.sizeCount)
  }

  private static func observe(_ value: UInt64, _ bounds: [UInt64], _ table: Table) {
    var low = 0
    var high = bounds.count
    while low < high {
      let middle = (low &+ high) / 2
      if bounds[middle] < value { low = middle &+ 1 } else { high = middle }
    }
    add(1, to: table + low)
    add(value, to: table + (bounds.count + 1))
  }

  private static func add(_ value: UInt64, to word: Table) {
    let before = word.pointee.load(ordering: .relaxed)
    word.pointee.store(before &+ value, ordering: .relaxed)
  }

  // MARK: Any thread

  /// Calls of `method` that have begun.
  func startedCount(_ method: Int) -> UInt64 { started[method].load(ordering: .relaxed) }

  /// The calls of `method` that have ended with `status`; nil: none.
  func ended(_ method: Int, status: Int) -> Ended? {
    let address = tables[method * Self.statusCount + status].load(ordering: .acquiring)
    guard let table = Table(bitPattern: address) else { return nil }
    func snapshot(_ start: Int, _ bounds: [UInt64]) -> Snapshot {
      Snapshot(
        buckets: (0...bounds.count).map { table[start + $0].load(ordering: .relaxed) },
        sum: table[start + bounds.count + 1].load(ordering: .relaxed))
    }
    return Ended(
      duration: snapshot(0, Self.durationBounds),
      received: snapshot(Self.durationCount, Self.sizeBounds),
      sent: snapshot(Self.durationCount + Self.sizeCount, Self.sizeBounds))
  }
}
