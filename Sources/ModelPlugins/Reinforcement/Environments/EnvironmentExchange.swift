// SPDX-License-Identifier: Apache-2.0

/// What the environments of one training are like; all of them alike.
public struct EnvironmentSpecification: Sendable, Hashable {
  /// What an agent is told of its environment.
  public enum Observation: Sendable, Hashable {
    /// The number of its state, below this one.
    case states(Int)
    /// A tensor of FP32 of this shape.
    case box([Int])
  }

  /// What is observed.
  public var observation: Observation
  /// How many actions there are; they are numbered from 0.
  public var actionCount: Int
  /// How many environments there are.
  public var count: Int

  /// Makes a specification.
  public init(observation: Observation, actionCount: Int, count: Int) {
    self.observation = observation
    self.actionCount = actionCount
    self.count = count
  }

  /// Numbers in one observation: a state's number is one.
  public var elementCount: Int {
    switch observation {
    case .states: 1
    case .box(let shape): shape.reduce(1, *)
    }
  }
}

/// What an environment is told to do.
public struct EnvironmentCommand: Sendable, Hashable {
  /// What is to be done.
  public enum Order: Sendable, Hashable {
    /// Begin an episode; with a seed for the first time.
    case reset(seed: UInt64?)
    /// Make a step.
    case action(Int)
  }

  /// The environment, from 0.
  public var environment: Int
  /// What it shall do.
  public var order: Order

  /// Makes a command.
  public init(environment: Int, order: Order) {
    self.environment = environment
    self.order = order
  }
}

/// What came of a command.
public struct EnvironmentResult: Sendable, Hashable {
  /// The numbers of an observation, or the one number of a state.
  public var observation: [Float]
  /// After a step; 0 after a reset.
  public var reward: Double
  /// Whether the episode has come to its end.
  public var terminated: Bool
  /// Whether the episode was cut off.
  public var truncated: Bool

  /// Makes a result.
  public init(observation: [Float], reward: Double, terminated: Bool, truncated: Bool) {
    self.observation = observation
    self.reward = reward
    self.terminated = terminated
    self.truncated = truncated
  }
}

/// The way from a training to environments that live elsewhere.
///
/// Used by the thread that trains.
public protocol EnvironmentExchange: AnyObject {
  /// Has commands carried out, at most one for each environment, and waits for all results.
  ///
  /// - Returns: the results in the order of the commands, each as the specification says; nil when other
  ///   environments have taken the place of those before, and each has to begin with a reset.
  /// - Throws: `.cancelled` when the training is to stop, `.deadlineExceeded` when an answer is late
  ///   or nobody lends environments, `.aborted` when an environment has failed.
  func perform(_ commands: [EnvironmentCommand]) throws(PluginError) -> [EnvironmentResult]?
}

/// What a training asks of those who lend it environments.
public struct EnvironmentDemand: Sendable, Hashable {
  /// What the environments must be like.
  public var specification: EnvironmentSpecification
  /// How long an answer may take.
  public var answerLimit: Duration
  /// How long the training waits for somebody to lend environments, at first or again.
  public var attachLimit: Duration

  /// Makes a demand.
  public init(
    specification: EnvironmentSpecification, answerLimit: Duration, attachLimit: Duration
  ) {
    self.specification = specification
    self.answerLimit = answerLimit
    self.attachLimit = attachLimit
  }
}

/// A trainer that may learn in environments that live elsewhere.
protocol EnvironmentLearner: TrainerImplementation {
  /// What it asks for; nil when its environments are its own.
  var environmentDemand: EnvironmentDemand? { get }
  /// Called once before training, if it asks for environments.
  func connect(_ exchange: any EnvironmentExchange)
}
