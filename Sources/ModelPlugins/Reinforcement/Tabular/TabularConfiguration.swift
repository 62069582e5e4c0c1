// SPDX-License-Identifier: Apache-2.0

/// What `q-learning` and `sarsa` are told: where, how long and how to learn a table of values.
struct TabularConfiguration: Sendable, Hashable {
  var environment: EnvironmentConfiguration
  var exploration: Exploration
  var rewards: RewardShaping
  /// How far a value moves toward what was seen, in the first episode.
  var learningRate: Double
  /// The same in the last episode; in between it changes in a straight line.
  var finalLearningRate: Double
  /// What a reward one step later is worth.
  var discount: Double
  /// What every value begins as.
  var initialValue: Double
  var epochs: Int
  var episodesPerEpoch: Int
  /// Greedy episodes after each epoch; 0 for none.
  var evaluationEpisodes: Int
  var maxBatchSize: Int
  /// The whole configuration as it came, for a checkpoint to be compared with.
  var source: JSONValue

  /// Environments whose observations are states.
  static let environments: [EnvironmentConfiguration.Name] = [
    .frozenLake, .cliffWalking, .taxi, .remote,
  ]

  /// 1 GiB of values in double precision.
  private static let maxValueCount = 1 << 27

  /// Reads and checks a configuration.
  ///
  /// - Throws: `.invalidArgument` with a violation for each field that is wrong.
  init(parsing text: String) throws(PluginError) {
    source = try JSONValue(parsing: text, name: "configuration")
    let list = ViolationList()
    let fields = FieldReader(
      source, path: "configuration",
      keys: [
        "environment", "exploration", "rewards", "learning_rate", "final_learning_rate", "discount",
        "initial_value", "epochs", "episodes_per_epoch", "evaluation_episodes", "serving",
      ], list: list)
    let environment = EnvironmentConfiguration(fields, list, allowed: Self.environments)
    exploration = Exploration(fields, list)
    rewards = RewardShaping(fields, list)
    learningRate = fields.number("learning_rate", "a number above 0, at most 1", default: 0.1) {
      $0 > 0 && $0 <= 1
    }
    finalLearningRate = fields.number(
      "final_learning_rate", "a number above 0, at most 1", default: learningRate
    ) { $0 > 0 && $0 <= 1 }
    discount = fields.probability("discount", default: 0.99)
    initialValue = fields.number(
      "initial_value", "a number from -1000000 to 1000000", default: 0
    ) { abs($0) <= 1e6 }
    epochs = fields.integer("epochs", 1...100_000, default: 20)
    episodesPerEpoch = fields.integer("episodes_per_epoch", 1...100_000_000, default: 500)
    let isRemote = environment?.demand != nil
    evaluationEpisodes = fields.integer(
      "evaluation_episodes", 0...1_000_000, default: isRemote ? 0 : 100)
    let serving = FieldReader(
      fields["serving"] ?? .object([]), path: fields.field("serving"), keys: ["max_batch_size"],
      list: list)
    maxBatchSize = serving.integer("max_batch_size", 1...4096, default: 64)
    if let environment {
      switch environment.specification.observation {
      case .states(let count):
        if count * environment.specification.actionCount > Self.maxValueCount {
          list.add(
            "configuration.environment.observation.count",
            "expected at most \(Self.maxValueCount) pairs of a state and an action, came"
              + " \(count * environment.specification.actionCount)")
        }
      case .box:
        list.add(
          "configuration.environment.observation.type",
          "expected \"states\", because a table has a row for each state; dqn takes \"box\"")
      }
    }
    try list.check()
    guard let environment else {
      throw PluginError(field: "configuration.environment", "expected an object")
    }
    self.environment = environment
  }

  /// How many states a table has.
  var stateCount: Int {
    if case .states(let count) = environment.specification.observation { count } else { 0 }
  }

  /// How many actions a table has.
  var actionCount: Int { environment.specification.actionCount }
}
