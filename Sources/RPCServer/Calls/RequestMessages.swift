// SPDX-License-Identifier: Apache-2.0
public import RPCTransport
internal import Synchronization

/// The requests of a streaming call, in their order.
///
/// Reading is what lets the client go on: while more than a few messages wait to be read the
/// connection takes no more of this call, and HTTP/2 flow control holds the client back. The
/// sequence throws where the call is cancelled. One iterator at a time.
public struct RequestMessages: AsyncSequence, Sendable {
  /// A request.
  public typealias Element = ReceivedMessage

  let queue: RequestQueue

  init(_ queue: RequestQueue) { self.queue = queue }

  /// Makes a sequence of these messages, for tests of handlers in process.
  public init(_ messages: some Sequence<ReceivedMessage>) {
    queue = RequestQueue(resume: {})
    for message in messages { queue.push(message) }
    queue.finish(nil)
  }

  /// Begins to read.
  public func makeAsyncIterator() -> Iterator { Iterator(queue: queue) }

  /// Reads the requests.
  public struct Iterator: AsyncIteratorProtocol {
    let queue: RequestQueue

    /// The next request, or nil after the last.
    ///
    /// - Throws: `.cancelled` or `.deadlineExceeded` where the call is over.
    public mutating func next() async throws -> ReceivedMessage? { try await queue.next() }
  }
}

/// Messages between the loop that receives them and the task that reads them.
final class RequestQueue: Sendable {
  private struct State {
    var messages: [ReceivedMessage] = []
    var first = 0
    var byteCount = 0
    var isPaused = false
    var isFinished = false
    var failure: RPCError?
    var reader: CheckedContinuation<ReceivedMessage?, any Error>?

    mutating func pop() -> ReceivedMessage? {
      guard first < messages.count else { return nil }
      let message = messages[first]
      first += 1
      byteCount -= message.bytes.count
      if first == messages.count {
        messages.removeAll(keepingCapacity: true)
        first = 0
      } else if first >= RequestQueue.maxMessageCount {
        messages.removeFirst(first)
        first = 0
      }
      return message
    }

    var waitingCount: Int { messages.count - first }
    var isFull: Bool {
      waitingCount >= RequestQueue.maxMessageCount || byteCount >= RequestQueue.maxByteCount
    }
  }

  /// Enough to keep a reader busy while the connection is asked for more.
  static let maxMessageCount = 16
  static let maxByteCount = 1 << 20

  private let state = Mutex(State())
  private let resume: @Sendable () -> Void

  /// - Parameter resume: called, on any thread, when a queue that was full has room again.
  init(resume: @escaping @Sendable () -> Void) { self.resume = resume }

  /// Adds a message.
  ///
  /// - Returns: false where the queue is full now, and nothing should follow until `resume`.
  @discardableResult
  func push(_ message: ReceivedMessage) -> Bool {
    let (reader, goOn) = state.withLock {
      state -> (CheckedContinuation<ReceivedMessage?, any Error>?, Bool) in
      guard !state.isFinished else { return (nil, true) }
      if let reader = state.reader {
        state.reader = nil
        return (reader, true)
      }
      state.messages.append(message)
      state.byteCount += message.bytes.count
      state.isPaused = state.isFull
      return (nil, !state.isPaused)
    }
    reader?.resume(returning: message)
    return goOn
  }

  /// No message follows; with an error, those that wait are dropped too.
  func finish(_ failure: RPCError?) {
    let reader = state.withLock { state -> CheckedContinuation<ReceivedMessage?, any Error>? in
      guard !state.isFinished || failure != nil else { return nil }
      state.isFinished = true
      if let failure, state.failure == nil {
        state.failure = failure
        state.messages = []
        state.first = 0
        state.byteCount = 0
      }
      defer { state.reader = nil }
      return state.reader
    }
    if let failure { reader?.resume(throwing: failure) } else { reader?.resume(returning: nil) }
  }

  /// The next message, or nil after the last.
  ///
  /// Waits; the end of the call or its failure ends that.
  func next() async throws -> ReceivedMessage? {
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let step = state.withLock { state -> Step in
          if let failure = state.failure { return .fail(failure) }
          if let message = state.pop() {
            let resumes = state.isPaused && !state.isFull
            if resumes { state.isPaused = false }
            return .deliver(message, resumes: resumes)
          }
          if state.isFinished { return .end }
          // Under the lock, so that a cancellation finds the reader or is found here.
          if Task.isCancelled { return .fail(RequestQueue.cancelled) }
          precondition(state.reader == nil, "one reader at a time")
          state.reader = continuation
          return .wait
        }
        switch step {
        case .deliver(let message, let resumes):
          if resumes { resume() }
          continuation.resume(returning: message)
        case .end: continuation.resume(returning: nil)
        case .fail(let error): continuation.resume(throwing: error)
        case .wait: break
        }
      }
    } onCancel: {
      let reader = state.withLock { state -> CheckedContinuation<ReceivedMessage?, any Error>? in
        defer { state.reader = nil }
        return state.reader
      }
      reader?.resume(throwing: RequestQueue.cancelled)
    }
  }

  private enum Step {
    case deliver(ReceivedMessage, resumes: Bool)
    case end
    case fail(RPCError)
    case wait
  }

  private static let cancelled = RPCError(.cancelled, "the call was cancelled")
}
