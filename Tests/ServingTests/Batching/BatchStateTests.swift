// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Serving

/// A request whose fate a test decides.
private final class Request: Batchable {
  let id: Int
  let rows: Int
  let kind: Int
  var expiry: ContinuousClock.Instant?
  var isCancelled = false

  init(_ id: Int, rows: Int = 1, kind: Int = 0, expiry: ContinuousClock.Instant? = nil) {
    self.id = id
    self.rows = rows
    self.kind = kind
    self.expiry = expiry
  }

  func fate(at now: ContinuousClock.Instant) -> BatchFate {
    if let expiry, expiry <= now { return .expired }
    return isCancelled ? .cancelled : .wanted
  }

  func isBatchable(with other: Request) -> Bool { kind == other.kind }
}

private typealias State = BatchState<Request>

@Suite struct BatchStateTests {
  private let start = ContinuousClock.now

  private func at(_ milliseconds: Int) -> ContinuousClock.Instant {
    start + .milliseconds(milliseconds)
  }

  private func enqueue(
    _ state: inout State, _ request: Request, at milliseconds: Int = 0
  ) -> State.Enqueued {
    var dropped: [(request: Request, fate: BatchFate)] = []
    defer { #expect(dropped.isEmpty) }
    return state.enqueue(request, at: at(milliseconds), dropped: &dropped)
  }

  @Test func greedyTakesAtOnceAndThenWhatHasQueued() {
    var state = State(policy: BatchingPolicy(maxBatchSize: 4))
    #expect(enqueue(&state, Request(0)) == .accepted(.claimExecutor))
    #expect(enqueue(&state, Request(1)) == .accepted(.none))
    #expect(state.take(at: at(0)).batch.map(\.id) == [0, 1])
    for id in 2..<8 { #expect(enqueue(&state, Request(id)) == .accepted(.none)) }
    #expect(state.finished(at: at(1)) == .claimExecutor)
    let taken = state.take(at: at(1))
    #expect(taken.batch.map(\.id) == [2, 3, 4, 5])
    #expect(taken.rows == 4)
    #expect(taken.action == .none)
    #expect(state.finished(at: at(2)) == .claimExecutor)
    #expect(state.take(at: at(2)).batch.map(\.id) == [6, 7])
    #expect(state.finished(at: at(3)) == .none)
    let isIdle = state.isIdle
    #expect(isIdle)
  }

  @Test func waitsForCompanyUpToTheDelay() {
    var state = State(policy: BatchingPolicy(maxBatchSize: 3, maxDelay: .milliseconds(10)))
    #expect(enqueue(&state, Request(0), at: 0) == .accepted(.setTimer(at(10))))
    #expect(enqueue(&state, Request(1), at: 4) == .accepted(.none))
    #expect(state.timerFired(at: at(10)) == .claimExecutor)
    #expect(state.take(at: at(10)).batch.map(\.id) == [0, 1])
    // While it runs, nothing is asked for, and afterwards the delay counts from the arrival.
    #expect(enqueue(&state, Request(2), at: 11) == .accepted(.none))
    #expect(state.finished(at: at(15)) == .setTimer(at(21)))
    #expect(state.timerFired(at: at(21)) == .claimExecutor)
    #expect(state.take(at: at(21)).batch.map(\.id) == [2])
    #expect(enqueue(&state, Request(3), at: 22) == .accepted(.none))
    #expect(state.finished(at: at(40)) == .claimExecutor)
  }

  @Test func aFullBatchDoesNotWait() {
    var state = State(policy: BatchingPolicy(maxBatchSize: 2, maxDelay: .seconds(1)))
    #expect(enqueue(&state, Request(0)) == .accepted(.setTimer(at(1000))))
    #expect(enqueue(&state, Request(1)) == .accepted(.claimExecutor))
    #expect(state.take(at: at(0)).batch.count == 2)
    // The timer of a batch that went before is harmless.
    #expect(state.timerFired(at: at(1000)) == .none)
  }

  @Test func requestsAreNotSplitNorReordered() {
    var state = State(policy: BatchingPolicy(maxBatchSize: 4))
    for (id, rows) in [3, 2, 1, 4, 1].enumerated() {
      _ = enqueue(&state, Request(id, rows: rows))
    }
    var batches: [[Int]] = []
    while state.count > 0 {
      batches.append(state.take(at: at(0)).batch.map(\.id))
      _ = state.finished(at: at(0))
    }
    #expect(batches == [[0], [1, 2], [3], [4]])
  }

  @Test func onlyWhatFitsTogetherIsTogether() {
    var state = State(policy: BatchingPolicy(maxBatchSize: 8))
    for (id, kind) in [0, 0, 1, 0].enumerated() { _ = enqueue(&state, Request(id, kind: kind)) }
    #expect(state.take(at: at(0)).batch.map(\.id) == [0, 1])
    #expect(state.finished(at: at(0)) == .claimExecutor)
    #expect(state.take(at: at(0)).batch.map(\.id) == [2])
  }

  @Test func aRequestLargerThanABatchGoesAlone() {
    var state = State(policy: BatchingPolicy(maxBatchSize: 2))
    _ = enqueue(&state, Request(0, rows: 5))
    _ = enqueue(&state, Request(1))
    #expect(state.take(at: at(0)).batch.map(\.id) == [0])
  }

  @Test func theUnwantedAreDroppedAndNotRun() {
    var state = State(policy: BatchingPolicy(maxBatchSize: 4))
    let requests = (0..<5).map { Request($0) }
    requests[1].isCancelled = true
    requests[3].expiry = at(5)
    for request in requests { _ = enqueue(&state, request) }
    let taken = state.take(at: at(5))
    #expect(taken.batch.map(\.id) == [0, 2, 4])
    #expect(taken.dropped.map(\.request.id) == [1, 3])
    #expect(taken.dropped.map(\.fate) == [.cancelled, .expired])
  }

  @Test func nothingRunsWhenNobodyWaits() {
    var state = State(policy: BatchingPolicy(maxBatchSize: 4))
    let request = Request(0)
    #expect(enqueue(&state, request) == .accepted(.claimExecutor))
    request.isCancelled = true
    let taken = state.take(at: at(0))
    #expect(taken.batch.isEmpty)
    #expect(taken.dropped.count == 1)
    let isIdle = state.isIdle
    #expect(isIdle)
    #expect(enqueue(&state, Request(1)) == .accepted(.claimExecutor))
  }

  @Test func aFullQueueRefusesUnlessSomeAreUnwanted() {
    var state = State(policy: BatchingPolicy(maxQueuedRequests: 2))
    let first = Request(0)
    _ = enqueue(&state, first)
    _ = enqueue(&state, Request(1))
    #expect(enqueue(&state, Request(2)) == .queueFull)
    first.isCancelled = true
    var dropped: [(request: Request, fate: BatchFate)] = []
    #expect(state.enqueue(Request(3), at: at(0), dropped: &dropped) == .accepted(.none))
    #expect(dropped.map(\.request.id) == [0])
    #expect(state.take(at: at(0)).batch.map(\.id) == [1])
  }

  @Test func closingReturnsWhatWaits() {
    var state = State(policy: BatchingPolicy())
    _ = enqueue(&state, Request(0))
    _ = enqueue(&state, Request(1))
    #expect(state.close().map(\.id) == [0, 1])
    #expect(enqueue(&state, Request(2)) == .closed)
    #expect(state.take(at: at(0)).batch.isEmpty)
  }

  /// Every order of events up to a length, for each policy: nothing is lost, nothing runs twice or
  /// out of order, executors stay within their number, and what waits is always on its way.
  @Test(arguments: [(1, 0, 1), (2, 0, 1), (2, 0, 2), (2, 10, 1), (3, 10, 2)])
  func everyOrderOfEvents(maxBatchSize: Int, delay: Int, executors: Int) {
    let policy = BatchingPolicy(
      maxBatchSize: maxBatchSize, maxDelay: .milliseconds(delay), maxQueuedRequests: 3,
      maxConcurrentBatches: executors)
    var runs = 0
    explore(policy, events: [], &runs)
    #expect(runs > 1000)
  }

  private enum Event: CaseIterable {
    case enqueue
    case enqueueTwoRows
    case cancelOldest
    case take
    case finish
    case timer
  }

  private func explore(_ policy: BatchingPolicy, events: [Event], _ runs: inout Int) {
    runs += 1
    guard replay(policy, events), events.count < 6 else { return }
    for event in Event.allCases { explore(policy, events: events + [event], &runs) }
  }

  /// - Returns: false when the last event cannot happen.
  private func replay(_ policy: BatchingPolicy, _ events: [Event]) -> Bool {
    var state = State(policy: policy)
    var now = 0
    var next = 0
    var waiting: [Request] = []
    var claims = 0
    var running = 0
    var timer: ContinuousClock.Instant?
    var lastRun = -1
    func perform(_ action: State.Action) {
      switch action {
      case .none: break
      case .claimExecutor: claims += 1
      case .setTimer(let instant): timer = timer.map { min($0, instant) } ?? instant
      }
    }
    for event in events {
      now += 1
      switch event {
      case .enqueue, .enqueueTwoRows:
        let request = Request(next, rows: event == .enqueue ? 1 : 2)
        next += 1
        var dropped: [(request: Request, fate: BatchFate)] = []
        let before = waiting.count
        switch state.enqueue(request, at: at(now), dropped: &dropped) {
        case .accepted(let action):
          waiting.removeAll { waiting in dropped.contains { $0.request === waiting } }
          waiting.append(request)
          perform(action)
        case .queueFull: #expect(before == policy.maxQueuedRequests)
        case .closed: Issue.record("closed")
        }
      case .cancelOldest:
        guard let oldest = waiting.first(where: { !$0.isCancelled }) else { return false }
        oldest.isCancelled = true
      case .take:
        guard claims > 0 else { return false }
        claims -= 1
        let taken = state.take(at: at(now))
        let gone = taken.batch + taken.dropped.map(\.request)
        // A prefix of the queue, in order.
        #expect(gone.map(\.id).sorted() == waiting.prefix(gone.count).map(\.id))
        #expect(taken.batch.allSatisfy { !$0.isCancelled })
        #expect(taken.dropped.allSatisfy { $0.request.isCancelled })
        #expect(taken.rows == taken.batch.reduce(0) { $0 + $1.rows })
        #expect(taken.rows <= policy.maxBatchSize || taken.batch.count == 1)
        if let first = taken.batch.first {
          #expect(first.id > lastRun)
          lastRun = taken.batch.last?.id ?? lastRun
          running += 1
        }
        waiting.removeFirst(gone.count)
        perform(taken.action)
      case .finish:
        guard running > 0 else { return false }
        running -= 1
        perform(state.finished(at: at(now)))
      case .timer:
        guard let due = timer else { return false }
        timer = nil
        now = max(now, Int(start.duration(to: due) / .milliseconds(1)))
        perform(state.timerFired(at: at(now)))
      }
      #expect(claims + running <= policy.maxConcurrentBatches)
      let count = state.count
      #expect(count == waiting.count)
      // What waits is on its way: an executor is coming, one will end, or a timer is set.
      #expect(waiting.isEmpty || claims > 0 || running > 0 || timer != nil, "\(events)")
    }
    return true
  }
}
