// SPDX-License-Identifier: Apache-2.0
internal import CEpoll
internal import CNghttp2
internal import Glibc

/// A socket, its TLS session and its HTTP/2 session, pumped by an event loop; for either role.
///
/// Each event reads until the socket is empty and then writes once. Whatever is produced between
/// events is written at the end of the turn. Sessions are freed only from the top of an event or
/// the end of a turn, never inside a callback of theirs. Loop only.
final class HTTP2Connection {
  /// How far the connection is in its life.
  enum Phase {
    case handshaking
    case open
    /// Everything is said; the last records wait for the socket.
    case closing
    /// Everything is sent; the peer is given time to read it, because closing a socket that holds
    /// unread bytes would destroy what is under way to the peer.
    case lingering
    case closed
  }

  let loop: EventLoop
  let configuration: ConnectionConfiguration
  private(set) var phase = Phase.handshaking
  /// Begins when the handshake is done; the fuzzer begins it without one.
  var session: HTTP2Session?
  // Loop only, and changed by single statements; see ``MessageStream`` for the dynamic checks.
  @exclusivity(unchecked) private(set) var streams: [MessageStream] = []
  @exclusivity(unchecked) var ledger = ReceiveLedger()
  @exclusivity(unchecked) var floodGuard: FloodGuard
  @exclusivity(unchecked) var resetGuard: FloodGuard
  /// What decompressed messages may take.
  private(set) lazy var decompressionBudget = DecompressionBudget(
    limit: configuration.maxDecompressedByteCount)
  @exclusivity(unchecked) var placement = MessagePlacement()
  /// The header list that is being received.
  let headers: ReceivedHeaders
  /// When it began; nil outside of one.
  @exclusivity(unchecked) var headersBeganAt: ContinuousClock.Instant?
  var isPeerReady = false
  /// Streams that are to hear that they can send again, once no frame is being made.
  var writable: [MessageStream] = []
  private(set) var lastReceived: ContinuousClock.Instant
  /// When the last call ended, or the connection began.
  private(set) var lastStreamEnded: ContinuousClock.Instant
  /// When a ping was sent that is not answered yet.
  var pingSentAt: ContinuousClock.Instant?
  @exclusivity(unchecked) var pingPolice = PingPolice()
  /// Housekeeping waits for the next byte, or for a deadline that is far.
  var isDozing = false
  private var waitsForHandshakeTurn = false
  /// What the peer did that this end has said GOAWAY for.
  var violation: TransportError?

  let role: TLSContext.Role
  private var descriptor: Int32
  private let tls: TLSSession
  private(set) var owner: (any HTTP2ConnectionOwner)?
  private var registration: Int?
  /// Records that the socket did not take.
  private var unsent: ByteQueue?
  private var isQueuedForTurnEnd = false
  private var wantsMoreReading = false
  private var isReading = false
  private(set) var closeReason: TransportError?
  private var endReason: TransportError?
  // Timers hold the connection until they fire or it is torn down; a weak reference would give it a
  // side table, and every retain and release of it would then take the slow path.
  var handshakeTimer: LoopTimer?
  var housekeeping: LoopTimer?
  private var endTimer: LoopTimer?

  /// Bytes that one event reads from one connection before the others have their turn.
  private static let readBudget = 1 << 20
  /// A header list this many times over its limit is an attack and not a mistake.
  static let headerBombFactor = 16

  /// Takes over a connected socket, also where it throws, and begins the handshake.
  ///
  /// - Parameter serverName: for the connecting end, the name that the certificate must hold.
  init(
    role: TLSContext.Role, descriptor: Int32, tls: TLSContext, serverName: String?,
    loop: EventLoop, configuration: ConnectionConfiguration, owner: any HTTP2ConnectionOwner
  ) throws(TransportError) {
    do {
      self.tls = try TLSSession(context: tls, descriptor: descriptor, serverName: serverName)
    } catch {
      Glibc.close(descriptor)
      throw error
    }
    self.role = role
    self.descriptor = descriptor
    self.loop = loop
    self.configuration = configuration
    self.owner = owner
    headers = ReceivedHeaders(limit: configuration.maxHeaderListByteCount)
    placement.smallBuffers = loop.smallBuffers
    lastReceived = loop.now
    lastStreamEnded = loop.now
    floodGuard = FloodGuard(now: loop.now)
    resetGuard = FloodGuard(
      now: loop.now, burst: FloodGuard.resetBurst,
      refillPerSecond: FloodGuard.resetRefillPerSecond)
    registration = try loop.register(self, descriptor: descriptor)
    handshakeTimer = loop.schedule(after: configuration.handshakeTimeout) { [self] in
      close(TransportError(.timeout, "the handshake took too long"))
    }
    if role == .client { setNeedsTurnEnd(reading: true) }
  }

