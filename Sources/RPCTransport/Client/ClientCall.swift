// SPDX-License-Identifier: Apache-2.0
internal import Synchronization

extension ClientConnection {
  /// Begins a streaming call, of any of the three kinds.
  ///
  /// Any thread.
  public func call(_ head: CallHead) -> ClientCall {
    let call = ClientCall(loop: loop)
    if !loop.execute({ [self] in call.start(self, head) }) {
      call.finished(CallError.loopStopped.outcome)
    }
    return call
  }
}

/// A streaming call: messages are sent with ``send(_:)`` and read from ``messages``, both with
/// back-pressure.
///
/// Usable from any thread or task; one task at a time reads.
///
/// Cancelling a task that waits in it resets the call. A call that is not read to its end is to be
/// cancelled with ``cancel()``.
public final class ClientCall: @unchecked Sendable {
  private enum Event {
    case resumeReading
    case none
  }

  private struct State {
    var waiting: [ReceivedMessage] = []
    var waitingByteCount = 0
    var headers: Metadata?
    var outcome: CallOutcome?
    var isPaused = false
    var reader: CheckedContinuation<Result<ReceivedMessage?, CallError>, Never>?
    var headerReaders: [CheckedContinuation<Metadata, Never>] = []
    var outcomeReaders: [CheckedContinuation<CallOutcome, Never>] = []
  }

  private let loop: EventLoop
  private let state = Mutex(State())
  // Of the loop's thread alone:
  private var stream: ClientStream?
  private var writers: [CheckedContinuation<CallError?, Never>] = []
  private var isCancelled = false

  /// Bytes that wait for a reader before the server is slowed down.
  private static let highWaterByteCount = 1 << 20
  /// Messages that wait for a reader before the server is slowed down.
  private static let highWaterCount = 64

  init(loop: EventLoop) { self.loop = loop }

  /// Sends a message; waits while too much is on its way.
  ///
  /// - Throws: how the call ended, where it did.
  public func send(_ message: OutgoingMessage) async throws(CallError) {
    let failure: CallError? = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let accepted = loop.execute { [self] in
          guard let stream, !stream.isSendingFinished else {
            continuation.resume(returning: endOfSending())
            return
          }
          if stream.send(message) {
            continuation.resume(returning: nil)
          } else {
            writers.append(continuation)
          }
        }
        if !accepted { continuation.resume(returning: CallError.loopStopped) }
      }
    } onCancel: {
      cancel()
    }
    if let failure { throw failure }
  }

  private func endOfSending() -> CallError {
    let outcome =
      state.withLock { $0.outcome }
      ?? CallOutcome(status: Status(.failedPrecondition, "sending was finished before"))
    return CallError(outcome)
  }

  /// Says that no message follows.
  public func finishSending() {
    loop.execute { [self] in stream?.finishSending() }
  }

  /// Resets the call; it ends with CANCELLED.
  public func cancel() {
    loop.execute { [self] in
      isCancelled = true
      stream?.cancel()
    }
  }

  /// The server's initial metadata, once it is there; empty where the call ends without any.
  public func headers() async -> Metadata {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let known = state.withLock { state -> Metadata? in
          if let headers = state.headers { return headers }
          if state.outcome != nil { return Metadata() }
          state.headerReaders.append(continuation)
          return nil
        }
        if let known { continuation.resume(returning: known) }
      }
    } onCancel: {
      cancel()
    }
  }

  /// How the call ended, once it has; messages that nobody read are thrown away.
  public func outcome() async -> CallOutcome {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let (known, resumes) = state.withLock { state -> (CallOutcome?, Bool) in
          if let outcome = state.outcome { return (outcome, false) }
          state.outcomeReaders.append(continuation)
          state.waiting = []
          state.waitingByteCount = 0
          defer { state.isPaused = false }
          return (nil, state.isPaused)
        }
        if let known { continuation.resume(returning: known) }
        if resumes { loop.execute { [self] in stream?.resumeReading() } }
      }
    } onCancel: {
      cancel()
    }
  }

  /// The server's messages, in their order; ends with the call, with an error unless it is OK.
  public var messages: Messages { Messages(call: self) }

  /// The messages of a call as a sequence; to be iterated once.
  public struct Messages: AsyncSequence, Sendable {
    let call: ClientCall

    /// Reads the messages.
    public struct AsyncIterator: AsyncIteratorProtocol {
      let call: ClientCall

      /// The next message, or nil where the call has ended with OK.
      public mutating func next(
        isolation actor: isolated (any Actor)?
      ) async throws(CallError) -> ReceivedMessage? {
        try await call.next()
      }

      /// The next message, or nil where the call has ended with OK.
      public mutating func next() async throws(CallError) -> ReceivedMessage? {
        try await call.next()
      }
    }

    /// Begins to read.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(call: call) }
  }

  /// The next message, or nil where the call has ended with OK.
  ///
  /// - Throws: how the call ended, where not with OK.
  public func next() async throws(CallError) -> ReceivedMessage? {
    let result = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let (known, event) = state.withLock { state in
          ClientCall.take(&state, or: continuation)
        }
        if let known { continuation.resume(returning: known) }
        if case .resumeReading = event { loop.execute { [self] in stream?.resumeReading() } }
      }
    } onCancel: {
      cancel()
    }
    return try result.get()
  }

  private static func take(
    _ state: inout State,
    or continuation: CheckedContinuation<Result<ReceivedMessage?, CallError>, Never>
  ) -> (Result<ReceivedMessage?, CallError>?, Event) {
    if !state.waiting.isEmpty {
      let message = state.waiting.removeFirst()
      state.waitingByteCount -= message.buffer.count
      let resumes = state.isPaused && state.waiting.isEmpty
      if resumes { state.isPaused = false }
      return (.success(message), resumes ? .resumeReading : .none)
    }
    if let outcome = state.outcome {
      return (outcome.status.code == .ok ? .success(nil) : .failure(CallError(outcome)), .none)
    }
    guard state.reader == nil else {
      let status = Status(.failedPrecondition, "one task at a time reads a call")
      return (.failure(CallError(CallOutcome(status: status))), .none)
    }
    state.reader = continuation
    let resumes = state.isPaused
    state.isPaused = false
    return (nil, resumes ? .resumeReading : .none)
  }

  // MARK: On the loop

  func start(_ connection: ClientConnection, _ head: CallHead) {
    guard !isCancelled else {
      let status = Status(.cancelled, "the client cancelled the call")
      return finished(CallOutcome(status: status, processing: .notProcessed))
    }
    let stream = connection.start(head, handler: self)
    if state.withLock({ $0.outcome == nil }) { self.stream = stream }
  }
}

