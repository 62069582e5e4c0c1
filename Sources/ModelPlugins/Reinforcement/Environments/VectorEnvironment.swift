// SPDX-License-Identifier: Apache-2.0

/// What came of a step beside the observation.
struct StepOutcome: Sendable, Hashable {
  var reward: Double
  /// The episode has come to its end; nothing follows that has a value.
  var terminated: Bool
  /// The episode was cut off; what would have followed has a value.
  var truncated: Bool
  /// The environment was replaced instead of making the step: there is nothing to learn, and the
  /// observation begins another episode.
  var isVoid = false

  var ends: Bool { terminated || truncated }
}

/// Some environments that make their steps together.
///
/// Slots are handled in the order in which they are named, so a training is a function of what the
/// environments answer and not of when they do.
protocol VectorEnvironment: AnyObject {
  /// How many there are: slots 0 ..< count.
  var count: Int { get }
  /// Numbers in one observation.
  var elementCount: Int { get }

  /// Begins an episode in each of these slots.
  ///
  /// - Parameters:
  ///   - episodes: the number of each slot's episode, which its chance depends on.
  ///   - observations: takes the observations, one after the other.
  func reset(
    _ slots: [Int], episodes: [UInt64], into observations: UnsafeMutablePointer<Float>
  ) throws(PluginError)

  /// Makes a step in each of these slots.
  func step(
    _ slots: [Int], actions: [Int], into observations: UnsafeMutablePointer<Float>
  ) throws(PluginError) -> [StepOutcome]
}

/// Cuts off episodes that are too long.
struct StepLimit: Sendable, Hashable {
  /// The most steps of an episode.
  var steps: Int
  /// Whether a longer episode is an error instead of being cut off.
  var isFatal = false

  /// The outcome of an episode's `step`-th step under the limit.
  func apply(
    to outcome: StepOutcome, step: Int, slot: Int
  ) throws(PluginError) -> StepOutcome {
    guard step >= steps, !outcome.ends else { return outcome }
    guard !isFatal else {
      throw PluginError(
        .failedPrecondition,
        "environment \(slot): an episode has not ended after \(steps) steps; expected terminated or"
          + " truncated by then, or configuration.environment.at_step_limit \"truncate\"")
    }
    var outcome = outcome
    outcome.truncated = true
    return outcome
  }
}
