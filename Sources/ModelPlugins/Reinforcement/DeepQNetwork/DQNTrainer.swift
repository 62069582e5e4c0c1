// SPDX-License-Identifier: Apache-2.0
import Runtime

/// A training run of `dqn`: epochs of steps in environments that make them together.
///
/// Everything is a function of the seed, of counters and of what the environments answer, so a run
/// on built-in environments may be interrupted between epochs without changing a bit. Environments
/// that live elsewhere begin anew after an interruption.
final class DQNTrainer: EnvironmentLearner {
  let epochCount: Int
  /// Steps in the environments.
  let sampleCount: Int
  /// Only whole epochs are trained.
  let stepCount = 0

  let configuration: DQNConfiguration
  let network: QNetwork.Description
  let learner: DQNLearner
  let description: CheckpointDescription
  var curve = LearningCurve()
  /// Steps in the environments, in all.
  var steps: UInt64 = 0
  /// Steps of learning, in all.
  var learningSteps: UInt64 = 0
  /// Episodes that were begun, in all.
  var episodes: UInt64 = 0
  /// The episodes under way, one for each environment; empty before the first step.
  var slots: [Slot] = []
  /// The last observations, one after the other.
  var observations: UnsafeMutableBufferPointer<Float>
  /// The weights of the best evaluation and what it gave.
  var best: (value: Double, weights: [UInt8])?

  private(set) var environments: (any VectorEnvironment)?
  private let seed: UInt64
  private let exploring: Philox
  private let next: UnsafeMutableBufferPointer<Float>
  private let limit: StepLimit
  private let elementCount: Int

  /// An episode under way.
  struct Slot {
    var total = 0.0
    var steps = 0
  }

  /// Streams of the training's chance, beside those of the network's first weights.
  private enum Stream {
    static let exploration: UInt64 = 1
    static let replay: UInt64 = 2
    static let episodes: UInt64 = 3
    static let evaluation: UInt64 = 4
    /// Keeps the key apart from that of the weights.
    static let key: UInt64 = 0x6D61_7373_6966_2D72
  }

  private static let maxEvaluationCount = 64

  init(
    _ text: String, seed: UInt64, workers: WorkerPool, instructionSet: InstructionSet
  ) throws(PluginError) {
    let configuration = try DQNConfiguration(parsing: text)
    let key = seed ^ Stream.key
    self.configuration = configuration
    self.seed = seed
    network = configuration.network
    elementCount = network.elementCount
    epochCount = configuration.epochs
    sampleCount = configuration.stepsPerEpoch
    limit = configuration.environment.stepLimit
    exploring = Philox(key: key, stream: Stream.exploration)
    description = CheckpointDescription(
      format: "massif.dqn.checkpoint/1", seed: seed, configuration: configuration.source)
    let count = configuration.environment.count
    learner = try DQNLearner(
      configuration, seed: seed,
      environmentCount: max(count, min(Self.maxEvaluationCount, configuration.evaluationEpisodes)),
      random: Philox(key: key, stream: Stream.replay), workers: workers,
      instructionSet: instructionSet)
    observations = .allocate(capacity: count * network.elementCount)
    observations.initialize(repeating: 0)
    next = .allocate(capacity: count * network.elementCount)
    next.initialize(repeating: 0)
    if configuration.environment.demand == nil {
      environments = CartPoleEnvironments(count: count, seed: key, stream: Stream.episodes)
    }
  }

  deinit {
    observations.deallocate()
    next.deallocate()
  }

  var environmentDemand: EnvironmentDemand? { configuration.environment.demand }

  func connect(_ exchange: any EnvironmentExchange) {
    connect(
      RemoteEnvironments(configuration.environment.specification, seed: seed, exchange: exchange))
  }

  /// Has it learn in environments that are not its own.
  func connect(_ environments: any VectorEnvironment) {
    self.environments = environments
  }

