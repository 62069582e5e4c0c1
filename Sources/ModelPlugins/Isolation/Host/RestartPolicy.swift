// SPDX-License-Identifier: Apache-2.0

/// When a worker that has ended is started again: at once the first time, then after pauses that
/// double.
public struct RestartPolicy: Sendable, Hashable {
  /// The pause before the second start in a row.
  public var firstDelay = Duration.milliseconds(100)
  /// No pause is longer.
  public var maxDelay = Duration.seconds(10)
  /// A worker that ran so long counts as healthy: its end is a first one again.
  public var healthyAfter = Duration.seconds(30)

  /// The defaults.
  public init() {}

  /// The pause after the `count`th end in a row, counted from 1.
  public func delay(afterEnd count: Int) -> Duration {
    guard count > 1 else { return .zero }
    // Beyond some dozen doublings the longest pause is reached in any case.
    return min(maxDelay, firstDelay * (1 << min(count - 2, 20)))
  }
}
