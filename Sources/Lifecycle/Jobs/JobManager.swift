// SPDX-License-Identifier: Apache-2.0
import Foundation
import Logging
import MassifAPI
import ModelPlugins
import RPCServer
import Store
import SwiftProtobuf
import Synchronization

/// The jobs that have not ended: their queue, their workers and those who watch.
///
/// Every change is on disk before anyone is told. Each worker has a thread of the server, which
/// waits for what it says; everything else is quick and may be called from anywhere.
final class JobManager: Sendable {
  /// A job as it stands, and how far its epoch is.
  struct Snapshot: Sendable {
    var record: JobRecord
    var progress: Massif_V1_JobProgress?
  }

  /// Snapshots of a job, the last one of its end.
  ///
  /// A slow reader misses some, and never the last.
  typealias Watch = AsyncThrowingStream<Snapshot, any Error>

  private struct Entry {
    var snapshot: Snapshot
    var phase = JobPhase.queued
    var worker: (any Worker)?
    var watchers: [UInt64: Watch.Continuation] = [:]

    func tellWatchers() {
      for watcher in watchers.values { watcher.yield(snapshot) }
    }

    mutating func endWatches(throwing error: (any Error)? = nil) {
      for watcher in watchers.values {
        // It would remove what is removed here.
        watcher.onTermination = nil
        watcher.finish(throwing: error)
      }
      watchers = [:]
    }
  }

  private struct State {
    var entries: [ResourceName: Entry] = [:]
    /// Jobs in the phase `queued`, oldest first.
    var queue: [ResourceName] = []
    var workerThreads = 0
    var nextWatcher: UInt64 = 0
    var isStopping = false
    /// Resumed when the last worker thread ends.
    var idleWaiters: [CheckedContinuation<Void, Never>] = []
  }

  private let configuration: LifecycleConfiguration
  private let store: Store
  private let launcher: any WorkerLauncher
  private let publisher: VersionPublisher
  private let environments: EnvironmentHub
  private let now: @Sendable () -> Date
  private let log: Logger
  private let state = Mutex(State())

  init(
    configuration: LifecycleConfiguration, store: Store, launcher: any WorkerLauncher,
    publisher: VersionPublisher, environments: EnvironmentHub, now: @escaping @Sendable () -> Date,
    log: Logger
  ) {
    self.configuration = configuration
    self.store = store
    self.launcher = launcher
    self.publisher = publisher
    self.environments = environments
    self.now = now
    self.log = log
  }

  // MARK: Start and stop

  /// Takes up what an earlier server left: jobs that were being cancelled are cancelled, all others
  /// wait for a worker, which goes on after their last checkpoint.
  func recover() throws {
    let jobs = try store.unendedJobs()
    for directory in try store.jobDirectories() where !jobs.contains(where: { $0.id == directory })
    {
      try store.removeJobDirectory(directory)
    }
    for var job in jobs {
      if job.state == .cancelling {
        job.state = .cancelled
        job.ended = now()
        try store.update(job)
        try store.removeJobDirectory(job.id)
        continue
      }
      if job.state != .queued {
        log.info("job \(job.id) was \(job.state.rawValue) when the server ended; it goes on")
        job.state = .queued
        try store.update(job)
      }
      state.withLock { state in
        state.entries[job.id] = Entry(snapshot: Snapshot(record: job))
        state.queue.append(job.id)
      }
    }
    startWaiting()
  }

  /// Leaves all workers and waits until they have ended; their jobs wait for the next start.
  func shutdown(grace: Duration) async {
    let workers = state.withLock { state -> [any Worker] in
      state.isStopping = true
      let workers = state.entries.values.compactMap(\.worker)
      for job in Array(state.entries.keys) {
        _ = perform(.serverStopping, on: job, &state)
        state.entries[job]?.endWatches(throwing: RPCError.stopping)
      }
      return workers
    }
    for worker in workers { worker.channel.disconnect() }
    let killer = Task {
      try await Task.sleep(for: grace)
      for worker in workers { worker.kill() }
    }
    await withCheckedContinuation { continuation in
      let isIdle = state.withLock { state in
        if state.workerThreads > 0 { state.idleWaiters.append(continuation) }
        return state.workerThreads == 0
      }
      if isIdle { continuation.resume() }
    }
    killer.cancel()
  }

