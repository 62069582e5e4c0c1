// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Where one call of a trainer reports to: thins reports out and latches cancellation.
///
/// `report` and `finish` are used on the thread of the call; `isCancelled` from any.
final class TrainingObserver {
  /// A person sees no more than this many reports, and a socket need not carry more.
  static let reportInterval: Duration = .milliseconds(100)

  /// The metrics that the call ended with.
  private(set) var results: [TrainingMetric] = []

  private let progress: (TrainingProgress) -> Bool
  private let cancellation: @Sendable () -> Bool
  private let stopped = Atomic<Bool>(false)
  private var nextReport: ContinuousClock.Instant
  private let now: () -> ContinuousClock.Instant

  init(
    isCancelled: @escaping @Sendable () -> Bool, progress: @escaping (TrainingProgress) -> Bool,
    now: @escaping () -> ContinuousClock.Instant = { ContinuousClock.now }
  ) {
    self.cancellation = isCancelled
    self.progress = progress
    self.now = now
    self.nextReport = now()
  }

  /// Reports progress if the last report is long enough ago.
  ///
  /// False: stop.
  ///
  /// `metrics` is not evaluated for a report that is thinned out.
  func report(samplesDone: Int, metrics: () -> [TrainingMetric]) -> Bool {
    if isCancelled { return false }
    let time = now()
    guard time >= nextReport else { return true }
    nextReport = time + Self.reportInterval
    guard progress(TrainingProgress(samplesDone: samplesDone, metrics: metrics())) else {
      stopped.store(true, ordering: .relaxed)
      return false
    }
    return true
  }

  /// Sets the metrics that the call ends with.
  func finish(_ metrics: [TrainingMetric]) {
    results = metrics
  }

  /// Whether the call should stop.
  var isCancelled: Bool {
    stopped.load(ordering: .relaxed) || cancellation()
  }
}
