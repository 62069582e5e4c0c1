// SPDX-License-Identifier: Apache-2.0
internal import ArgumentParser
internal import Dispatch
internal import Glibc
internal import MassifClient
internal import Synchronization

/// Shows a job until it ends: a bar that redraws itself on a terminal, plain lines elsewhere, JSON
/// lines for programs.
struct JobFollower {
  let client: MassifClient
  let output: OutputFormat

  /// Exit status after Ctrl-C, as shells count it: 128 + SIGINT.
  static let interrupted = ExitCode(130)

  /// Follows the job; throws an exit status when it did not succeed or the person left.
  func follow(_ id: String) async throws {
    let following = Task { try await show(id) }
    let interrupt = Interrupt { following.cancel() }
    let job: Job?
    do {
      job = try await following.value
    } catch {
      guard interrupt.happened else { throw error }
      return try leave(id)
    }
    if interrupt.happened { return try leave(id) }
    guard let job, job.state == .succeeded else { throw ExitCode.failure }
  }

  private func leave(_ id: String) throws {
    Console.note("job \(id) goes on; follow it again with `massif jobs watch \(id)`,")
    Console.note("or stop it with `massif jobs cancel \(id)`")
    throw Self.interrupted
  }

  private func show(_ id: String) async throws -> Job? {
    let line = StatusLine(STDOUT_FILENO)
    defer { line.clear() }
    var lines = JobLines()
    var last: Job?
    for try await job in client.jobs.watch(id) {
      switch output {
      case .json: Console.print(job.json.text)
      case .text:
        let new = lines.new(in: job, isLive: line.isLive)
        if !new.isEmpty { line.clear() }
        for text in new { Console.print(text) }
        if !job.state.isFinal { line.show { ProgressLine.render(job, width: $0) } }
      }
      last = job
    }
    return last
  }
}

/// Which lines a job's change adds to the text that stands above the bar.
struct JobLines {
  private var state: String?
  private var epochs = 0
  private var tenth = 0

  /// - Parameter isLive: whether a bar shows the progress inside of an epoch; where not, each tenth
  ///   of one gets a line.
  mutating func new(in job: Job, isLive: Bool) -> [String] {
    var lines: [String] = []
    if state == nil { lines.append("job \(job.id): model \(job.specification.model)") }
    for epoch in job.epochs.dropFirst(epochs) { lines.append("epoch \(epoch.text)") }
    if job.epochs.count > epochs { tenth = 0 }
    epochs = max(epochs, job.epochs.count)
    // The epoch's result comes before the first progress of the next one.
    let isOver = Int(job.progress.epoch) <= job.epochs.count
    if !isLive, !isOver, job.progress.samples > 0, !job.state.isFinal {
      let now = Int(job.progress.samplesDone.multipliedFullWidth(by: 10).low / job.progress.samples)
      if now > tenth, now < 10 {
        tenth = now
        lines.append(ProgressLine.render(job, width: 120))
      }
    }
    if state != job.state.text {
      state = job.state.text
      lines.append(contentsOf: stateLines(job))
    }
    return lines
  }

  private func stateLines(_ job: Job) -> [String] {
    switch job.state {
    case .succeeded:
      ["succeeded: \(job.specification.model)@\(job.version)"]
    case .failed: ["failed: \(job.error)"]
    case .running where job.resumedAfterEpoch > 0:
      ["running, resumed after epoch \(job.resumedAfterEpoch)"]
    default: [job.state.text.lowercased()]
    }
  }
}

/// Turns Ctrl-C into a call of a closure for as long as it lives.
final class Interrupt: Sendable {
  // SAFETY: dispatch sources are thread-safe; Foundation on Linux does not say so.
  private nonisolated(unsafe) let source: any DispatchSourceSignal
  private let flag: Flag

  private final class Flag: Sendable {
    private let value = Mutex(false)
    func set() { value.withLock { $0 = true } }
    var isSet: Bool { value.withLock { $0 } }
  }

  init(_ body: @escaping @Sendable () -> Void) {
    let flag = Flag()
    self.flag = flag
    signal(SIGINT, SIG_IGN)
    source = DispatchSource.makeSignalSource(signal: SIGINT, queue: .global())
    source.setEventHandler {
      flag.set()
      body()
    }
    source.resume()
  }

  deinit {
    source.cancel()
    signal(SIGINT, SIG_DFL)
  }

  /// Whether Ctrl-C was pressed.
  var happened: Bool { flag.isSet }
}
