// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing

@testable import Serving

@Suite(.timeLimit(.minutes(1))) struct InFlightGateTests {
  private final class Holder: Sendable {
    private let lease: Mutex<ModelLease?>
    init(_ lease: consuming ModelLease?) { self.lease = Mutex(lease) }
    func release() { lease.withLock { $0 = nil } }
  }

  private final class Count: Sendable {
    private let count = Atomic(0)
    var value: Int { count.load(ordering: .sequentiallyConsistent) }
    func add(_ change: Int) { count.wrappingAdd(change, ordering: .sequentiallyConsistent) }
  }

  @Test func anEmptyGateDrainsAtOnce() async {
    let gate = InFlightGate()
    await gate.closeAndDrain()
    let isOpen = gate.enter() != nil
    #expect(!isOpen)
    #expect(gate.count == 0)
  }

  @Test func drainingWaitsForTheLast() async {
    let gate = InFlightGate()
    let holders = (0..<3).map { _ in Holder(gate.enter()) }
    #expect(gate.count == 3)
    let drained = Count()
    await withTaskGroup { group in
      group.addTask {
        await gate.closeAndDrain()
        drained.add(1)
      }
      group.addTask {
        // The gate closes some time; until then it lets in.
        while gate.enter() != nil { await Task.yield() }
        for holder in holders.dropLast() { holder.release() }
        #expect(drained.value == 0)
        holders.last?.release()
      }
    }
    #expect(drained.value == 1)
    #expect(gate.count == 0)
  }

  @Test func manyEnterWhileItCloses() async {
    for _ in 0..<50 {
      let gate = InFlightGate()
      let inside = Count()
      await withTaskGroup { group in
        for _ in 0..<4 {
          group.addTask {
            while true {
              guard let lease = gate.enter() else { return }
              inside.add(1)
              await Task.yield()
              inside.add(-1)
              _ = consume lease
            }
          }
        }
        group.addTask {
          await gate.closeAndDrain()
          #expect(inside.value == 0)
        }
      }
    }
  }
}
