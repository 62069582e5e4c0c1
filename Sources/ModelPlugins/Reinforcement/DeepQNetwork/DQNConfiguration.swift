// SPDX-License-Identifier: Apache-2.0
import Runtime

/// What `dqn` is told: where, how long and how to learn a network of action values.
///
/// Mnih et al., "Human-level control through deep reinforcement learning", 2015.
struct DQNConfiguration: Sendable, Hashable {
  /// How transitions are remembered.
  struct Replay: Sendable, Hashable {
    /// How they are drawn.
    enum Kind: String, Sendable, Hashable, CaseIterable {
      case uniform
      /// In proportion to their errors (Schaul et al., "Prioritized experience replay", 2016).
      case prioritised
    }

    var kind: Kind
    var capacity: Int
    /// How much an error counts: 0 not at all, 1 in proportion.
    var alpha: Double
    /// How much of the bias is corrected at the beginning; 1 at the end.
    var initialBeta: Double
  }

  /// Which network is exported.
  enum Keep: String, Sendable, Hashable, CaseIterable {
    /// That of the epoch with the best evaluation.
    case best
    case last
  }

  var environment: EnvironmentConfiguration
  var exploration: Exploration
  var rewards: RewardShaping
  /// Units of each hidden layer.
  var hidden: [Int]
  /// Whether value and advantages have streams of their own.
  var isDuelling: Bool
  /// Whether the network that learns chooses the action whose value the target network gives
  /// (van Hasselt, Guez and Silver, "Deep reinforcement learning with double Q-learning", 2016).
  var isDouble: Bool
  var loss: TemporalDifferenceLoss
  var learningRate: Double
  /// The largest norm of all gradients together; nil for no bound.
  var maxGradientNorm: Double?
  var discount: Double
  var batchSize: Int
  var replay: Replay
  /// Steps in the environments before the first step of learning.
  var learningStarts: Int
  /// Steps in the environments between two rounds of learning.
  var trainFrequency: Int
  /// Steps of learning in a round.
  var gradientSteps: Int
  /// Steps in the environments between two updates of the target network.
  var targetInterval: Int
  /// How far the target network follows.
  var targetRate: Double
  var epochs: Int
  /// Steps in the environments.
  var stepsPerEpoch: Int
  var evaluationEpisodes: Int
  var keep: Keep
  var maxBatchSize: Int
  /// The whole configuration as it came, for a checkpoint to be compared with.
  var source: JSONValue

  static let environments: [EnvironmentConfiguration.Name] = [.cartPole, .remote]

  /// Reads and checks a configuration.
  ///
  /// - Throws: `.invalidArgument` with a violation for each field that is wrong.
  init(parsing text: String) throws(PluginError) {
    source = try JSONValue(parsing: text, name: "configuration")
    let list = ViolationList()
    let fields = FieldReader(source, path: "configuration", keys: Self.keys, list: list)
    let environment = EnvironmentConfiguration(fields, list, allowed: Self.environments)
    exploration = Exploration(fields, list, policies: [.epsilonGreedy])
    rewards = RewardShaping(fields, list)
    let network = FieldReader(
      fields["network"] ?? .object([]), path: fields.field("network"),
      keys: ["hidden", "duelling"], list: list)
    hidden = network.units("hidden", default: [64, 64])
    isDuelling = network.bool("duelling", default: false)
    isDouble = fields.bool("double", default: true)
    loss = fields.choice("loss", default: .huber) ?? .huber
    learningRate = fields.number(
      "learning_rate", "a number above 0, at most 1", default: 0.001
    ) { $0 > 0 && $0 <= 1 }
    let norm = fields.number(
      "max_gradient_norm", "a number of 0 or more; 0 for no bound", default: 10
    ) { $0 >= 0 }
    maxGradientNorm = norm > 0 ? norm : nil
    discount = fields.probability("discount", default: 0.99)
    batchSize = fields.integer("batch_size", 1...65536, default: 64)
    replay = Replay(fields, list)
    learningStarts = fields.integer("learning_starts", 1...1 << 30, default: 1000)
    trainFrequency = fields.integer("train_frequency", 1...1 << 20, default: 4)
    gradientSteps = fields.integer("gradient_steps", 1...1 << 20, default: 1)
    targetInterval = fields.integer("target_update_interval", 1...1 << 30, default: 500)
    targetRate = fields.number(
      "target_update_rate", "a number above 0, at most 1", default: 1
    ) { $0 > 0 && $0 <= 1 }
    epochs = fields.integer("epochs", 1...100_000, default: 10)
    stepsPerEpoch = fields.integer("steps_per_epoch", 1...1 << 30, default: 5000)
    evaluationEpisodes = fields.integer(
      "evaluation_episodes", 0...100_000, default: environment?.demand == nil ? 20 : 0)
    keep = fields.choice("keep", default: .best) ?? .best
    let serving = FieldReader(
      fields["serving"] ?? .object([]), path: fields.field("serving"), keys: ["max_batch_size"],
      list: list)
    maxBatchSize = serving.integer("max_batch_size", 1...4096, default: 64)
    if let environment, case .states = environment.specification.observation {
      list.add(
        "configuration.environment.observation.type",
        "expected \"box\", because a network takes numbers; q-learning takes \"states\"")
    }
    if learningStarts < batchSize {
      list.add(
        "configuration.learning_starts",
        "expected at least batch_size, \(batchSize), came \(learningStarts)")
    }
    if replay.capacity < batchSize {
      list.add(
        "configuration.replay.capacity",
        "expected at least batch_size, \(batchSize), came \(replay.capacity)")
    }
    try list.check()
    guard let environment else {
      throw PluginError(field: "configuration.environment", "expected an object")
    }
    self.environment = environment
  }

  private static let keys = [
    "environment", "exploration", "rewards", "network", "double", "loss", "learning_rate",
    "max_gradient_norm", "discount", "batch_size", "replay", "learning_starts", "train_frequency",
    "gradient_steps", "target_update_interval", "target_update_rate", "epochs", "steps_per_epoch",
    "evaluation_episodes", "keep", "serving",
  ]

  /// The network that is asked for.
  var network: QNetwork.Description {
    let specification = environment.specification
    var shape = [1]
    if case .box(let extents) = specification.observation { shape = extents }
    return QNetwork.Description(
      observationShape: shape, actionCount: specification.actionCount, hidden: hidden,
      isDuelling: isDuelling, maxBatchSize: maxBatchSize)
  }
}

extension DQNConfiguration.Replay {
  fileprivate init(_ outer: FieldReader, _ list: ViolationList) {
    let fields = FieldReader(
      outer["replay"] ?? .object([]), path: outer.field("replay"),
      keys: ["type", "capacity", "alpha", "initial_beta"], list: list)
    kind = fields.choice("type", default: .uniform) ?? .uniform
    capacity = fields.integer("capacity", 1...1 << 24, default: 50_000)
    alpha = fields.probability("alpha", default: 0.6)
    initialBeta = fields.probability("initial_beta", default: 0.4)
  }
}

extension FieldReader {
  /// The units of one to eight layers.
  func units(_ key: String, default units: [Int]) -> [Int] {
    guard let value = self[key] else { return units }
    if case .array(let elements) = value, (1...8).contains(elements.count) {
      let units = elements.compactMap { element -> Int? in
        guard case .number(_, let text) = element, let count = Int(text),
          (1...4096).contains(count)
        else { return nil }
        return count
      }
      if units.count == elements.count { return units }
    }
    refuse(key, "expected 1 to 8 integers in 1...4096, came \(value.excerpt)")
    return units
  }
}