  func trainEpoch(_ epoch: Int, observer: TrainingObserver) throws(PluginError) {
    guard let environments else {
      throw PluginError(
        .failedPrecondition, "the training asks for environments, and nobody lends any")
    }
    var totals = EpisodeTotals()
    var losses = (sum: 0.0, count: 0)
    func metrics() -> [TrainingMetric] {
      totals.metrics
        + [TrainingMetric(name: "loss", value: losses.sum / Double(max(losses.count, 1)))]
    }
    if slots.isEmpty {
      slots = Array(repeating: Slot(), count: environments.count)
      try begin(Array(slots.indices), environments)
    }
    var done = 0
    while done < sampleCount {
      let count = min(slots.count, sampleCount - done)
      try step(count, environments, &totals)
      done += count
      try learn(after: count, &losses)
      guard observer.report(samplesDone: done, metrics: metrics) else {
        throw PluginError(.cancelled, "training was cancelled in epoch \(epoch)")
      }
    }
    var point = LearningCurve.Point(
      meanReturn: totals.meanReturn, meanSteps: totals.meanSteps,
      exploration: configuration.exploration.value(at: progress))
    if configuration.evaluationEpisodes > 0 {
      point.evaluation = try evaluate(observer, environments)
      try keepBest(point)
    }
    curve.points.append(point)
    observer.finish(metrics() + [TrainingMetric(name: "epsilon", value: point.exploration)])
  }