  deinit { if descriptor >= 0 { Glibc.close(descriptor) } }

  // MARK: The pump

  /// Something may be there to write: it is written when reading ends, or at the end of the turn.
  func setNeedsFlush() {
    if !isReading { setNeedsTurnEnd(reading: false) }
  }

  private func setNeedsTurnEnd(reading: Bool) {
    if reading { wantsMoreReading = true }
    guard !isQueuedForTurnEnd, phase != .closed else { return }
    isQueuedForTurnEnd = true
    loop.atTurnEnd(self)
  }

  /// Reads what the socket has, up to the budget, then writes what came of it.
  private func read() {
    isReading = true
    defer { isReading = false }
    if isDozing { scheduleHousekeeping() }
    do {
      switch phase {
      case .handshaking:
        guard loop.takeHandshakeStep() else { return waitForHandshakeTurn() }
        guard try tls.handshake(into: recordQueue) == .done else { return flush() }
        try secure()
        try readFrames()
      case .open: try readFrames()
      case .closing, .lingering: return discard()
      case .closed: return
      }
    } catch {
      return fail(error)
    }
    flush()
  }

  /// Handshakes cost a thousand times what frames do, so they take turns.
  private func waitForHandshakeTurn() {
    guard !waitsForHandshakeTurn else { return }
    waitsForHandshakeTurn = true
    // What has come stays in the socket, and need not be reported meanwhile.
    watch(readable: false, writable: unsent != nil)
    loop.atHandshakeTurn(self)
  }

  private func secure() throws(TransportError) {
    let peer = try tls.peerCertificate()
    session = try HTTP2Session(role: role, connection: self, configuration: configuration)
    phase = .open
    scheduleHousekeeping()
    owner?.secured(peer: peer)
  }

  private func readFrames() throws(TransportError) {
    var budget = HTTP2Connection.readBudget
    let scratch = loop.receiveScratch
    while budget > 0, closeReason == nil, let session {
      guard let count = try tls.read(into: scratch, records: recordQueue) else { return }
      guard count > 0 else {
        throw TransportError(.connectionClosed, "the peer closed the connection")
      }
      lastReceived = loop.now
      budget -= count
      try session.receive(UnsafeRawBufferPointer(rebasing: scratch.prefix(count)))
      guard session.isAlive else { return }
    }
    // TLS may hold bytes that epoll does not know of, so the rest is not left to an event.
    if budget <= 0 { setNeedsTurnEnd(reading: true) }
  }

  /// Where records go: behind those that wait, or into the loop's queue that is empty between
  /// events.
  private var recordQueue: ByteQueue { unsent ?? loop.recordScratch }

  private func flush() {
    let plaintext = loop.sendScratch
    do {
      while phase != .closed {
        guard try sendRecords() else { return }
        guard phase == .open, let session else { break }
        defer { plaintext.removeAll() }
        try session.collect(into: plaintext)
        tellWritable()
        if plaintext.isEmpty { break }
        try tls.write(plaintext.bytes, into: recordQueue)
      }
    } catch {
      return tearDown(error)
    }
    switch phase {
    case .open where session?.isAlive == false:
      finish(violation ?? TransportError(.connectionClosed, "the connection has ended"))
    case .closing: linger()
    default: break
    }
  }

  /// Sends records until none is left.
  ///
  /// False where the socket is full; writing goes on when it is not any more.
  private func sendRecords() throws(TransportError) -> Bool {
    let queue = recordQueue
    while !queue.isEmpty {
      let sent = ce_send(descriptor, queue.bytes.baseAddress, UInt(queue.count))
      if sent >= 0 {
        queue.removeFirst(sent)
      } else if errno == EAGAIN {
        if unsent == nil {
          unsent = loop.takeRecordScratch()
          watch(readable: !waitsForHandshakeTurn, writable: true)
        }
        return false
      } else if errno != EINTR {
        let error = TransportError.system("send")
        queue.removeAll()
        throw TransportError(.connectionClosed, "the peer broke off", cause: error)
      }
    }
    if let queue = unsent {
      unsent = nil
      loop.giveBack(queue)
      watch(readable: !waitsForHandshakeTurn, writable: false)
    }
    return true
  }

  private func watch(readable: Bool, writable: Bool) {
    guard let registration else { return }
    loop.watch(registration, descriptor: descriptor, readable: readable, writable: writable)
  }

  private func tellWritable() {
    while let stream = writable.popLast() { stream.becameWritable() }
  }

  // MARK: The end

  /// Closes at the end of the turn: streams that are open are lost.
  ///
  /// Also from inside a callback.
  func close(_ reason: TransportError) {
    guard phase != .closed, closeReason == nil else { return }
    closeReason = reason
    setNeedsTurnEnd(reading: false)
  }

