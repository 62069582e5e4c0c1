// SPDX-License-Identifier: Apache-2.0
import Runtime

extension DQNTrainer {
  private static let networkName = "checkpoint-network.safetensors"
  private static let bestName = "checkpoint-best.safetensors"

  func checkpoint(to writer: ArtifactSink) throws(PluginError) {
    try LearnedArtifacts.write(
      try encoded { () throws(RuntimeError) in try self.learner.session.encodeState() },
      as: Self.networkName, to: writer)
    var bundle = TensorBundle(name: LearnedArtifacts.checkpoint)
    learner.save(to: &bundle)
    bundle.set(
      "learning_curve", curve.numbers, shape: [curve.points.count, LearningCurve.width])
    bundle.set("counters", [Int64(steps), Int64(learningSteps), Int64(episodes)])
    bundle.set("slots", slots.flatMap { [$0.total, Double($0.steps)] }, shape: [slots.count, 2])
    bundle.set("observations", Array(observations))
    if let carts = environments as? CartPoleEnvironments {
      bundle.set(
        "carts",
        carts.states.flatMap { [$0.position, $0.velocity, $0.angle, $0.angularVelocity] },
        shape: [carts.count, 4])
    }
    if let best {
      bundle.set("best", [best.value])
      try LearnedArtifacts.write(best.weights, as: Self.bestName, to: writer)
    }
    try LearnedArtifacts.write(try bundle.encode(), as: LearnedArtifacts.checkpoint, to: writer)
    try LearnedArtifacts.write(
      description.text(completedEpochs: curve.points.count),
      as: LearnedArtifacts.checkpointDescription, to: writer)
  }

  func restore(from artifacts: [Artifact]) throws(PluginError) -> Int {
    let completed = try description.read(
      LearnedArtifacts.find(LearnedArtifacts.checkpointDescription, in: artifacts),
      epochs: epochCount)
    let artifact = try LearnedArtifacts.find(LearnedArtifacts.checkpoint, in: artifacts)
    let bundle = try TensorBundle(parsing: artifact.bytes, name: artifact.name)
    let state = try LearnedArtifacts.find(Self.networkName, in: artifacts)
    do throws(RuntimeError) {
      try learner.session.restoreState(state.bytes)
    } catch {
      throw PluginError(.dataLoss, "\(state.name): \(error)")
    }
    try learner.restore(from: bundle)
    let numbers: [Double] = try bundle.values(
      "learning_curve", shape: [completed, LearningCurve.width])
    let counters: [Int64] = try bundle.values("counters", shape: [3])
    guard counters.allSatisfy({ $0 >= 0 }) else {
      throw PluginError(.dataLoss, "\(artifact.name): a counter is negative")
    }
    curve = LearningCurve(numbers: numbers)
    (steps, learningSteps, episodes) = (
      UInt64(counters[0]), UInt64(counters[1]), UInt64(counters[2])
    )
    if let shape = bundle.shape(of: "best"), shape == [1] {
      let value: [Double] = try bundle.values("best")
      best = (value[0], Array(try LearnedArtifacts.find(Self.bestName, in: artifacts).bytes))
    }
    try restoreEpisodes(bundle)
    return completed
  }

  /// Environments of this process go on where they were; others begin anew.
  private func restoreEpisodes(_ bundle: TensorBundle) throws(PluginError) {
    guard let carts = environments as? CartPoleEnvironments else { return }
    let stored: [Double] = try bundle.values("slots", shape: [carts.count, 2])
    let seen: [Float] = try bundle.values("observations", shape: [observations.count])
    let states: [Double] = try bundle.values("carts", shape: [carts.count, 4])
    slots = (0..<carts.count).map {
      Slot(total: stored[2 * $0], steps: Int(exactly: stored[2 * $0 + 1]) ?? 0)
    }
    _ = observations.update(fromContentsOf: seen)
    carts.restore(
      (0..<carts.count).map {
        CartPole(
          position: states[4 * $0], velocity: states[4 * $0 + 1], angle: states[4 * $0 + 2],
          angularVelocity: states[4 * $0 + 3])
      })
  }

  func export(to writer: ArtifactSink) throws(PluginError) {
    let weights: [UInt8]
    if let best {
      weights = best.weights
    } else {
      weights = try encoded { () throws(RuntimeError) in
        try self.learner.session.parameters.encode()
      }
    }
    try LearnedArtifacts.write(weights, as: LearnedArtifacts.weights, to: writer)
    try LearnedArtifacts.write(network.text, as: LearnedArtifacts.model, to: writer)
    var report = Report(
      family: "dqn",
      title: "dqn: \(network.elementCount) numbers in, \(network.actionCount) actions")
    report.fact("parameters", "parameters", .integer(network.parameterCount))
    report.fact("hidden", "hidden layers", .array(network.hidden.map { .integer($0) }))
    report.fact("duelling", "duelling", .bool(network.isDuelling))
    report.fact("double", "double", .bool(configuration.isDouble))
    report.fact("replay", "replay", .string(configuration.replay.kind.rawValue))
    report.fact("steps", "steps in environments", .integer(Int(clamping: steps)))
    report.fact("learning_steps", "steps of learning", .integer(Int(clamping: learningSteps)))
    report.fact("episodes", "episodes", .integer(Int(clamping: episodes)))
    if let best {
      report.fact("best_mean_return", "of the exported network", .number(best.value))
    }
    report.add(curve)
    try LearnedArtifacts.write(report.json.text + "\n", as: Report.jsonName, to: writer)
    try LearnedArtifacts.write(report.text, as: Report.textName, to: writer)
    try LearnedArtifacts.write(
      curve.svg(title: "dqn"), as: LearningCurve.drawingName, to: writer)
  }

  private func encoded(
    _ encode: () throws(RuntimeError) -> [UInt8]
  ) throws(PluginError) -> [UInt8] {
    do throws(RuntimeError) {
      return try encode()
    } catch {
      throw PluginError(error)
    }
  }
}
