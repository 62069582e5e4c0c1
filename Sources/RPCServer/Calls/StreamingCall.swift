// SPDX-License-Identifier: Apache-2.0
public import RPCTransport
internal import Synchronization

/// Handles the calls of a data-plane method whose requests and responses both stream.
public protocol StreamingDataPlaneHandler: Sendable {
  /// A call begins, on the event loop of its connection.
  ///
  /// - Returns: what takes its requests; held until the call is over.
  func open(_ call: StreamingCall) -> any StreamingCallReceiver
}

/// Takes the requests of one streaming call.
public protocol StreamingCallReceiver: AnyObject {
  /// Takes the next request, on the event loop of the call's connection.
  ///
  /// Returns at once. Every request is completed exactly once, with
  /// ``StreamingCall/complete(_:requestByteCount:)``, before or after that, on any thread; also
  /// where the call is cancelled, when the response goes nowhere.
  func receive(_ request: ReceivedMessage, of call: StreamingCall)
}

/// A data-plane call with any number of requests and responses, without `async`.
///
/// Responses go out in the order in which they are given, whichever request they belong to. The
/// call ends well when the client has sent its last request and every request is completed.
///
/// Back-pressure goes both ways: the call takes no more requests while ``maxOpenRequests`` or
/// ``maxOpenByteCount`` of them are not completed, or while the client does not read its
/// responses. HTTP/2 flow control then holds the client back.
public class StreamingCall: Call, @unchecked Sendable {
  /// Requests that may be open at a time: enough for full batches of a model that one stream keeps
  /// busy.
  public static let maxOpenRequests = 64
  /// Bytes of requests that may be open at a time; a single request may be longer.
  public static let maxOpenByteCount = 4 << 20

  /// What is handed to the loop.
  enum Event {
    case response(OutgoingMessage)
    case completion(requestByteCount: Int)
    case failure(RPCError)
  }

  private struct Inbox {
    var events: [Event] = []
    /// The loop has been asked to look here.
    var isScheduled = false
  }

  private let inbox = Mutex(Inbox())
  private let isAbandoned = Atomic(false)
  // SAFETY: of the loop alone.
  /// Events on their way out; swapped with the inbox's, so that neither gives up its memory.
  private var delivering: [Event] = []
  private var isDelivering = false

  /// Whether nobody waits for responses any more: the call was cancelled or has failed, or its
  /// deadline has passed.
  ///
  /// To be asked before compute is spent. Any thread; one atomic load and, where there is a
  /// deadline, a look at the clock.
  public final var isCancelled: Bool {
    if isAbandoned.load(ordering: .relaxed) { return true }
    guard let deadline else { return false }
    return deadline <= .now
  }

  /// Sends a response that is not the last of its request.
  ///
  /// Any thread, as the methods below.
  public final func respond(_ response: OutgoingMessage) { submit(.response(response)) }

  /// Completes a request, with its last response where there is one to send.
  ///
  /// - Parameter requestByteCount: the length of the request.
  public final func complete(_ response: OutgoingMessage? = nil, requestByteCount: Int) {
    let completion = Event.completion(requestByteCount: requestByteCount)
    if let response { submit(.response(response), completion) } else { submit(completion) }
  }

  /// Ends the call with an error.
  ///
  /// Requests that are open are to be completed all the same.
  public final func fail(_ error: RPCError) { submit(.failure(error)) }

  /// What the client is told of an error, for methods that tell of some in their responses.
  ///
  /// One that is `.internal` goes to the log under an id, and only the id is told.
  public final func status(of error: RPCError) -> Status { status(for: error) }

  /// Marks the call as one that nobody waits for.
  final func abandon() { isAbandoned.store(true, ordering: .relaxed) }

  private final func submit(_ first: Event, _ second: Event? = nil) {
    let isOnLoop = session.loop?.isCurrent ?? false
    let wakes = inbox.withLock { inbox in
      inbox.events.append(first)
      if let second { inbox.events.append(second) }
      guard !isOnLoop, !inbox.isScheduled else { return false }
      inbox.isScheduled = true
      return true
    }
    if isOnLoop {
      deliverAll()
    } else if wakes {
      session.loop?.execute { self.deliverAll() }
    }
  }

  /// Delivers what was handed in, until nothing is left.
  ///
  /// What is handed in meanwhile waits for its turn, on the loop too: so everything keeps its place.
  private final func deliverAll() {
    guard !isDelivering else { return }
    isDelivering = true
    while true {
      inbox.withLock { inbox in
        swap(&inbox.events, &delivering)
        inbox.isScheduled = false
      }
      if delivering.isEmpty { break }
      for index in delivering.indices { deliver(delivering[index]) }
      delivering.removeAll(keepingCapacity: true)
    }
    isDelivering = false
  }

  /// Brings an event to the client.
  ///
  /// On the loop, in the order of the events.
  func deliver(_ event: Event) {}
}
