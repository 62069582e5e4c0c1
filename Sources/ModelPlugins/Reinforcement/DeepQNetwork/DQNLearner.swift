// SPDX-License-Identifier: Apache-2.0
import Glibc
import Runtime

/// The networks of a DQN and how they learn from remembered transitions.
final class DQNLearner {
  let session: TrainingSession
  /// The parameters of the target network.
  let target: Parameters
  var replay: ReplayBuffer
  /// Of the transitions, to the power of alpha; nil where they are drawn uniformly.
  private(set) var priorities: SumTree?
  /// The largest priority so far: a new transition has it, so that each is seen soon.
  private(set) var largestPriority = 1.0

  private let configuration: DQNConfiguration
  private let actionCount: Int
  private let elementCount: Int
  private let acting: LivePlan
  private let targetPlan: LivePlan
  /// The transitions of one or more steps of learning.
  private let batch: ReplayBatch
  /// Steps whose transitions are drawn, and valued by the target network, together.
  private let foresight: Int
  private let random: Philox
  /// Whether the parameters have changed since `acting` looked at them.
  private var isStale = true
  private var places: [Int] = []

  /// Rows that the target network values together, where they can be known: more bring nothing.
  private static let maxForesightRows = 1024

  /// - Parameter environmentCount: rows of `values` at most, batches of learning apart.
  init(
    _ configuration: DQNConfiguration, seed: UInt64, environmentCount: Int, random: Philox,
    workers: WorkerPool, instructionSet: InstructionSet
  ) throws(PluginError) {
    var network = try QNetwork(configuration.network)
    let loss = try network.addLoss(configuration.loss)
    let rows = max(configuration.batchSize, environmentCount)
    // Draws by priority depend on the step before, uniform ones on nothing but the replay.
    foresight =
      configuration.replay.kind == .uniform
      ? max(1, min(configuration.gradientSteps, Self.maxForesightRows / configuration.batchSize))
      : 1
    do throws(RuntimeError) {
      let parameters = try Parameters(network.graph, seed: seed, instructionSet: instructionSet)
      target = try Parameters(network.graph, seed: seed, instructionSet: instructionSet)
      session = try TrainingSession(
        network.graph, loss: loss.loss, outputs: [loss.errors],
        optimizer: .adam(
          learningRate: Float(configuration.learningRate), beta1: 0.9, beta2: 0.999,
          epsilon: 1e-8, weightDecay: 0),
        rules: GradientRules(clipping: configuration.maxGradientNorm.map { .norm(Float($0)) }),
        parameters: parameters, maximumBatch: configuration.batchSize, seed: seed,
        workers: workers, instructionSet: instructionSet)
      acting = try LivePlan(
        network.graph, outputs: [network.values], parameters: parameters, maximumBatch: rows,
        workers: workers, instructionSet: instructionSet)
      targetPlan = try LivePlan(
        network.graph, outputs: [network.values], parameters: target,
        maximumBatch: foresight * configuration.batchSize, workers: workers,
        instructionSet: instructionSet)
    } catch {
      throw PluginError(error, field: "configuration.network")
    }
    self.configuration = configuration
    self.random = random
    actionCount = network.description.actionCount
    elementCount = network.description.elementCount
    replay = ReplayBuffer(
      capacity: configuration.replay.capacity, elementCount: network.description.elementCount)
    if configuration.replay.kind == .prioritised {
      priorities = SumTree(count: configuration.replay.capacity)
    }
    batch = ReplayBatch(
      size: foresight * configuration.batchSize, elementCount: network.description.elementCount)
  }

  /// Q(s, ·) for observations, by the network that learns; valid until the next call.
  func values(
    _ observations: UnsafePointer<Float>, rows: Int
  ) throws(PluginError) -> UnsafePointer<Float> {
    if isStale {
      acting.refresh()
      isStale = false
    }
    return try Self.run(acting, observations, rows * elementCount, rows: rows)
  }

  /// Remembers a transition.
  func remember(
    _ observation: UnsafePointer<Float>, action: Int, reward: Double,
    next: UnsafePointer<Float>, terminated: Bool
  ) {
    let place = replay.add(
      observation, action: action, reward: Float(reward), next: next, terminated: terminated)
    priorities?[place] = largestPriority
  }

  /// Makes steps of learning, between which nothing is remembered and the target network stays.
  ///
  /// - Parameters:
  ///   - steps: their numbers, which the draws depend on.
  ///   - progress: the part of the training that is done, 0 ... 1.
  /// - Returns: the sum of the losses.
  func learn(steps: Range<UInt64>, progress: Double) throws(PluginError) -> Double {
    var sum = 0.0
    var next = steps.lowerBound
    while next < steps.upperBound {
      let count = min(foresight, Int(steps.upperBound - next))
      draw(next, count: count, progress: progress)
      replay.gather(places, into: batch)
      let values = try Self.run(
        targetPlan, UnsafePointer(batch.nextObservations.baseAddress.unsafelyUnwrapped),
        places.count * elementCount, rows: places.count)
      for step in 0..<count {
        sum += Double(try learn(step * configuration.batchSize, values))
      }
      next += UInt64(count)
    }
    return sum
  }

  /// Moves the target network toward the one that learns.
  func updateTarget() {
    target.move(toward: session.parameters, rate: Float(configuration.targetRate))
    targetPlan.refresh()
  }

  /// Takes in that the parameters were replaced.
  func parametersReplaced() {
    isStale = true
    targetPlan.refresh()
  }

  // MARK: A step of learning

