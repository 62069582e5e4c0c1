// SPDX-License-Identifier: Apache-2.0
internal import CEpoll
internal import Glibc
internal import Synchronization

/// One thread that waits for sockets, timers and work from other threads, and runs what they ask for.
///
/// A *turn* is one wake-up: ready sockets, then due timers, then executed work, then whatever asked
/// to run at the end of the turn (connections write there, once, what the whole turn produced).
/// Everything but ``execute(_:)``, ``isCurrent`` and ``stop()`` belongs to the loop's own thread.
public final class EventLoop: @unchecked Sendable {
  /// Something that owns a descriptor and is told when it is ready.
  protocol Source: AnyObject {
    func ready(readable: Bool, writable: Bool, failed: Bool)
  }

  /// Something that runs once at the end of a turn that it asked for.
  protocol TurnEnd: AnyObject {
    func turnEnded()
  }

  /// A connection whose handshake waits for its turn.
  protocol HandshakeTurn: AnyObject {
    func handshakeTurn()
  }

  private struct Registration {
    var source: (any Source)?
    var generation: UInt32 = 0
  }

  private struct Inbox {
    var work: [@Sendable () -> Void] = []
    var stopped = false
  }

  /// Memory for the messages of this loop's connections.
  public let buffers: BufferPool
  /// For the small ones; of the loop's thread alone.
  let smallBuffers = SmallBuffers()
  /// For the HTTP/2 sessions of this loop; of its thread alone.
  let frameMemory = FrameMemory()
  private let epoll: Int32
  private let wakeDescriptor: Int32
  private let inbox = Mutex(Inbox())
  private let threadID = Atomic<UInt>(0)

