// SPDX-License-Identifier: Apache-2.0

/// An environment of the caller's, in which a training on the server learns.
///
/// It is used by one task at a time. An error that it throws fails the training, with its text as the
/// reason.
public protocol Environment {
  /// Begins an episode.
  ///
  /// - Parameter seed: what its chance shall derive from; nil to go on with the chance that it has.
  mutating func reset(seed: UInt64?) async throws -> EnvironmentObservation

  /// Makes a step.
  mutating func step(_ action: Int) async throws -> EnvironmentStep
}

/// What an agent is told of its environment.
public enum EnvironmentObservation: Sendable, Hashable {
  /// The number of its state, from 0.
  case state(Int)
  /// A tensor, row by row.
  case box([Float])
}

/// What came of a step.
public struct EnvironmentStep: Sendable, Hashable {
  /// What is observed after it.
  public var observation: EnvironmentObservation
  /// What it brought.
  public var reward: Double
  /// Whether the episode has come to its end.
  public var terminated: Bool
  /// Whether the episode was cut off.
  public var truncated: Bool

  /// Makes the outcome of a step.
  public init(
    observation: EnvironmentObservation, reward: Double, terminated: Bool = false,
    truncated: Bool = false
  ) {
    self.observation = observation
    self.reward = reward
    self.terminated = terminated
    self.truncated = truncated
  }
}

/// What the environments of one training are like, as the job's configuration says.
public struct EnvironmentSpecification: Sendable, Hashable {
  /// What is observed.
  public enum Observation: Sendable, Hashable {
    /// One of so many states.
    case states(Int)
    /// A tensor of this shape.
    case box(shape: [Int])
  }

  /// What is observed.
  public var observation: Observation
  /// How many actions there are.
  public var actions: Int

  /// Makes a specification.
  public init(observation: Observation, actions: Int) {
    self.observation = observation
    self.actions = actions
  }
}
