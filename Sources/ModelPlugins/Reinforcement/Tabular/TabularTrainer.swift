// SPDX-License-Identifier: Apache-2.0
import Runtime

/// A training run of `q-learning` or `sarsa`: epochs of episodes, each a function of the seed, its
/// number and the values before it.
final class TabularTrainer: EnvironmentLearner {
  let epochCount: Int
  /// Episodes.
  let sampleCount: Int
  /// Only whole epochs are trained.
  let stepCount = 0

  let rule: TabularRule
  let configuration: TabularConfiguration
  let values: ActionValues
  let description: CheckpointDescription
  var curve = LearningCurve()

  private let seed: UInt64
  private let simulation: TabularSimulation?
  private var remote: TabularRemoteLearning?

  /// Streams of one seed: the episodes of training and those of evaluation.
  private static let evaluationStream: UInt64 = 1 << 62

  init(_ rule: TabularRule, configuration text: String, seed: UInt64) throws(PluginError) {
    let configuration = try TabularConfiguration(parsing: text)
    self.rule = rule
    self.configuration = configuration
    self.seed = seed
    description = CheckpointDescription(
      format: "massif.\(rule.rawValue).checkpoint/1", seed: seed,
      configuration: configuration.source)
    epochCount = configuration.epochs
    sampleCount = configuration.episodesPerEpoch
    values = ActionValues(
      stateCount: configuration.stateCount, actionCount: configuration.actionCount,
      initialValue: configuration.initialValue)
    simulation = configuration.environment.table.map {
      TabularSimulation(table: $0, maxSteps: configuration.environment.maxEpisodeSteps)
    }
  }

  var environmentDemand: EnvironmentDemand? { configuration.environment.demand }

  func connect(_ exchange: any EnvironmentExchange) {
    connect(
      RemoteEnvironments(configuration.environment.specification, seed: seed, exchange: exchange))
  }

  /// Has it learn in environments that are not its own.
  func connect(_ environments: any VectorEnvironment) {
    remote = TabularRemoteLearning(
      environments: environments, limit: configuration.environment.stepLimit,
      stateCount: configuration.stateCount, seed: seed)
  }

  func trainEpoch(_ epoch: Int, observer: TrainingObserver) throws(PluginError) {
    let first = UInt64(epoch - 1) * UInt64(sampleCount)
    var totals = EpisodeTotals()
    func finish(_ episode: TabularSimulation.Episode) -> Bool {
      totals.add(episode)
      return observer.report(samplesDone: totals.count) { totals.metrics }
    }
    if let simulation {
      for episode in first..<first + UInt64(sampleCount) {
        let result = simulation.learn(
          values, terms(episode), random: Philox(key: seed, stream: episode))
        // Short episodes cost less than a look at the clock.
        totals.add(result)
        guard
          totals.count % 16 != 0
            || observer.report(samplesDone: totals.count, metrics: { totals.metrics })
        else { throw Self.cancelled(epoch) }
      }
    } else {
      guard let remote else { throw Self.withoutEnvironments }
      try remote.run(
        values, episodes: sampleCount, first: first, stream: 0, terms: terms, ended: finish)
    }
    var point = LearningCurve.Point(
      meanReturn: totals.meanReturn, meanSteps: totals.meanSteps,
      exploration: terms(first + UInt64(sampleCount) - 1).level)
    if configuration.evaluationEpisodes > 0 {
      point.evaluation = try greedyReturn(observer)
    }
    curve.points.append(point)
    let name = configuration.exploration.policy == .softmax ? "temperature" : "epsilon"
    observer.finish(
      totals.metrics + [TrainingMetric(name: name, value: point.exploration)])
  }

  func trainStep(_ step: Int, epoch: Int, observer: TrainingObserver) throws(PluginError) {
    throw PluginError(.unimplemented, "\(rule.rawValue) trains whole epochs only")
  }

  func evaluate(split: String, observer: TrainingObserver) throws(PluginError) {
    guard split == "test" else {
      throw PluginError(.notFound, "an environment has no split \(split), only test")
    }
    guard let value = curve.points.last?.evaluation else {
      throw PluginError(.unimplemented, "no evaluation was asked for")
    }
    observer.finish([TrainingMetric(name: "mean_return", value: value)])
  }

  /// The mean return of episodes played by the best actions.
  private func greedyReturn(_ observer: TrainingObserver) throws(PluginError) -> Double {
    let count = configuration.evaluationEpisodes
    var totals = EpisodeTotals()
    guard let simulation else {
      guard let remote else { throw Self.withoutEnvironments }
      try remote.run(
        values, episodes: count, first: 0, stream: Self.evaluationStream, terms: { _ in nil }
      ) { episode in
        totals.add(episode)
        return !observer.isCancelled
      }
      return totals.meanReturn
    }
    for episode in 0..<UInt64(count) {
      totals.add(
        simulation.play(values, random: Philox(key: seed, stream: Self.evaluationStream | episode)))
      if episode % 16 == 0, observer.isCancelled {
        throw PluginError(.cancelled, "evaluation was cancelled")
      }
    }
    return totals.meanReturn
  }

  private func terms(_ episode: UInt64) -> TabularSimulation.Terms {
    let progress = Double(episode) / Double(max(1, epochCount * sampleCount - 1))
    let rate = configuration.learningRate
    return TabularSimulation.Terms(
      rule: rule, policy: configuration.exploration.policy,
      level: configuration.exploration.value(at: progress),
      learningRate: rate + (configuration.finalLearningRate - rate) * progress,
      discount: configuration.discount, rewards: configuration.rewards)
  }

  private static func cancelled(_ epoch: Int) -> PluginError {
    PluginError(.cancelled, "training was cancelled in epoch \(epoch)")
  }

  private static let withoutEnvironments = PluginError(
    .failedPrecondition, "the training asks for environments, and nobody lends any")
}

/// Sums over the episodes of an epoch.
struct EpisodeTotals {
  private(set) var count = 0
  private var total = 0.0
  private var steps = 0

  mutating func add(_ episode: TabularSimulation.Episode) {
    count += 1
    total += episode.total
    steps += episode.steps
  }

  var meanReturn: Double { total / Double(max(count, 1)) }
  var meanSteps: Double { Double(steps) / Double(max(count, 1)) }

  var metrics: [TrainingMetric] {
    [
      TrainingMetric(name: "mean_return", value: meanReturn),
      TrainingMetric(name: "mean_steps", value: meanSteps),
    ]
  }
}