extension ClientCall: ClientStreamHandler {
  /// Told by the transport.
  public func receive(headers: Metadata) {
    let readers = state.withLock { state in
      state.headers = headers
      defer { state.headerReaders = [] }
      return state.headerReaders
    }
    for reader in readers { reader.resume(returning: headers) }
  }

  /// Told by the transport.
  public func receive(_ message: ReceivedMessage) {
    let (reader, pauses) = state.withLock {
      state -> (CheckedContinuation<Result<ReceivedMessage?, CallError>, Never>?, Bool) in
      if let reader = state.reader {
        state.reader = nil
        return (reader, false)
      }
      // Who waits for the outcome only does not want the messages.
      guard state.outcomeReaders.isEmpty else { return (nil, false) }
      state.waiting.append(message)
      state.waitingByteCount += message.buffer.count
      let pauses =
        state.waitingByteCount >= ClientCall.highWaterByteCount
        || state.waiting.count >= ClientCall.highWaterCount
      if pauses { state.isPaused = true }
      return (nil, pauses)
    }
    if pauses { stream?.pauseReading() }
    reader?.resume(returning: .success(message))
  }

  /// Told by the transport.
  public func writable() {
    let ready = writers
    writers = []
    for writer in ready { writer.resume(returning: nil) }
  }

  /// Told by the transport.
  public func finished(_ outcome: CallOutcome) {
    stream = nil
    let waiting = state.withLock { state in
      state.outcome = outcome
      defer {
        state.reader = nil
        state.headerReaders = []
        state.outcomeReaders = []
      }
      return (state.reader, state.headerReaders, state.outcomeReaders)
    }
    let failure = CallError(outcome)
    waiting.0?.resume(returning: outcome.status.code == .ok ? .success(nil) : .failure(failure))
    for reader in waiting.1 { reader.resume(returning: Metadata()) }
    for reader in waiting.2 { reader.resume(returning: outcome) }
    let writers = self.writers
    self.writers = []
    for writer in writers { writer.resume(returning: failure) }
  }
}
