// SPDX-License-Identifier: Apache-2.0
import Runtime

/// How long one end of a slot looks for the other's answer before it sleeps.
enum SpinBudget {
  private static let isWorthwhile = WorkerPool.availableProcessors > 1

  /// The host, which waits for an answer.
  ///
  /// Waking a sleeping thread costs about as much, so that a spin at most doubles what a call costs.
  static let hostNanoseconds: Int64 = isWorthwhile ? 40_000 : 0
  /// The worker, which waits for the next call: long enough to see the next of a row.
  static let workerNanoseconds: Int64 = isWorthwhile ? 60_000 : 0
}
