// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing

@testable import ModelPlugins

struct TrainingObserverTests {
  /// A clock that a test moves.
  private final class Clock {
    var now = ContinuousClock.now
  }

  @Test("Reports are thinned out to ten a second, and nothing is computed for the others")
  func thinning() {
    let clock = Clock()
    var forwarded: [Int] = []
    var computed = 0
    let observer = TrainingObserver(
      isCancelled: { false },
      progress: {
        forwarded.append($0.samplesDone)
        return true
      }, now: { clock.now })
    for step in 0..<10 {
      let goesOn = observer.report(samplesDone: step) {
        computed += 1
        return []
      }
      #expect(goesOn)
      clock.now += .milliseconds(40)
    }
    #expect(forwarded == [0, 3, 6, 9])
    #expect(computed == 4)
  }

  @Test("A refused report and the host's own flag both stop the call for good")
  func cancellation() {
    let refusing = TrainingObserver(isCancelled: { false }, progress: { _ in false })
    #expect(!refusing.isCancelled)
    #expect(!refusing.report(samplesDone: 1) { [] })
    #expect(refusing.isCancelled)
    #expect(!refusing.report(samplesDone: 2) { [] })

    let flag = Flag()
    let flagged = TrainingObserver(isCancelled: { flag.isSet.load(ordering: .relaxed) }) { _ in
      true
    }
    #expect(flagged.report(samplesDone: 1) { [] })
    flag.isSet.store(true, ordering: .relaxed)
    #expect(flagged.isCancelled)
    #expect(!flagged.report(samplesDone: 2) { [] })
  }

  private final class Flag: Sendable {
    let isSet = Atomic(false)
  }
}