  // MARK: Requests

  /// Queues a job, unless its request id has done so before.
  ///
  /// - Throws: `.resourceExhausted` when the queue is full.
  func submit(_ job: JobRecord) throws -> Snapshot {
    let snapshot = try state.withLock { state -> Snapshot in
      guard !state.isStopping else { throw RPCError.stopping }
      if state.queue.count >= configuration.maxQueuedJobs,
        try store.job(requestID: job.requestID, by: job.audit.createdBy) == nil
      {
        throw RPCError.queueFull(limit: configuration.maxQueuedJobs)
      }
      let (record, isNew) = try store.insert(job)
      let snapshot = Snapshot(record: record)
      guard isNew else { return state.entries[record.id]?.snapshot ?? snapshot }
      state.entries[record.id] = Entry(snapshot: snapshot)
      state.queue.append(record.id)
      return snapshot
    }
    startWaiting()
    return snapshot
  }

  /// The job of that id as it stands.
  ///
  /// Nil when there is none.
  func job(_ id: ResourceName) throws -> Snapshot? {
    if let entry = state.withLock({ $0.entries[id]?.snapshot }) { return entry }
    return try store.job(id).map { Snapshot(record: $0) }
  }

  /// A team's jobs, newest first.
  func jobs(of team: ResourceName, before sequence: Int64?, limit: Int) throws -> [Snapshot] {
    let records = try store.jobs(of: team, before: sequence, limit: limit)
    return state.withLock { state in
      records.map { state.entries[$0.id]?.snapshot ?? Snapshot(record: $0) }
    }
  }

  /// Asks for a job's end.
  ///
  /// Its worker stops within a batch; one that has ended stays as it is.
  func cancel(_ id: ResourceName) throws -> Snapshot? {
    handle(.cancelRequested, id)
    return try job(id)
  }

  /// The job as it stands, then its changes.
  ///
  /// Nil when there is none.
  func watch(_ id: ResourceName) throws -> Watch? {
    let (stream, continuation) = Watch.makeStream(bufferingPolicy: .bufferingNewest(1))
    let isWatching = state.withLock { state in
      guard state.entries[id] != nil, !state.isStopping else { return false }
      state.nextWatcher += 1
      let watcher = state.nextWatcher
      // Later and elsewhere: a task that is being cancelled calls this with its own lock held, while
      // whoever holds the state's lock may be waking that task.
      continuation.onTermination = { [weak self] _ in
        DispatchQueue.global().async { [weak self] in
          self?.state.withLock { _ = $0.entries[id]?.watchers.removeValue(forKey: watcher) }
        }
      }
      if let snapshot = state.entries[id]?.snapshot { continuation.yield(snapshot) }
      state.entries[id]?.watchers[watcher] = continuation
      return true
    }
    if isWatching { return stream }
    guard let snapshot = try job(id) else { return nil }
    continuation.yield(snapshot)
    continuation.finish()
    return stream
  }

  // MARK: Events

  /// Takes an event in and does what follows from it.
  private func handle(_ event: JobPhase.Event, _ job: ResourceName) {
    let effect = state.withLock { perform(event, on: job, &$0) }
    effect?()
  }

  /// Changes state, on disk first; returns what is to be done without the lock.
  private func perform(
    _ event: JobPhase.Event, on job: ResourceName, _ state: inout State
  ) -> (@Sendable () -> Void)? {
    guard var entry = state.entries[job] else { return nil }
    let action = entry.phase.handle(event)
    guard action != .nothing else { return nil }
    entry.snapshot.record.state = entry.phase.state
    var effect: (@Sendable () -> Void)?
    var isWritten = true
    switch action {
    case .nothing: break
    case .record:
      isWritten = write(entry.snapshot.record)
    case .cancelWorker:
      isWritten = write(entry.snapshot.record)
      effect = { [worker = entry.worker, self] in stop(worker) }
    case .requeue:
      isWritten = write(entry.snapshot.record)
      entry.snapshot.progress = nil
    case .publish:
      effect = { [record = entry.snapshot.record, self] in publish(record) }
    case .end(let end, let reason):
      entry.snapshot.record.error = reason
      entry.snapshot.record.ended = now()
      isWritten = write(entry.snapshot.record)
      state.queue.removeAll { $0 == job }
      effect = { [record = entry.snapshot.record, worker = entry.worker, self] in
        log.info("job \(job) \(end.rawValue)\(reason.isEmpty ? "" : ": \(reason)")")
        cleanUp(record, worker)
      }
    case .endPublished:
      if let record = try? store.job(job) { entry.snapshot.record = record }
      effect = { [record = entry.snapshot.record, worker = entry.worker, self] in
        log.info("job \(job) SUCCEEDED: version \(record.version ?? 0) of \(record.training.model)")
        cleanUp(record, worker)
      }
    }
    entry.tellWatchers()
    if case .ended = entry.phase {
      entry.endWatches()
      // What could not be written is remembered until the next start, when the job runs again.
      state.entries[job] = isWritten ? nil : entry
    } else {
      state.entries[job] = entry
    }
    return effect
  }