  /// Ends the HTTP/2 session with a GOAWAY that says why, then the connection.
  ///
  /// - Parameter debug: what the GOAWAY carries where that is not the reason's message.
  func terminate(_ code: nghttp2_error_code, _ reason: TransportError, debug: String? = nil) {
    session?.submitGoAway(code.rawValue, debug ?? reason.message)
    close(reason)
  }

  /// Why a context would not take the peer's certificate any more; nil where it would.
  func distrust(of context: TLSContext) -> TLSContext.Distrust? {
    guard phase == .open else { return nil }
    return context.distrust(ofPeerOf: tls)
  }

  /// Ends a connection that cannot be read any more.
  ///
  /// What says why, an alert or a GOAWAY, goes out if the peer still listens.
  private func fail(_ reason: TransportError) {
    guard reason.code != .connectionClosed else { return tearDown(reason) }
    flush()
    finish(reason)
  }

  /// Says goodbye and sends what is left; the streams that are still open are lost.
  private func finish(_ reason: TransportError) {
    guard phase == .open || phase == .handshaking else { return }
    if phase == .open { tls.closeNotify(into: recordQueue) }
    phase = .closing
    endReason = reason
    session = nil
    loseStreams(reason)
    endTimer = loop.schedule(after: configuration.stallTimeout) { [self] in end() }
    flush()
  }

  private func linger() {
    phase = .lingering
    shutdown(descriptor, Int32(SHUT_WR))
    endTimer?.cancel()
    endTimer = loop.schedule(after: configuration.lingerTimeout) { [self] in end() }
  }

  private func end() {
    tearDown(endReason ?? TransportError(.connectionClosed, "the connection has ended"))
  }

  private func discard() {
    let scratch = loop.receiveScratch
    var budget = HTTP2Connection.readBudget
    while budget > 0 {
      let count = recv(descriptor, scratch.baseAddress, scratch.count, 0)
      if count > 0 {
        budget -= count
        continue
      }
      if count < 0 && (errno == EAGAIN || errno == EINTR) { return }
      return end()
    }
  }

  /// Frees the sessions and tells everybody.
  ///
  /// Only from the top of an event or the end of a turn.
  private func tearDown(_ reason: TransportError) {
    guard phase != .closed else { return }
    phase = .closed
    for timer in [handshakeTimer, housekeeping, endTimer] { timer?.cancel() }
    loop.recordScratch.removeAll()
    if let unsent { loop.giveBack(unsent) }
    unsent = nil
    if let registration { loop.unregister(registration, descriptor: descriptor) }
    registration = nil
    Glibc.close(descriptor)
    descriptor = -1
    session = nil
    loseStreams(reason)
    writable = []
    let owner = self.owner
    self.owner = nil
    owner?.closed(reason)
  }

  private func loseStreams(_ reason: TransportError) {
    let lost = streams
    streams = []
    for stream in lost {
      stream.closed(NGHTTP2_CANCEL.rawValue, reason: reason)
      stream.detach()
    }
  }

  // MARK: Streams

  /// Keeps a stream until it is closed.
  func add(_ stream: MessageStream) {
    stream.slot = streams.count
    streams.append(stream)
  }

  /// Takes leave of a stream.
  ///
  /// - Parameter stream: the last reference but for those of whoever serves the call.
  func streamClosed(_ stream: inout MessageStream, _ code: UInt32) {
    removeFromList(stream)
    stream.closed(code, reason: nil)
    stream.detach()
    if isKnownUniquelyReferenced(&stream) { owner?.streamRetired(stream) }
    lastStreamEnded = loop.now
    owner?.streamClosed()
  }

  private func removeFromList(_ stream: MessageStream) {
    let last = streams.removeLast()
    if last !== stream {
      streams[stream.slot] = last
      last.slot = stream.slot
    }
  }
}

extension HTTP2Connection: EventLoop.Source {
  func ready(readable: Bool, writable: Bool, failed: Bool) {
    if failed && !readable {
      return tearDown(TransportError(.connectionClosed, "the connection broke"))
    }
    if writable { flush() }
    if readable { read() }
  }
}

extension HTTP2Connection: EventLoop.HandshakeTurn {
  func handshakeTurn() {
    waitsForHandshakeTurn = false
    guard phase == .handshaking else { return }
    watch(readable: true, writable: unsent != nil)
    read()
  }
}

extension HTTP2Connection: EventLoop.TurnEnd {
  func turnEnded() {
    isQueuedForTurnEnd = false
    if let closeReason {
      self.closeReason = nil
      flush()
      return finish(closeReason)
    }
    if wantsMoreReading {
      wantsMoreReading = false
      read()
    } else {
      flush()
    }
  }
}