  /// Learns from the rows of the batch from `first` on.
  ///
  /// - Parameter theirs: Q(s', ·) by the target network, for the whole batch.
  private func learn(_ first: Int, _ theirs: UnsafePointer<Float>) throws(PluginError) -> Float {
    try setTargets(first, theirs)
    let count = configuration.batchSize
    let inputs = [
      Self.rows(batch.observations, first, count, width: elementCount),
      Self.rows(batch.actions, first, count), Self.rows(batch.targets, first, count),
      Self.rows(batch.weights, first, count),
    ]
    let loss: Float
    do throws(RuntimeError) {
      loss = try session.step(inputs, batch: count)
    } catch {
      throw PluginError(error)
    }
    isStale = true
    updatePriorities()
    return loss
  }

  /// Rows of a batch's memory.
  private static func rows<Element>(
    _ buffer: UnsafeMutableBufferPointer<Element>, _ first: Int, _ count: Int, width: Int = 1
  ) -> UnsafeRawBufferPointer {
    let size = width * MemoryLayout<Element>.stride
    return UnsafeRawBufferPointer(
      rebasing: UnsafeRawBufferPointer(buffer)[first * size..<(first + count) * size])
  }

  /// Draws the transitions of some steps.
  private func draw(_ step: UInt64, count: Int, progress: Double) {
    places.removeAll(keepingCapacity: true)
    let first = step * UInt64(configuration.batchSize)
    let size = count * configuration.batchSize
    guard let priorities, priorities.total > 0 else {
      for row in 0..<size {
        places.append(random.integer(at: first + UInt64(row), below: replay.count))
      }
      batch.weights.update(repeating: 1)
      return
    }
    // One draw from each of as many equal shares as there are rows (Schaul et al., appendix B.2.1).
    let share = priorities.total / Double(size)
    let beta = configuration.replay.initialBeta + (1 - configuration.replay.initialBeta) * progress
    var largest: Float = 0
    for row in 0..<size {
      let uniform = random.word(at: first + UInt64(row)).uniform
      let place = min(
        priorities.leaf(at: (Double(row) + uniform) * share), replay.count - 1)
      places.append(place)
      let probability = max(priorities[place] / priorities.total, .leastNormalMagnitude)
      let weight = Float(pow(Double(replay.count) * probability, -beta))
      batch.weights[row] = weight
      largest = max(largest, weight)
    }
    for row in 0..<size { batch.weights[row] /= largest }
  }

  /// r + γ Q'(s', a'), where a' is what the target network, or with double learning the network that
  /// learns, thinks best.
  private func setTargets(
    _ first: Int, _ theirs: UnsafePointer<Float>
  ) throws(PluginError) {
    let theirs = theirs + first * actionCount
    let next = UnsafePointer(
      batch.nextObservations.baseAddress.unsafelyUnwrapped + first * elementCount)
    let chooser =
      configuration.isDouble ? try values(next, rows: configuration.batchSize) : theirs
    let discount = Float(configuration.discount)
    for row in 0..<configuration.batchSize {
      let start = row * actionCount
      var best = start
      for index in start..<start + actionCount where chooser[index] > chooser[best] {
        best = index
      }
      batch.targets[first + row] =
        batch.rewards[first + row] + discount * batch.continues[first + row] * theirs[best]
    }
  }

  private func updatePriorities() {
    guard priorities != nil else { return }
    let errors = session.output(0).assumingMemoryBound(to: Float.self)
    for (row, place) in places.enumerated() {
      // A little, so that none is never seen again (Schaul et al., section 3.3).
      let priority = pow(Double(abs(errors[row])) + 1e-6, configuration.replay.alpha)
      guard priority.isFinite else { continue }
      priorities?[place] = priority
      largestPriority = max(largestPriority, priority)
    }
  }

  private static func run(
    _ plan: LivePlan, _ observations: UnsafePointer<Float>, _ count: Int, rows: Int
  ) throws(PluginError) -> UnsafePointer<Float> {
    do throws(RuntimeError) {
      try plan.run(
        [UnsafeRawBufferPointer(UnsafeBufferPointer(start: observations, count: count))],
        batch: rows)
    } catch {
      throw PluginError(error)
    }
    // SAFETY: the plan's output is floats; a plan with an output has memory for it.
    return plan.output(0).assumingMemoryBound(to: Float.self).baseAddress.unsafelyUnwrapped
  }
}

extension DQNLearner {
  /// Puts what is not in the session's own state into a checkpoint.
  func save(to bundle: inout TensorBundle) {
    replay.save(to: &bundle)
    for entry in target.entries {
      bundle.set(
        "target." + entry.name, target[entry.name] ?? [], shape: entry.shape.dimensions)
    }
    guard let priorities else { return }
    bundle.set("replay.priorities", (0..<replay.count).map { priorities[$0] })
    bundle.set("replay.largest_priority", [largestPriority])
  }

  /// Takes up what a checkpoint holds; the session's state is restored before.
  func restore(from bundle: TensorBundle) throws(PluginError) {
    try replay.restore(from: bundle)
    do throws(RuntimeError) {
      for entry in target.entries {
        let elements: [Float]
        do throws(PluginError) {
          elements = try bundle.values("target." + entry.name, shape: entry.shape.dimensions)
        } catch {
          throw RuntimeError(.malformed, error.message)
        }
        try target.set(entry.name, to: elements)
      }
    } catch {
      throw PluginError(.dataLoss, "\(error)")
    }
    if priorities != nil {
      let stored: [Double] = try bundle.values("replay.priorities", shape: [replay.count])
      let largest: [Double] = try bundle.values("replay.largest_priority", shape: [1])
      for (place, priority) in stored.enumerated() { priorities?[place] = priority }
      largestPriority = largest[0]
    }
    parametersReplaced()
  }
}