  private func write(_ record: JobRecord) -> Bool {
    do {
      try store.update(record)
      return true
    } catch {
      log.error("the state of job \(record.id) could not be written: \(error)")
      return false
    }
  }

  /// Tells a worker to stop, and ends it if it does not.
  private func stop(_ worker: (any Worker)?) {
    guard let worker else { return }
    worker.channel.send(Massif_V1_Worker_Command.with { $0.cancel = .init() })
    Task.detached { [grace = configuration.cancellationGrace] in
      try? await Task.sleep(for: grace)
      worker.kill()
    }
  }

  private func cleanUp(_ record: JobRecord, _ worker: (any Worker)?) {
    worker?.channel.disconnect()
    do {
      try store.removeJobDirectory(record.id)
    } catch {
      log.warning("the files of job \(record.id) could not be removed: \(error)")
    }
  }

  private func publish(_ record: JobRecord) {
    do {
      _ = try publisher.publish(exportOf: record)
      handle(.published, record.id)
    } catch {
      log.warning("the version that job \(record.id) made cannot be published: \(error)")
      handle(.publicationFailed(RPCError(translating: error).message), record.id)
    }
  }

  // MARK: Workers

  /// Starts workers for the oldest jobs while there are free places.
  private func startWaiting() {
    state.withLock { state in
      while !state.isStopping, state.workerThreads < configuration.maxWorkers, !state.queue.isEmpty
      {
        let job = state.queue.removeFirst()
        state.workerThreads += 1
        Thread.detachNewThread { [self] in
          attend(job)
          leave()
          startWaiting()
        }
      }
    }
  }

  /// Counts a worker's thread that ends.
  private func leave() {
    let waiters = state.withLock { state -> [CheckedContinuation<Void, Never>] in
      state.workerThreads -= 1
      guard state.workerThreads == 0 else { return [] }
      defer { state.idleWaiters = [] }
      return state.idleWaiters
    }
    for waiter in waiters { waiter.resume() }
  }

  /// Starts a worker for a job and listens to it until it is gone; on a thread of its own.
  private func attend(_ job: ResourceName) {
    guard let (record, worker) = launch(job) else { return }
    defer {
      state.withLock { $0.entries[job]?.worker = nil }
    }
    if let limit = configuration.maxTrainingSilence { worker.channel.setReceiveTimeout(limit) }
    environments.workerStarted(job, attempt: record.attempts, channel: worker.channel)
    worker.channel.send(command(for: record))
    do {
      while let message = try worker.channel.receive(Massif_V1_Worker_Event.self) {
        receive(message, job)
      }
      if worker.channel.hasTimedOut, let limit = configuration.maxTrainingSilence {
        log.warning("the worker of job \(job) said nothing for \(limit); it is killed")
        handle(
          .failed("plugin \(record.training.plugin) has not reported for \(limit) and was stopped"),
          job)
        worker.kill()
      }
    } catch {
      log.error("the worker of job \(job): \(error)")
      worker.kill()
    }
    environments.workerEnded(job)
    handle(.exited(worker.wait()), job)
  }

