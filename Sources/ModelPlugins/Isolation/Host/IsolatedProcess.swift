// SPDX-License-Identifier: Apache-2.0
import CSandbox
import Glibc
import Synchronization

/// One worker process, from its start to its end.
final class IsolatedProcess: Sendable {
  private struct State {
    var nextNumber: UInt32 = 1
    var waiting: [UInt32: PendingReply<Result<[UInt8], PluginError>>] = [:]
    var slots: [ObjectIdentifier: WeakSlot] = [:]
    var idle: [HostSlot] = []
    /// Why the host ends it; wins over what the system says.
    var intention: WorkerEnd?
    var isReaped = false
    var end: WorkerEnd?
  }

  private struct WeakSlot {
    weak var slot: HostSlot?
  }

  /// More than so many calls at a time are rare; their slots are not kept.
  private static let maxIdleSlots = 16
  /// A worker that does not read for so long is stuck.
  private static let sendTimeoutSeconds = 5

  let identifier: pid_t
  private let channel: ControlChannel
  private let configuration: IsolationConfiguration
  private let log: @Sendable (LogLine) -> Void
  private let state = Mutex(State())
  private let ended = PendingReply<WorkerEnd>()
  private let isEnding = Atomic<Bool>(false)

  /// Starts a worker; it ends when the calling thread does.
  ///
  /// - Throws: `.unavailable` when the system starts no process.
  init(
    launcher: IsolatedWorkerLauncher, configuration: IsolationConfiguration,
    log: @escaping @Sendable (LogLine) -> Void
  ) throws(PluginError) {
    self.configuration = configuration
    self.log = log
    var pair: [Int32] = [-1, -1]
    guard cs_socket_pair(&pair) == 0 else {
      throw PluginError(
        .unavailable, "an isolated worker could not be started (errno \(errno))",
        reason: .restarting)
    }
    channel = ControlChannel(descriptor: pair[0])
    defer { close(pair[1]) }
    var timeout = timeval(tv_sec: Self.sendTimeoutSeconds, tv_usec: 0)
    setsockopt(
      pair[0], SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    identifier = try launcher.launch(socket: pair[1])
    guard DetachedThread.start(stackByteCount: 256 << 10, { self.listen() }) else {
      kill(identifier, SIGKILL)
      var status: Int32 = 0
      waitpid(identifier, &status, 0)
      throw PluginError(
        .unavailable, "no thread for an isolated worker", reason: .restarting)
    }
  }

  /// Why it ended; nil while it runs.
  var end: WorkerEnd? { state.withLock { $0.end } }

  /// Whether it still takes calls: it neither has ended nor is being ended.
  var takesCalls: Bool { !isEnding.load(ordering: .acquiring) }

  /// Waits for the end.
  func waitForEnd() -> WorkerEnd { ended.wait(timeout: nil) ?? .stopped }

  /// Ends it.
  ///
  /// Calls that are in it fail; the first intention counts.
  func stop(_ intention: WorkerEnd) {
    isEnding.store(true, ordering: .releasing)
    state.withLock { state in
      guard !state.isReaped else { return }
      if state.intention == nil { state.intention = intention }
      kill(identifier, SIGKILL)
    }
  }

  /// Bytes of private memory that it has taken; nil when the system does not say.
  var privateByteCount: Int? {
    let file = open("/proc/\(identifier)/statm", O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var text = [UInt8](repeating: 0, count: 128)
    let count = read(file, &text, text.count)
    guard count > 0 else { return nil }
    // The sixth number: data and stack, in pages. proc(5).
    let fields = String(decoding: text[..<count], as: UTF8.self).split(separator: " ")
    return fields.count > 5 ? Int(fields[5]).map { $0 * SlotLayout.pageByteCount } : nil
  }

  // MARK: Requests

  /// Asks for something and waits for the answer.
  ///
  /// - Throws: what the worker answers; the end's error when it dies meanwhile; `.deadlineExceeded`
  ///   when it takes too long, after which the worker is ended.
  func ask(
    _ kind: FrameKind, _ body: [UInt8], descriptors: [Int32] = []
  ) throws(PluginError) -> [UInt8] {
    let reply = PendingReply<Result<[UInt8], PluginError>>()
    let number = state.withLock { state -> UInt32 in
      defer { state.nextNumber &+= 1 }
      if let end = state.end {
        reply.set(.failure(end.error))
      } else {
        state.waiting[state.nextNumber] = reply
      }
      return state.nextNumber
    }
    if !channel.send(kind, number: number, body, descriptors: descriptors) { stop(.hung) }
    guard let answer = reply.wait(timeout: configuration.controlTimeout) else {
      stop(.hung)
      throw PluginError(
        .deadlineExceeded,
        "the isolated plugin took longer than \(configuration.controlTimeout) and was ended",
        reason: .timedOut)
    }
    return try answer.get()
  }

  /// Tells it to forget a model; nobody waits.
  func destroyModel(_ number: UInt32) {
    channel.send(.destroyModel, number: number)
  }

  // MARK: Slots

  /// A slot with room for an execution's inputs, which nobody uses.
  ///
  /// - Throws: `.resourceExhausted` when there is no memory; the end's error.
  func takeSlot(
    inputByteCount: Int, maxOutputByteCount: Int
  ) throws(PluginError) -> HostSlot {
    let kept = state.withLock { state -> HostSlot? in
      guard let index = state.idle.lastIndex(where: { $0.layout.inputCapacity >= inputByteCount })
      else { return nil }
      return state.idle.remove(at: index)
    }
    if let kept { return kept }
    let slot = try HostSlot(
      layout: SlotLayout(
        inputByteCount: inputByteCount, maxOutputByteCount: maxOutputByteCount))
    let end = state.withLock { state -> WorkerEnd? in
      state.slots = state.slots.filter { $0.value.slot != nil }
      state.slots[ObjectIdentifier(slot)] = WeakSlot(slot: slot)
      return state.end
    }
    if let end { throw end.error }
    let request = SlotRequest(layout: slot.layout).encoded
    if !channel.send(.addSlot, number: 0, request, descriptors: [slot.memory.descriptor]) {
      stop(.hung)
    }
    return slot
  }

  /// Takes a slot back.
  func giveBack(_ slot: HostSlot) {
    state.withLock { state in
      if state.end == nil, state.idle.count < Self.maxIdleSlots { state.idle.append(slot) }
    }
  }

  // MARK: The thread that listens

  private func listen() {
    while let frame = channel.receive() {
      for descriptor in frame.descriptors { close(descriptor) }
      switch FrameKind(rawValue: frame.kind) {
      case .answer: complete(frame.number, .success(frame.body))
      case .failure:
        complete(
          frame.number,
          .failure((try? PluginError(decoding: frame.body)) ?? WireDecoder.malformed))
      case .log:
        if let line = try? LogLine(decoding: frame.body) { log(line) }
      default: break
      }
    }
    // A worker that has closed its socket is of no use, whatever else it does.
    isEnding.store(true, ordering: .releasing)
    finish(reap())
  }

  private func complete(_ number: UInt32, _ result: Result<[UInt8], PluginError>) {
    state.withLock { $0.waiting.removeValue(forKey: number) }?.set(result)
  }

  private func reap() -> WorkerEnd {
    // A process closes its descriptors when it is on its way out already, with its status set: a
    // signal of ours ends only one that has closed its socket and goes on.
    return state.withLock { state in
      kill(-identifier, SIGKILL)
      kill(identifier, SIGKILL)
      var status: Int32 = 0
      var usage = rusage()
      while wait4(identifier, &status, 0, &usage) < 0, errno == EINTR {}
      state.isReaped = true
      if let intention = state.intention { return intention }
      let limit = configuration.maxMemoryByteCount
      let usedItsMemory = limit > 0 && usage.ru_maxrss << 10 > limit - limit / 8
      // wait(2): the low seven bits are the signal, or zero after an ordinary end.
      let signal = status & 0x7f
      return signal == 0
        ? .exited(status: status >> 8 & 0xff, usedItsMemory: usedItsMemory)
        : .signalled(signal, usedItsMemory: usedItsMemory)
    }
  }

  private func finish(_ end: WorkerEnd) {
    let (waiting, slots) = state.withLock { state in
      state.end = end
      state.idle = []
      return (Array(state.waiting.values), state.slots.values.compactMap(\.slot))
    }
    for slot in slots { slot.markGone() }
    for reply in waiting { reply.set(.failure(end.error)) }
    ended.set(end)
  }
}
