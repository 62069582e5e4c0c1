// SPDX-License-Identifier: Apache-2.0

/// A training run of a plugin: epochs, evaluation, checkpoints and, at the end, a model's
/// artifacts.
///
/// Used from one thread at a time, usually that of a worker process.
public final class PluginTrainer {
  /// How many epochs the configuration asks for; fewer once the plugin finds that more would change
  /// nothing.
  public var epochs: Int { implementation.epochCount }
  /// How many samples an epoch trains on.
  public let sampleCount: Int
  /// How many steps an epoch takes.
  public let stepCount: Int
  /// How many epochs are done, those of a restored checkpoint included.
  public private(set) var completedEpochs = 0

  private let plugin: ModelPlugin
  private let implementation: any TrainerImplementation

  init(plugin: ModelPlugin, implementation: any TrainerImplementation) throws(PluginError) {
    self.plugin = plugin
    self.implementation = implementation
    sampleCount = implementation.sampleCount
    stepCount = implementation.stepCount
    guard implementation.epochCount >= 1, sampleCount >= 0, stepCount >= 0 else {
      throw PluginError(.internal, "plugin \(plugin.name) made a trainer without epochs")
    }
  }

  /// What the training asks of those who lend it environments; nil when it needs none.
  ///
  /// Where it asks for some, `connect` comes before the first epoch.
  public var environmentDemand: EnvironmentDemand? {
    (implementation as? any EnvironmentLearner)?.environmentDemand
  }

  /// Gives the training the environments that it asks for.
  public func connect(_ environments: any EnvironmentExchange) {
    (implementation as? any EnvironmentLearner)?.connect(environments)
  }

  /// Trains one epoch, counted from 1; they go in order.
  ///
  /// - Parameters:
  ///   - isCancelled: asked from any thread, often; must be cheap.
  ///   - progress: called on this thread, at most ten times a second; returns false to stop.
  /// - Returns: the epoch's metrics, for example `loss` and `accuracy`.
  /// - Throws: `.cancelled` when it was told to stop, and what the plugin reports.
  public func trainEpoch(
    _ epoch: Int, isCancelled: @escaping @Sendable () -> Bool = { false },
    progress: (TrainingProgress) -> Bool
  ) throws(PluginError) -> [TrainingMetric] {
    try checkOrder(epoch)
    let results = try observed(isCancelled, progress) {
      [implementation] (observer) throws(PluginError) in
      try implementation.trainEpoch(epoch, observer: observer)
    }
    completedEpochs = epoch
    return results
  }

  /// Trains one step, counted from 0, of an epoch, counted from 1; they go in order.
  ///
  /// - Returns: the step's metrics.
  /// - Throws: as `trainEpoch` does, `.unimplemented` where the plugin trains whole epochs only.
  public func trainStep(
    _ step: Int, epoch: Int, isCancelled: @escaping @Sendable () -> Bool = { false }
  ) throws(PluginError) -> [TrainingMetric] {
    try checkOrder(epoch)
    guard step >= 0, step < stepCount else {
      throw PluginError(.outOfRange, "expected a step in 0..<\(stepCount), came \(step)")
    }
    let results = try observed(isCancelled, { _ in true }) {
      [implementation] (observer) throws(PluginError) in
      try implementation.trainStep(step, epoch: epoch, observer: observer)
    }
    if step == stepCount - 1 { completedEpochs = epoch }
    return results
  }

  /// Whether the plugin offers `partialFit`.
  public var supportsPartialFit: Bool { implementation.supportsPartialFit }

  /// Goes on learning from further samples, without starting over; completed epochs do not count it.
  ///
  /// - Parameter dataset: with tensors of the same names, types and sample shapes.
  /// - Returns: the metrics of it.
  /// - Throws: as `trainEpoch` does, `.unimplemented` where the plugin cannot.
  public func partialFit(
    _ dataset: DataSetView, isCancelled: @escaping @Sendable () -> Bool = { false },
    progress: (TrainingProgress) -> Bool = { _ in true }
  ) throws(PluginError) -> [TrainingMetric] {
    try observed(isCancelled, progress) { [implementation] (observer) throws(PluginError) in
      try implementation.partialFit(dataset, observer: observer)
    }
  }

  /// Measures the model as it stands on a split of the data set, for example `test`.
  ///
  /// - Throws: `.notFound` when the data set has no such split, `.unimplemented` where the plugin
  ///   does not evaluate, `.cancelled` when told to stop.
  public func evaluate(
    split: String, isCancelled: @escaping @Sendable () -> Bool = { false },
    progress: (TrainingProgress) -> Bool = { _ in true }
  ) throws(PluginError) -> [TrainingMetric] {
    try observed(isCancelled, progress) { [implementation] (observer) throws(PluginError) in
      try implementation.evaluate(split: split, observer: observer)
    }
  }

  /// Writes all that `restore` needs; between epochs.
  ///
  /// - Throws: what `writer` threw, if it was a `PluginError`; what the plugin reports.
  public func checkpoint(to writer: ArtifactWriter) throws(PluginError) {
    try written(writer) { [implementation] (sink) throws(PluginError) in
      try implementation.checkpoint(to: sink)
    }
  }

  /// Takes up the state of a checkpoint of the same configuration, seed and data set.
  ///
  /// Training then goes on, with `completedEpochs` + 1, to the same bits as without the break.
  ///
  /// - Throws: `.invalidArgument` or `.dataLoss` for artifacts that are no such checkpoint.
  public func restore(from artifacts: [Artifact]) throws(PluginError) {
    let completed = try implementation.restore(from: artifacts)
    guard (0...epochs).contains(completed) else {
      throw PluginError(
        .dataLoss, "expected a checkpoint after 0...\(epochs) epochs, came one after \(completed)")
    }
    completedEpochs = completed
  }

  /// Writes the artifacts that `ModelPlugin.makeModel` makes a model of.
  ///
  /// - Throws: as `checkpoint` does.
  public func export(to writer: ArtifactWriter) throws(PluginError) {
    try written(writer) { [implementation] (sink) throws(PluginError) in
      try implementation.export(to: sink)
    }
  }

  private func checkOrder(_ epoch: Int) throws(PluginError) {
    guard epoch == completedEpochs + 1, epoch <= epochs else {
      throw PluginError(
        .failedPrecondition,
        "expected epoch \(completedEpochs + 1) of \(epochs) next, came \(epoch)")
    }
  }

  private func observed(
    _ isCancelled: @escaping @Sendable () -> Bool, _ progress: (TrainingProgress) -> Bool,
    _ body: (TrainingObserver) throws(PluginError) -> Void
  ) throws(PluginError) -> [TrainingMetric] {
    try withoutActuallyEscaping(progress) { (progress) throws(PluginError) in
      let observer = TrainingObserver(isCancelled: isCancelled, progress: progress)
      try body(observer)
      return observer.results
    }
  }

  private func written(
    _ writer: ArtifactWriter, _ body: (ArtifactSink) throws(PluginError) -> Void
  ) throws(PluginError) {
    try withoutActuallyEscaping(writer) { (writer) throws(PluginError) in
      let sink = ArtifactSink(writer)
      try body(sink)
      // A plugin may swallow the writer's failure; the host does not.
      if let failure = sink.failure { throw failure }
    }
  }
}
