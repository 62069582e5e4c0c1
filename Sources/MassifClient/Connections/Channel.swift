// SPDX-License-Identifier: Apache-2.0
internal import Synchronization

/// The connections to all addresses: performs what ``Balancer`` decides.
///
/// A connection is made when a call first needs it, is made again when it was lost, and is shared
/// by all calls.
final class Channel: Sendable {
  private enum Waiter {
    case notYetWaiting
    case waiting(CheckedContinuation<Void, Never>)
    /// Its deadline passed or its task was cancelled.
    case woken
  }

  private struct State {
    var balancer: Balancer
    var connections: [(any Connection)?]
    /// Distinguishes a connection from the one before it at the same address.
    var generations: [Int]
    /// The generation that was last reported lost, which may be before it was reported connected.
    var lost: [Int]
    var attempts: [Int: Task<Void, Never>] = [:]
    var waiters: [Int: Waiter] = [:]
    var nextWaiter = 0
    /// Counts changes of any endpoint, so that a waiter does not miss one.
    var changes = 0
    var lastError: MassifError?
    var isClosed = false

    mutating func takeWaiters() -> [CheckedContinuation<Void, Never>] {
      changes += 1
      var waiting: [CheckedContinuation<Void, Never>] = []
      for (id, waiter) in waiters {
        guard case .waiting(let continuation) = waiter else { continue }
        waiting.append(continuation)
        waiters[id] = .woken
      }
      return waiting
    }
  }

  private let addresses: [ServerAddress]
  private let connector: any Connector
  private let backoff: Backoff
  private let surroundings: Surroundings
  private let state: Mutex<State>

  init(
    addresses: [ServerAddress], policy: LoadBalancing, backoff: Backoff,
    connector: any Connector, surroundings: Surroundings
  ) {
    self.addresses = addresses
    self.connector = connector
    self.backoff = backoff
    self.surroundings = surroundings
    state = Mutex(
      State(
        balancer: Balancer(policy: policy, count: addresses.count),
        connections: Array(repeating: nil, count: addresses.count),
        generations: Array(repeating: 0, count: addresses.count),
        lost: Array(repeating: 0, count: addresses.count)))
  }

  // Not the client's: a call, or `client.jobs` in a variable, may outlive the last use of the client.
  deinit {
    close()
  }

  /// A connection for one call; waits while one is being made, until the deadline.
  func connection(
    deadline: ContinuousClock.Instant?
  ) async throws(CallFailure) -> any Connection {
    while true {
      let step = nextStep()
      for index in step.connect { startConnecting(index) }
      switch step.outcome {
      case .use(let connection): return connection
      case .fail(let failure): throw failure
      case .wait(let change):
        await waitForChange(after: change, deadline: deadline)
        if Task.isCancelled { throw .cancelled(processing: .certainlyNot) }
        if let deadline, surroundings.now() >= deadline {
          throw deadlineBeforeConnection()
        }
      }
    }
  }

  /// Closes all connections; calls in flight and calls to come fail.
  func close() {
    let (connections, attempts, waiters) = state.withLock { state in
      state.isClosed = true
      defer {
        state.connections = state.connections.map { _ in nil }
        state.attempts = [:]
      }
      return (
        state.connections.compactMap(\.self), Array(state.attempts.values), state.takeWaiters()
      )
    }
    for attempt in attempts { attempt.cancel() }
    for connection in connections { connection.close() }
    for waiter in waiters { waiter.resume() }
    connector.shutDown()
  }

  private struct Step {
    enum Outcome {
      case use(any Connection)
      case wait(afterChange: Int)
      case fail(CallFailure)
    }
    var connect: [Int] = []
    var outcome: Outcome
  }

  private func nextStep() -> Step {
    state.withLock { state in
      if state.isClosed {
        let error = MassifError(.cancelled, "the client is closed")
        return Step(
          outcome: .fail(
            CallFailure(error: error, processing: .possibly, connectionWasUp: false)))
      }
      let pick = state.balancer.pick(now: surroundings.now())
      switch pick.outcome {
      case .use(let index):
        guard let connection = state.connections[index] else {
          preconditionFailure("a ready endpoint has a connection")
        }
        return Step(connect: pick.connect, outcome: .use(connection))
      case .wait:
        return Step(connect: pick.connect, outcome: .wait(afterChange: state.changes))
      case .fail(let delay):
        let last = state.lastError
        let error = MassifError(
          .unavailable, last?.message ?? "no server could be reached", retryDelay: delay,
          cause: last?.cause)
        return Step(
          outcome: .fail(
            CallFailure(error: error, processing: .certainlyNot, connectionWasUp: false)))
      }
    }
  }

