// SPDX-License-Identifier: Apache-2.0
import Store

/// How far a job has come, and what follows from what happens to it.
///
/// `handle` decides and performs nothing; `JobManager` performs.
enum JobPhase: Sendable, Hashable {
  case queued
  /// Its worker maps the data, builds the model and restores a checkpoint.
  case preparing
  case running
  /// Its worker is done; the server makes a version of what it exported.
  case publishing
  /// Its worker has been told to stop.
  case cancelling
  case ended(JobState)

  /// What happens to a job.
  enum Event: Sendable, Hashable {
    /// There is a free place, and its worker is about to be started.
    case started
    case prepared
    case exported
    case published
    case publicationFailed(String)
    /// The worker says why it gives up.
    case failed(String)
    /// The worker says that it has stopped as told.
    case stopped
    /// The worker's process is gone.
    case exited(WorkerExit)
    case cancelRequested
    case serverStopping
  }

  /// What is to be done about it.
  enum Action: Sendable, Hashable {
    case nothing
    /// Write the new state down.
    case record
    /// Write the new state down and tell the worker to stop.
    case cancelWorker
    /// Make a version of what was exported, then tell how that went.
    case publish
    /// Write the end down, with the reason when it failed.
    case end(JobState, reason: String)
    /// Write the end down only in memory: the publication has done it on disk.
    case endPublished
    /// Write down that the job waits again, and leave its worker.
    case requeue
  }

  /// The state that people see.
  var state: JobState {
    switch self {
    case .queued: .queued
    case .preparing: .preparing
    case .running, .publishing: .running
    case .cancelling: .cancelling
    case .ended(let state): state
    }
  }

  /// Takes an event in.
  mutating func handle(_ event: Event) -> Action {
    switch self {
    case .queued:
      switch event {
      case .started: return move(to: .preparing, .record)
      case .cancelRequested: return end(.cancelled)
      // What else comes is from the worker that was left when the server began to stop.
      default: return .nothing
      }

    case .preparing, .running:
      switch event {
      case .prepared where self == .preparing: return move(to: .running, .record)
      case .exported: return move(to: .publishing, .publish)
      case .failed(let reason): return end(.failed, reason)
      case .exited(let exit): return end(.failed, exit.description)
      case .stopped: return end(.failed, "the worker process stopped without having been told to")
      case .cancelRequested: return move(to: .cancelling, .cancelWorker)
      case .serverStopping: return move(to: .queued, .requeue)
      case .started, .prepared, .published, .publicationFailed: return .nothing
      }

    case .publishing:
      switch event {
      case .published:
        self = .ended(.succeeded)
        return .endPublished
      case .publicationFailed(let reason): return end(.failed, reason)
      // Too late to cancel: the version may be there already.
      default: return .nothing
      }

    case .cancelling:
      switch event {
      // However the worker ends now, and even if it was faster: it was told to stop.
      case .stopped, .exited, .failed, .exported, .serverStopping: return end(.cancelled)
      default: return .nothing
      }

    case .ended:
      return .nothing
    }
  }

  private mutating func move(to phase: JobPhase, _ action: Action) -> Action {
    self = phase
    return action
  }

  private mutating func end(_ state: JobState, _ reason: String = "") -> Action {
    self = .ended(state)
    return .end(state, reason: reason)
  }
}