  // Of the loop's thread alone:
  private var registrations: [Registration] = []
  private var freeRegistrations: [Int] = []
  private var timers = TimerHeap()
  private var work: [@Sendable () -> Void] = []
  private var turnEnds: [any TurnEnd] = []
  private var handshakeSteps = 0
  private var isHandshakeTurn = false
  private var waitingHandshakes: [any HandshakeTurn] = []
  private var firstWaitingHandshake = 0
  private var stopping = false
  private(set) var now = ContinuousClock.now
  /// When the present turn began.
  ///
  /// Loop only.
  public private(set) var turnTime = MonotonicTime.now
  /// Where received plaintext goes before HTTP/2 reads it; shared because nothing stays in it.
  let receiveScratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 64)
  /// Where frames are put together before they are encrypted; shared because nothing stays in it.
  let sendScratch = ByteQueue(capacity: 96 << 10)
  /// Where TLS puts records before they are sent; empty between events.
  private(set) var recordScratch = ByteQueue(capacity: 128 << 10)
  private var spareRecordQueues: [ByteQueue] = []
  /// Spare queues kept; connections that wait for their peers to read are few.
  private static let maxSpareRecordQueues = 16
  /// Steps of handshakes in one turn, of up to half a millisecond each; the connections that are
  /// served wait for no more of them.
  private static let maxHandshakeSteps = 8

  /// The descriptor of the wake-up event is registered under this tag.
  private static let wakeTag = UInt64.max

  /// Makes a loop and starts its thread.
  ///
  /// - Throws: `.system` where the kernel refuses a descriptor or a thread.
  public init(
    name: String = "massif-loop", buffers: BufferPool = BufferPool()
  ) throws(TransportError) {
    self.buffers = buffers
    epoll = ce_epoll_create()
    guard epoll >= 0 else { throw .system("epoll_create1") }
    wakeDescriptor = ce_eventfd_create()
    guard wakeDescriptor >= 0 else {
      close(epoll)
      throw .system("eventfd")
    }
    guard ce_epoll_add(epoll, wakeDescriptor, ce_readable, EventLoop.wakeTag) == 0 else {
      throw .system("epoll_ctl")
    }
    try startThread(named: name) { [self] in run() }
  }

  deinit {
    close(wakeDescriptor)
    close(epoll)
    receiveScratch.deallocate()
  }

  /// Whether the caller runs on this loop's thread.
  public var isCurrent: Bool {
    threadID.load(ordering: .relaxed) == UInt(pthread_self())
  }

  /// Runs `body` on the loop, in the order of the calls.
  ///
  /// Any thread; never waits.
  ///
  /// Many calls wake the loop once.
  ///
  /// - Returns: false where the loop has stopped and `body` will not run.
  @discardableResult
  public func execute(_ body: @escaping @Sendable () -> Void) -> Bool {
    let waiting = inbox.withLock { inbox -> Int? in
      guard !inbox.stopped else { return nil }
      inbox.work.append(body)
      return inbox.work.count
    }
    if waiting == 1 && !isCurrent { wake() }
    return waiting != nil
  }

  /// Runs `body` on the loop after a time, unless the timer is cancelled first.
  ///
  /// Loop only.
  @discardableResult
  public func schedule(after delay: Duration, _ body: @escaping () -> Void) -> LoopTimer {
    assertCurrent()
    // Not `now`: a long turn must not shorten the delay.
    let timer = LoopTimer(deadline: .now + delay, loop: self, body: body)
    timers.insert(timer)
    return timer
  }

  /// Ends the thread after its present turn; connections still open are closed.
  ///
  /// Any thread.
  public func stop() {
    execute { [self] in stopping = true }
  }

  // MARK: Sources

  /// Watches a descriptor, for reading at first.
  ///
  /// Returns the registration's index.
  func register(_ source: any Source, descriptor: Int32) throws(TransportError) -> Int {
    assertCurrent()
    let index = freeRegistrations.popLast() ?? registrations.count
    if index == registrations.count { registrations.append(Registration()) }
    registrations[index].source = source
    guard ce_epoll_add(epoll, descriptor, ce_readable, tag(index)) == 0 else {
      let error = TransportError.system("epoll_ctl")
      release(index)
      throw error
    }
    return index
  }

  /// Changes what a registered descriptor is watched for.
  func watch(_ index: Int, descriptor: Int32, readable: Bool, writable: Bool) {
    let events = (readable ? ce_readable : 0) | (writable ? ce_writable : 0)
    _ = ce_epoll_modify(epoll, descriptor, events, tag(index))
  }

  /// Stops watching; to be called before the descriptor is closed.
  func unregister(_ index: Int, descriptor: Int32) {
    assertCurrent()
    _ = ce_epoll_remove(epoll, descriptor)
    release(index)
  }

  private func release(_ index: Int) {
    registrations[index].source = nil
    // An event of this turn that is still in the array must not reach the next owner of the index.
    registrations[index].generation &+= 1
    freeRegistrations.append(index)
  }

  private func tag(_ index: Int) -> UInt64 {
    UInt64(registrations[index].generation) << 32 | UInt64(UInt32(truncatingIfNeeded: index))
  }

  /// Calls `turnEnded()` once when this turn ends.
  ///
  /// The caller sees to it that it asks only once.
  func atTurnEnd(_ object: any TurnEnd) {
    assertCurrent()
    turnEnds.append(object)
  }

  // MARK: Handshakes

  /// Whether a handshake may go on in this turn; where not, it waits with ``atHandshakeTurn(_:)``.
  func takeHandshakeStep() -> Bool {
    // Those that wait are first.
    guard handshakeSteps < EventLoop.maxHandshakeSteps, !hasWaitingHandshake || isHandshakeTurn
    else { return false }
    handshakeSteps += 1
    return true
  }

  /// Calls `handshakeTurn()` once, in the order of the calls, when there is time for it.
  func atHandshakeTurn(_ connection: any HandshakeTurn) { waitingHandshakes.append(connection) }

  private var hasWaitingHandshake: Bool { firstWaitingHandshake < waitingHandshakes.count }

  private func runHandshakes() {
    isHandshakeTurn = true
    while hasWaitingHandshake, handshakeSteps < EventLoop.maxHandshakeSteps {
      let next = waitingHandshakes[firstWaitingHandshake]
      firstWaitingHandshake += 1
      next.handshakeTurn()
    }
    isHandshakeTurn = false
    handshakeSteps = 0
    // The front is given up when it is most of the list, so that each element moves once or so.
    guard firstWaitingHandshake * 2 > waitingHandshakes.count else { return }
    waitingHandshakes.removeFirst(firstWaitingHandshake)
    firstWaitingHandshake = 0
  }

  func cancel(_ timer: LoopTimer) {
    assertCurrent()
    timers.remove(timer)
  }

  func assertCurrent() {
    assert(isCurrent, "only on the loop's own thread")
  }

  // MARK: Record queues

  /// Lets a connection that cannot send now take the records along.
  func takeRecordScratch() -> ByteQueue {
    let taken = recordScratch
    recordScratch = spareRecordQueues.popLast() ?? ByteQueue(capacity: 128 << 10)
    return taken
  }

  /// Takes a queue back that is empty again.
  func giveBack(_ queue: ByteQueue) {
    queue.removeAll()
    if spareRecordQueues.count < EventLoop.maxSpareRecordQueues { spareRecordQueues.append(queue) }
  }

  // MARK: The thread

  private func wake() {
    var one: UInt64 = 1
    // The counter cannot overflow: it is read whenever it is not zero.
    _ = write(wakeDescriptor, &one, 8)
  }

  private func run() {
    threadID.store(UInt(pthread_self()), ordering: .relaxed)
    let capacity = 128
    let events = UnsafeMutablePointer<ce_event>.allocate(capacity: capacity)
    defer { events.deallocate() }
    while !stopping {
      let ready = ce_epoll_wait(epoll, events, Int32(capacity), waitMilliseconds())
      now = .now
      turnTime = .now
      for i in 0..<max(Int(ready), 0) { dispatch(events[i]) }
      runHandshakes()
      while let timer = timers.popFirst(dueBy: now) { timer.fire() }
      runWork()
      runTurnEnds()
    }
    shutDown()
  }

  private func dispatch(_ event: ce_event) {
    guard event.tag != EventLoop.wakeTag else {
      var count: UInt64 = 0
      _ = read(wakeDescriptor, &count, 8)
      return
    }
    let index = Int(event.tag & 0xffff_ffff)
    guard index < registrations.count,
      registrations[index].generation == UInt32(event.tag >> 32),
      let source = registrations[index].source
    else { return }
    source.ready(
      readable: event.events & ce_readable != 0, writable: event.events & ce_writable != 0,
      failed: event.events & ce_failed != 0)
  }

  private func waitMilliseconds() -> Int32 {
    if !turnEnds.isEmpty || hasWaitingHandshake || inbox.withLock({ !$0.work.isEmpty }) { return 0 }
    guard let first = timers.first else { return -1 }
    let wait = ContinuousClock.now.duration(to: first.deadline)
    guard wait > .zero else { return 0 }
    // Rounded up, so that a timer is due when the wait ends.
    let milliseconds =
      wait.components.seconds * 1000 + wait.components.attoseconds / 1_000_000_000_000_000 + 1
    return Int32(clamping: milliseconds)
  }

  private func runWork() {
    inbox.withLock { swap(&$0.work, &work) }
    for body in work { body() }
    work.removeAll(keepingCapacity: true)
  }

  /// What asks for the end of the turn while the turn ends runs in the next one, which does not wait.
  private func runTurnEnds() {
    guard !turnEnds.isEmpty else { return }
    var ending: [any TurnEnd] = []
    swap(&ending, &turnEnds)
    for object in ending { object.turnEnded() }
    if turnEnds.isEmpty {
      ending.removeAll(keepingCapacity: true)
      turnEnds = ending
    }
  }

  private func shutDown() {
    for registration in registrations {
      registration.source?.ready(readable: false, writable: false, failed: true)
    }
    // Work that was promised to run finds its connections closed.
    inbox.withLock { inbox in
      inbox.stopped = true
      swap(&inbox.work, &work)
    }
    for body in work { body() }
    work = []
    while !turnEnds.isEmpty { runTurnEnds() }
    timers.removeAll()
    waitingHandshakes = []
  }
}