  private func startConnecting(_ index: Int) {
    let attempt = Task { [weak self] in
      guard let self else { return }
      let generation = state.withLock { state in
        state.generations[index] += 1
        return state.generations[index]
      }
      do throws(MassifError) {
        let connection = try await connector.connect(to: addresses[index]) { [weak self] in
          self?.lost(index, generation)
        }
        connected(index, generation, connection)
      } catch {
        failed(index, error)
      }
    }
    let isClosed = state.withLock { state in
      state.attempts[index] = attempt
      return state.isClosed
    }
    if isClosed { attempt.cancel() }
  }

  private func connected(_ index: Int, _ generation: Int, _ connection: any Connection) {
    enum Fate { case up([CheckedContinuation<Void, Never>]), lostAlready, notWanted }
    let fate: Fate = state.withLock { state in
      if state.isClosed { return .notWanted }
      if state.lost[index] == generation { return .lostAlready }
      state.balancer.connected(index)
      state.connections[index] = connection
      return .up(state.takeWaiters())
    }
    switch fate {
    case .up(let waiters): for waiter in waiters { waiter.resume() }
    case .notWanted: connection.close()
    case .lostAlready:
      connection.close()
      let address = addresses[index]
      failed(index, MassifError(.unavailable, "\(address) closed the connection at once"))
    }
  }

  private func failed(_ index: Int, _ error: MassifError) {
    let waiters = state.withLock { state in
      state.lastError = error
      state.balancer.failed(
        index, now: surroundings.now(), backoff: backoff, random: surroundings.random())
      return state.takeWaiters()
    }
    for waiter in waiters { waiter.resume() }
  }

  private func lost(_ index: Int, _ generation: Int) {
    let waiters: [CheckedContinuation<Void, Never>] = state.withLock { state in
      state.lost[index] = generation
      guard state.generations[index] == generation else { return [] }
      state.balancer.closed(index)
      state.connections[index] = nil
      return state.takeWaiters()
    }
    for waiter in waiters { waiter.resume() }
  }

  private func waitForChange(after change: Int, deadline: ContinuousClock.Instant?) async {
    let id = state.withLock { state in
      state.nextWaiter += 1
      state.waiters[state.nextWaiter] = .notYetWaiting
      return state.nextWaiter
    }
    let alarm = deadline.map { deadline in
      Task {
        try await surroundings.sleep(surroundings.now().duration(to: deadline))
        wake(id)
      }
    }
    defer {
      alarm?.cancel()
      state.withLock { $0.waiters[id] = nil }
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isOver = state.withLock { state in
          guard case .notYetWaiting? = state.waiters[id], state.changes == change else {
            return true
          }
          state.waiters[id] = .waiting(continuation)
          return false
        }
        if isOver { continuation.resume() }
      }
    } onCancel: {
      wake(id)
    }
  }

  private func wake(_ id: Int) {
    let waiter = state.withLock { state -> Waiter? in
      guard let waiter = state.waiters[id] else { return nil }
      state.waiters[id] = .woken
      return waiter
    }
    if case .waiting(let continuation)? = waiter { continuation.resume() }
  }

  private func deadlineBeforeConnection() -> CallFailure {
    let last = state.withLock { $0.lastError }
    let error = MassifError(
      .deadlineExceeded,
      "the deadline passed before a server was connected" + (last.map { ": \($0.message)" } ?? ""),
      cause: last?.cause)
    return CallFailure(error: error, processing: .certainlyNot, connectionWasUp: false)
  }
}

extension CallFailure {
  static func cancelled(processing: Processing) -> CallFailure {
    CallFailure(
      error: MassifError(.cancelled, "the calling task was cancelled", cause: CancellationError()),
      processing: processing)
  }
}
