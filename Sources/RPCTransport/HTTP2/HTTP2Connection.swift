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
  private(set) var session: HTTP2Session?
  private(set) var streams: [MessageStream] = []
  /// Messages that are being received, by their announced length.
  var assemblingByteCount = 0
  /// Bytes received for paused streams.
  private var heldByteCount = 0
  /// Of those, the bytes whose connection window was not given back.
  private var withheldByteCount = 0
  /// The header list that is being received.
  private let headers: ReceivedHeaders
  private(set) var lastReceived: ContinuousClock.Instant

  private let role: TLSContext.Role
  private var descriptor: Int32
  private let tls: TLSSession
  private var owner: (any HTTP2ConnectionOwner)?
  private var registration: Int?
  /// Records that the socket did not take.
  private var unsent: ByteQueue?
  private var isQueuedForTurnEnd = false
  private var wantsMoreReading = false
  private var isReading = false
  private var closeReason: TransportError?
  private var endReason: TransportError?
  private var writable: [MessageStream] = []
  private var floodGuard: FloodGuard
  private var isPeerReady = false
  private var headersBeganAt: ContinuousClock.Instant?
  // Timers hold the connection until they fire or it is torn down; a weak reference would give it a
  // side table, and every retain and release of it would then take the slow path.
  private var handshakeTimer: LoopTimer?
  private var housekeeping: LoopTimer?
  private var lingerTimer: LoopTimer?

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
    lastReceived = loop.now
    floodGuard = FloodGuard(now: loop.now)
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
    do {
      switch phase {
      case .handshaking:
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
      finish(TransportError(.connectionClosed, "the connection has ended"))
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
          watch(writable: true)
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
      watch(writable: false)
    }
    return true
  }

  private func watch(writable: Bool) {
    guard let registration else { return }
    loop.watch(registration, descriptor: descriptor, readable: true, writable: writable)
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
  func terminate(_ code: nghttp2_error_code, _ reason: TransportError) {
    session?.submitGoAway(code.rawValue, reason.message)
    close(reason)
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
    flush()
  }

  private func linger() {
    phase = .lingering
    shutdown(descriptor, Int32(SHUT_WR))
    lingerTimer = loop.schedule(after: configuration.lingerTimeout) { [self] in
      end()
    }
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
    for timer in [handshakeTimer, housekeeping, lingerTimer] { timer?.cancel() }
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

  func streamClosed(_ stream: MessageStream, _ code: UInt32) {
    let last = streams.removeLast()
    if last !== stream {
      streams[stream.slot] = last
      last.slot = stream.slot
    }
    stream.closed(code, reason: nil)
    stream.detach()
    owner?.streamClosed()
  }

  /// Whether a message of this length may be received beside the others.
  func admit(_ length: Int) -> Bool {
    guard assemblingByteCount + length <= configuration.maxAssemblingByteCount else { return false }
    assemblingByteCount += length
    return true
  }

  /// Gives received bytes back to the peer's windows.
  func consume(_ count: Int, of stream: MessageStream) {
    session?.consume(count, stream: stream.streamID)
  }

  /// Gives received bytes back to the peer's window of a stream alone.
  func consumeStream(_ count: Int, of stream: MessageStream) {
    session?.consumeStream(count, stream: stream.streamID)
  }

  /// Counts bytes of a paused stream.
  ///
  /// The other streams go on: the connection's window is given back until too many bytes are held.
  func hold(_ count: Int) {
    heldByteCount += count
    if heldByteCount <= configuration.maxHeldByteCount {
      session?.consumeConnection(count)
    } else {
      withheldByteCount += count
    }
  }

  /// Counts bytes of a paused stream that were read or dropped.
  func release(_ count: Int) {
    heldByteCount -= count
    guard withheldByteCount > 0, heldByteCount <= configuration.maxHeldByteCount else { return }
    session?.consumeConnection(withheldByteCount)
    withheldByteCount = 0
    setNeedsFlush()
  }

  func resumeData(_ stream: MessageStream) { session?.resumeData(stream) }

  func reset(_ stream: MessageStream, _ code: UInt32) {
    session?.reset(stream, code)
    setNeedsFlush()
  }

  /// Remembers a stream that is to hear that it can send again, once no frame is being made.
  func noteWritable(_ stream: MessageStream) { writable.append(stream) }

  // MARK: Frames

  func headersBegan() {
    headersBeganAt = loop.now
    headers.begin()
  }

  /// A header list is complete or was refused; no other frame may come inside of one.
  func headersEnded() { headersBeganAt = nil }

  func openRequest(_ id: Int32) {
    guard let stream = owner?.makeStream() else { return }
    stream.streamID = id
    add(stream)
    session?.attach(stream, id)
  }

  /// Takes a header field.
  ///
  /// False where the peer has to go at once.
  func receivedHeader(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) -> Bool {
    headers.append(name: name, value: value)
    return headers.listByteCount
      <= configuration.maxHeaderListByteCount * HTTP2Connection.headerBombFactor
  }

  func received(_ frame: UnsafePointer<nghttp2_frame>, _ stream: MessageStream?) {
    let header = frame.pointee.hd
    let endsStream = header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
    switch nghttp2_frame_type(rawValue: UInt32(header.type)) {
    case NGHTTP2_DATA:
      if endsStream { stream?.receiveEndOfStream() } else if header.length == 0 { countPointless() }
    case NGHTTP2_HEADERS:
      headersEnded()
      guard let stream else { return }
      if headers.isTooLong {
        stream.headersExceededLimit()
      } else {
        stream.received(headers, isLast: endsStream)
      }
      if endsStream { stream.receiveEndOfStream() }
    case NGHTTP2_SETTINGS:
      countPointless()
      if header.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) == 0 { peerIsReady() }
    case NGHTTP2_PING: receivedPing(frame.pointee.ping)
    case NGHTTP2_PRIORITY: countPointless()
    case NGHTTP2_GOAWAY:
      let goAway = frame.pointee.goaway
      let debug = UnsafeRawBufferPointer(
        start: goAway.opaque_data, count: min(goAway.opaque_data_len, 1024))
      owner?.goAwayReceived(
        lastStreamID: goAway.last_stream_id, code: goAway.error_code,
        debug: String(decoding: debug, as: UTF8.self))
    default: break
    }
  }

  private func peerIsReady() {
    guard !isPeerReady else { return }
    isPeerReady = true
    handshakeTimer?.cancel()
    handshakeTimer = nil
    owner?.ready()
  }

  private func receivedPing(_ ping: nghttp2_ping) {
    guard ping.hd.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) != 0 else { return countPointless() }
    var payload: UInt64 = 0
    withUnsafeMutableBytes(of: &payload) { payload in
      withUnsafeBytes(of: ping.opaque_data) { payload.copyMemory(from: $0) }
    }
    owner?.pingAnswered(payload)
  }

  private func countPointless() {
    guard !floodGuard.admit(now: loop.now), closeReason == nil else { return }
    terminate(
      NGHTTP2_ENHANCE_YOUR_CALM,
      TransportError(.limitExceeded, "too many pings or empty frames (too_many_pings)"))
  }

  // MARK: Time

  private func scheduleHousekeeping() {
    let bounds = [
      configuration.headerTimeout, configuration.stallTimeout,
      configuration.keepaliveInterval ?? .seconds(3600),
    ]
    let shortest = bounds.min() ?? .seconds(5)
    housekeeping = loop.schedule(after: max(shortest / 4, .milliseconds(10))) { [self] in
      keepHouse()
    }
  }

  private func keepHouse() {
    guard phase == .open else { return }
    let now = loop.now
    if let began = headersBeganAt, began + configuration.headerTimeout < now {
      return terminate(
        NGHTTP2_ENHANCE_YOUR_CALM, TransportError(.timeout, "a header list took too long"))
    }
    // A server's answer; a client's upload may wait for a server that paused, up to its deadline.
    for stream in streams
    where role == .server && stream.pendingByteCount > 0
      && stream.lastSent + configuration.stallTimeout < now
    {
      stream.fail(Status(.unavailable, "the peer does not read what it asked for"))
      stream.reset(NGHTTP2_CANCEL.rawValue)
    }
    if let interval = configuration.keepaliveInterval, lastReceived + interval < now {
      guard lastReceived + interval * 2 >= now else {
        return close(TransportError(.timeout, "the peer does not answer pings"))
      }
      session?.submitPing(HTTP2Connection.keepalivePing)
      setNeedsFlush()
    }
    scheduleHousekeeping()
  }

  /// The payloads of the pings of this end.
  static let keepalivePing: UInt64 = 1
  static let drainPing: UInt64 = 2
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