  func trainStep(_ step: Int, epoch: Int, observer: TrainingObserver) throws(PluginError) {
    throw PluginError(.unimplemented, "dqn trains whole epochs only")
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

  // MARK: Steps

  /// The part of the training that is done.
  private var progress: Double { Double(steps) / (Double(sampleCount) * Double(epochCount)) }

  /// Makes a step in each of the first environments.
  private func step(
    _ count: Int, _ environments: any VectorEnvironment, _ totals: inout EpisodeTotals
  ) throws(PluginError) {
    let indices = Array(0..<count)
    let actions = try choose(count)
    let outcomes = try environments.step(indices, actions: actions, into: base(next))
    var ended: [Int] = []
    for index in indices {
      guard !outcomes[index].isVoid else {
        slots[index] = Slot()
        continue
      }
      slots[index].steps += 1
      let outcome = try limit.apply(to: outcomes[index], step: slots[index].steps, slot: index)
      slots[index].total += outcome.reward
      learner.remember(
        base(observations) + index * elementCount, action: actions[index],
        reward: configuration.rewards.shaped(
          outcome.reward, terminated: outcome.terminated, truncated: outcome.truncated),
        next: base(next) + index * elementCount, terminated: outcome.terminated)
      if outcome.ends {
        totals.add(.init(total: slots[index].total, steps: slots[index].steps))
        ended.append(index)
      }
    }
    base(observations).update(from: base(next), count: count * elementCount)
    steps += UInt64(count)
    if !ended.isEmpty { try begin(ended, environments) }
  }

  /// Begins episodes.
  private func begin(
    _ indices: [Int], _ environments: any VectorEnvironment
  ) throws(PluginError) {
    let numbers = indices.indices.map { episodes + UInt64($0) }
    episodes += UInt64(indices.count)
    try environments.reset(indices, episodes: numbers, into: base(next))
    for (position, index) in indices.enumerated() {
      slots[index] = Slot()
      (base(observations) + index * elementCount).update(
        from: base(next) + position * elementCount, count: elementCount)
    }
  }

  /// An action for each of the first environments: any with probability ε, the best one otherwise.
  private func choose(_ count: Int) throws(PluginError) -> [Int] {
    let epsilon = configuration.exploration.value(at: progress)
    var actions = Array(repeating: -1, count: count)
    var isGreedy = false
    for index in 0..<count {
      let words = exploring.words(ofBlock: steps + UInt64(index))
      if words.0.uniform < epsilon {
        actions[index] = Int(words.1.uniform * Double(network.actionCount))
      } else {
        isGreedy = true
      }
    }
    guard isGreedy else { return actions }
    let values = try learner.values(base(observations), rows: count)
    for index in 0..<count where actions[index] < 0 {
      actions[index] = greedy(values + index * network.actionCount)
    }
    return actions
  }

  private func greedy(_ row: UnsafePointer<Float>) -> Int {
    var best = 0
    for action in 1..<network.actionCount where row[action] > row[best] { best = action }
    return best
  }

  /// Learns as often as the last `count` steps ask for.
  private func learn(
    after count: Int, _ losses: inout (sum: Double, count: Int)
  ) throws(PluginError) {
    let rounds = Self.multiples(of: configuration.trainFrequency, steps, last: count)
    if steps >= UInt64(configuration.learningStarts) {
      let first = learningSteps
      learningSteps += UInt64(rounds * configuration.gradientSteps)
      losses.sum += try learner.learn(steps: first..<learningSteps, progress: progress)
      losses.count += rounds * configuration.gradientSteps
      guard losses.sum.isFinite else {
        throw PluginError(
          .failedPrecondition,
          "the loss is not finite any more; expected smaller rewards (configuration.rewards.scale)"
            + " or a smaller configuration.learning_rate")
      }
    }
    for _ in 0..<Self.multiples(of: configuration.targetInterval, steps, last: count) {
      learner.updateTarget()
    }
  }

  /// How many multiples of an interval the last steps have passed.
  private static func multiples(of interval: Int, _ steps: UInt64, last count: Int) -> Int {
    Int(steps) / interval - (Int(steps) - count) / interval
  }

  private func base(
    _ buffer: UnsafeMutableBufferPointer<Float>
  ) -> UnsafeMutablePointer<Float> {
    // SAFETY: there is at least one environment, and an observation has at least one number.
    buffer.baseAddress.unsafelyUnwrapped
  }

  // MARK: Evaluation

  /// The mean return of episodes played by the best actions.
  private func evaluate(
    _ observer: TrainingObserver, _ training: any VectorEnvironment
  ) throws(PluginError) -> Double {
    let isRemote = environmentDemand != nil
    let count = configuration.evaluationEpisodes
    let environments: any VectorEnvironment =
      isRemote
      ? training
      : CartPoleEnvironments(
        count: min(count, Self.maxEvaluationCount), seed: seed ^ Stream.key,
        stream: Stream.evaluation)
    let memory = UnsafeMutablePointer<Float>.allocate(
      capacity: environments.count * elementCount)
    defer { memory.deallocate() }
    // The episodes of training are given up where the environments are the same.
    if isRemote { slots = [] }
    var totals = EpisodeTotals()
    while totals.count < count {
      var active = Array(0..<min(environments.count, count - totals.count))
      let first = UInt64(totals.count)
      try environments.reset(active, episodes: active.map { first + UInt64($0) }, into: memory)
      var running = active.map { _ in TabularSimulation.Episode() }
      while !active.isEmpty {
        guard !observer.isCancelled else {
          throw PluginError(.cancelled, "evaluation was cancelled")
        }
        let values = try learner.values(memory, rows: active.count)
        let actions = active.indices.map { greedy(values + $0 * network.actionCount) }
        let outcomes = try environments.step(active, actions: actions, into: memory)
        var kept = 0
        for position in active.indices {
          if outcomes[position].isVoid {
            running[position] = TabularSimulation.Episode()
          } else {
            running[position].steps += 1
            let outcome = try limit.apply(
              to: outcomes[position], step: running[position].steps, slot: active[position])
            running[position].total += outcome.reward
            if outcome.ends {
              totals.add(running[position])
              continue
            }
          }
          if kept != position {
            (active[kept], running[kept]) = (active[position], running[position])
            (memory + kept * elementCount).update(
              from: memory + position * elementCount, count: elementCount)
          }
          kept += 1
        }
        active.removeLast(active.count - kept)
        running.removeLast(running.count - kept)
      }
    }
    return totals.meanReturn
  }

  private func keepBest(_ point: LearningCurve.Point) throws(PluginError) {
    guard configuration.keep == .best, let value = point.evaluation,
      value >= best?.value ?? -.infinity
    else { return }
    do throws(RuntimeError) {
      best = (value, try learner.session.parameters.encode())
    } catch {
      throw PluginError(error)
    }
  }
}