  private func launch(_ job: ResourceName) -> (JobRecord, any Worker)? {
    do {
      let worker = try launcher.launch()
      let record = state.withLock { state -> JobRecord? in
        guard !state.isStopping, var entry = state.entries[job], entry.phase == .queued else {
          return nil
        }
        entry.worker = worker
        entry.snapshot.record.attempts += 1
        entry.snapshot.record.started = entry.snapshot.record.started ?? now()
        state.entries[job] = entry
        _ = perform(.started, on: job, &state)
        return entry.snapshot.record
      }
      if let record { return (record, worker) }
      // It was cancelled, or the server stops, between the queue and here.
      worker.channel.disconnect()
      _ = worker.wait()
      return nil
    } catch {
      log.error("no worker for job \(job): \(error)")
      handle(.started, job)
      handle(.failed("the server could not start a worker process"), job)
      return nil
    }
  }

  private func command(for record: JobRecord) -> Massif_V1_Worker_Command {
    .with {
      $0.train = .with {
        $0.jobID = record.id.description
        $0.specification = Massif_V1_TrainingSpecification(record.training)
        if let digest = record.training.datasetDigest {
          $0.datasetPath = store.datasets.path(of: digest)
        }
        if let digest = record.training.pluginDigest {
          $0.pluginPath = store.plugins.path(of: digest)
          $0.pluginDigest = digest.hexadecimal
          let plugin = publisher.plugins.plugin(digest: digest.hexadecimal)
          $0.pluginIsolation = (plugin?.isolation ?? .isolated).rawValue
        }
        if let version = record.training.continuedVersion {
          $0.continuation = continuation(of: record.training.model, version)
        }
        $0.jobDirectory = store.jobPath(record.id)
        $0.threads = UInt32(
          clamping: record.training.threads == 0
            ? configuration.defaultThreads : record.training.threads)
      }
    }
  }

  /// Where a worker finds what a version learns on from.
  private func continuation(
    of model: QualifiedName, _ version: Int64
  ) -> Massif_V1_Worker_Command.Continuation {
    // Versions are never removed; without its checkpoint the worker says what is missing.
    guard let base = try? store.version(version, of: model) else { return .init() }
    return .with {
      if let origin = base.manifest.originDigest {
        $0.datasetPath = store.datasets.path(of: origin)
      }
      $0.checkpoint = (base.manifest.checkpoint ?? []).map { file in
        .with {
          $0.name = JobFiles.artifact(of: file.name)
          $0.path = store.path(of: file.name, in: base)
          $0.digest = file.digest.hexadecimal
        }
      }
    }
  }

  /// Takes in what a worker says.
  private func receive(_ message: Massif_V1_Worker_Event, _ job: ResourceName) {
    switch message.event {
    case .prepared(let prepared):
      change(job) { [store] entry in
        let epoch = Int(prepared.resumedAfterEpoch)
        try store.removeEpochs(after: epoch, of: job)
        entry.snapshot.record.epochs.removeAll { $0.epoch > epoch }
        entry.snapshot.record.resumedAfterEpoch = epoch
      }
      environments.prepared(job)
      handle(.prepared, job)
    case .progress(let progress):
      change(job) { $0.snapshot.progress = progress }
    case .epoch(let result):
      change(job) { [store] entry in
        let epoch = EpochRecord(result)
        try store.add(epoch, to: job)
        entry.snapshot.record.epochs.removeAll { $0.epoch == epoch.epoch }
        entry.snapshot.record.epochs.append(epoch)
      }
    case .checkpoint(let checkpoint):
      log.debug("job \(job) has a checkpoint after epoch \(checkpoint.epoch)")
    case .environmentsWanted(let specification): environments.wanted(specification, by: job)
    case .environmentCommands(let commands):
      environments.commanded(commands.commands, by: job)
    case .exported: handle(.exported, job)
    case .failed(let failure): handle(.failed(failure.message), job)
    case .cancelled: handle(.stopped, job)
    case .log(let line):
      log.log(
        level: Logger.Level(rawValue: line.level) ?? .info, "\(line.message)",
        metadata: ["job": "\(job)"])
    case nil: break
    }
  }

  /// Changes what watchers see, while the job is with its worker.
  private func change(_ job: ResourceName, _ body: (inout Entry) throws -> Void) {
    state.withLock { state in
      guard var entry = state.entries[job] else { return }
      switch entry.phase {
      case .preparing, .running: break
      case .queued, .publishing, .cancelling, .ended: return
      }
      do {
        try body(&entry)
      } catch {
        log.error("the progress of job \(job) could not be written: \(error)")
      }
      entry.tellWatchers()
      state.entries[job] = entry
    }
  }
}
