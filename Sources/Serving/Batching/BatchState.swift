// SPDX-License-Identifier: Apache-2.0

/// A request as the batching decides about it.
protocol Batchable {
  /// Rows that it adds to a batch; 1 when the model has no batch dimension.
  var rows: Int { get }
  /// Whether somebody still waits for the answer.
  func fate(at now: ContinuousClock.Instant) -> BatchFate
  /// Whether both may be in one batch.
  func isBatchable(with other: Self) -> Bool
}

/// What has become of a request that waited.
enum BatchFate: Equatable, Sendable {
  case wanted
  case cancelled
  case expired
}

/// The queue of one model version and the decisions about it: when to ask for an executor, what an
/// executor takes.
///
/// Performs nothing, holds no clock.
///
/// An executor is *claimed* when it has been asked for, and *running* from `take` to `finished`; the
/// two together never exceed `maxConcurrentBatches`.
struct BatchState<Request: Batchable>: ~Copyable {
  /// What the caller must do after a decision.
  enum Action: Equatable, Sendable {
    case none
    /// Have an executor call `take`.
    case claimExecutor
    /// Call `timerFired` at this time.
    case setTimer(ContinuousClock.Instant)
  }

  /// The answer to `enqueue`.
  enum Enqueued: Equatable, Sendable {
    case accepted(Action)
    case queueFull
    case closed
  }

  /// What an executor takes: the batch, empty when there is nothing left to do, and the requests
  /// that nobody waits for any more.
  struct Taken {
    var batch: [Request] = []
    var rows = 0
    var dropped: [(request: Request, fate: BatchFate)] = []
    /// For what remains queued.
    var action: Action = .none
  }

  private struct Waiting {
    let request: Request
    let since: ContinuousClock.Instant
  }

  private let policy: BatchingPolicy
  /// Taken places are nil, so that nothing holds on to a request that has left.
  private var queue: [Waiting?] = []
  /// Index of the first waiting request; the places before it go with the next trim.
  private var head = 0
  private var queuedRows = 0
  private var claimed = 0
  private var running = 0
  private var timer: ContinuousClock.Instant?
  private var isClosed = false

  init(policy: BatchingPolicy) {
    self.policy = policy
  }

  /// Requests that wait.
  var count: Int { queue.count - head }

  /// Whether nothing waits, is asked for or runs.
  var isIdle: Bool { count == 0 && claimed == 0 && running == 0 }

  /// Adds a request behind the others.
  ///
  /// When the queue is full, requests that nobody waits for any more make room; they are returned
  /// in `dropped`.
  mutating func enqueue(
    _ request: Request, at now: ContinuousClock.Instant,
    dropped: inout [(request: Request, fate: BatchFate)]
  ) -> Enqueued {
    precondition(request.rows > 0, "a request adds rows")
    guard !isClosed else { return .closed }
    if count >= policy.maxQueuedRequests {
      removeUnwanted(at: now, into: &dropped)
      guard count < policy.maxQueuedRequests else { return .queueFull }
    }
    queue.append(Waiting(request: request, since: now))
    queuedRows += request.rows
    return .accepted(next(at: now))
  }

  /// The time of `setTimer` has come.
  mutating func timerFired(at now: ContinuousClock.Instant) -> Action {
    timer = nil
    return next(at: now)
  }

  /// A claimed executor is here: gives it the longest prefix of the queue that makes one batch.
  mutating func take(at now: ContinuousClock.Instant) -> Taken {
    precondition(claimed > 0, "an executor that was not asked for")
    claimed -= 1
    var taken = Taken()
    while let waiting = first {
      let request = waiting.request
      let fate = request.fate(at: now)
      if fate != .wanted {
        taken.dropped.append((request, fate))
      } else if taken.batch.isEmpty
        || (taken.rows + request.rows <= policy.maxBatchSize
          && taken.batch[0].isBatchable(with: request))
      {
        taken.batch.append(request)
        taken.rows += request.rows
      } else {
        break
      }
      queuedRows -= request.rows
      queue[head] = nil
      head += 1
    }
    trim()
    if !taken.batch.isEmpty { running += 1 }
    taken.action = next(at: now)
    return taken
  }

  /// The batch that `take` gave out has run.
  mutating func finished(at now: ContinuousClock.Instant) -> Action {
    precondition(running > 0, "a batch that was not taken")
    running -= 1
    return next(at: now)
  }

  /// Refuses every later request and gives back those that wait.
  mutating func close() -> [Request] {
    isClosed = true
    let left = queue[head...].compactMap { $0?.request }
    queue = []
    head = 0
    queuedRows = 0
    return left
  }

  private var first: Waiting? { head < queue.count ? queue[head] : nil }

  /// What is to be done about what waits.
  private mutating func next(at now: ContinuousClock.Instant) -> Action {
    guard let first, claimed + running < policy.maxConcurrentBatches else { return .none }
    // Those already asked for take one batch each; only what is beyond them calls for another.
    let beyond = queuedRows - claimed * policy.maxBatchSize
    guard beyond > 0 else { return .none }
    let due = first.since + policy.maxDelay
    if policy.maxDelay == .zero || beyond >= policy.maxBatchSize || due <= now {
      claimed += 1
      return .claimExecutor
    }
    if let timer, timer <= due { return .none }
    timer = due
    return .setTimer(due)
  }

  private mutating func removeUnwanted(
    at now: ContinuousClock.Instant, into dropped: inout [(request: Request, fate: BatchFate)]
  ) {
    var kept: [Waiting?] = []
    for case let waiting? in queue[head...] {
      let fate = waiting.request.fate(at: now)
      if fate == .wanted {
        kept.append(waiting)
      } else {
        dropped.append((waiting.request, fate))
        queuedRows -= waiting.request.rows
      }
    }
    queue = kept
    head = 0
  }

  /// Gives memory back without moving the queue at every take.
  private mutating func trim() {
    if head == queue.count {
      queue.removeAll(keepingCapacity: true)
      head = 0
    } else if head > 64, head > queue.count / 2 {
      queue.removeFirst(head)
      head = 0
    }
  }
}
