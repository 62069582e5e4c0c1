// SPDX-License-Identifier: Apache-2.0
import MassifAPI
import ModelPlugins
import Runtime
import Store
import SwiftProtobuf

/// One training job in the worker: prepare, train epoch by epoch with checkpoints, export.
struct TrainingRun {
  let command: Massif_V1_Worker_Command.Train
  private let channel: MessageChannel
  let control: WorkerControl
  let clock = ContinuousClock()

  init(
    _ command: Massif_V1_Worker_Command.Train, channel: MessageChannel, control: WorkerControl
  ) {
    self.command = command
    self.channel = channel
    self.control = control
  }

  /// Runs to the end, or throws why not; then whether it was told to stop is the control's to say.
  func run() throws {
    let directory = try Directory(path: command.jobDirectory)
    let checkpoints = try CheckpointDirectory(directory)
    let plugin = try loadPlugin()
    let dataset = try Self.view(command.datasetPath)
    if command.hasContinuation {
      return try export(learnOn(plugin, from: command.continuation, with: dataset), to: directory)
    }
    var (trainer, results) = try prepare(plugin, dataset, checkpoints)
    if let demand = trainer.environmentDemand {
      report { $0.environmentsWanted = .init(demand.specification) }
      trainer.connect(
        WorkerEnvironments(demand, channel: channel, mailbox: control.mailbox))
    }
    report {
      $0.prepared = .with {
        $0.epochs = UInt32(clamping: trainer.epochs)
        $0.samples = UInt64(trainer.sampleCount)
        $0.resumedAfterEpoch = UInt32(clamping: trainer.completedEpochs)
      }
    }
    for result in results { report { $0.epoch = result } }

    // What is learned without data is tested without data.
    let hasTestSplit =
      !plugin.needsDataSet
      || dataset.description.tensors.contains { $0.name.hasPrefix("test/") }
    var evaluationSeconds = 0.0
    while trainer.completedEpochs < trainer.epochs {
      let epoch = trainer.completedEpochs + 1
      var result = try train(epoch, trainer, evaluationSeconds: evaluationSeconds)
      if hasTestSplit {
        let start = clock.now
        result.metrics += try evaluate(trainer)
        evaluationSeconds = (clock.now - start).seconds
      }
      results.append(result)
      report { $0.epoch = result }
      try checkpoints.write(epoch: epoch, results: results) { writer in
        try trainer.checkpoint(to: writer)
      }
      report { $0.checkpoint.epoch = UInt32(clamping: epoch) }
    }
    try export(trainer, to: directory)
  }

  /// The data set of a file; that of no path has no tensors.
  static func view(_ path: String) throws -> DataSetView {
    path.isEmpty ? .none : try SafetensorsDataSet(file: MappedFile(path: path)).view()
  }

  private func loadPlugin() throws -> ModelPlugin {
    let image = try foreignImage()
    let threads = command.threads == 0 ? nil : Int(command.threads)
    let registry = PluginRegistry(workers: try WorkerPool(threadCount: threads)) {
      [channel] level, line in
      channel.send(
        Massif_V1_Worker_Event.with {
          $0.log.level = "\(level)"
          $0.log.message = line
        })
    }
    try registry.registerBuiltIns()
    if let image { return try registry.load(image) }
    guard let plugin = registry.plugin(named: command.specification.plugin) else {
      throw PluginError(.notFound, "there is no plugin \(command.specification.plugin)")
    }
    return plugin
  }

  /// The library of a plugin that is not built in; an isolated one finds this process, which is its
  /// worker already, in a sandbox, and so do all threads that are started from here on.
  private func foreignImage() throws -> PluginImage? {
    guard !command.pluginPath.isEmpty else { return nil }
    // The server has checked the signature of this digest; here the bytes are held against it.
    let image = try PluginImage(path: command.pluginPath)
    guard image.digest == command.pluginDigest,
      let isolation = PluginIsolation(rawValue: command.pluginIsolation)
    else {
      throw PluginError(.dataLoss, "the plugin's file is damaged; register it again")
    }
    if isolation == .isolated {
      let continuation = command.continuation
      _ = try Sandbox(
        training: ProcessLauncher.workerDescriptor,
        readable: [command.datasetPath, continuation.datasetPath]
          + continuation.checkpoint.map(\.path), writable: [command.jobDirectory])
    }
    return image
  }

  /// Makes a trainer that goes on after the newest checkpoint, if there is one that can be used.
  private func prepare(
    _ plugin: ModelPlugin, _ dataset: DataSetView, _ checkpoints: CheckpointDirectory
  ) throws -> (PluginTrainer, [Massif_V1_EpochResult]) {
    func makeTrainer() throws -> PluginTrainer {
      try plugin.makeTrainer(
        configuration: command.specification.configuration, seed: command.specification.seed,
        dataset: dataset)
    }
    let trainer = try makeTrainer()
    do {
      guard let checkpoint = try checkpoints.newest() else { return (trainer, []) }
      try trainer.restore(from: checkpoint.artifacts)
      guard trainer.completedEpochs == checkpoint.epoch,
        checkpoint.results.count == checkpoint.epoch
      else { throw PluginError(.dataLoss, "it is not the checkpoint of its epoch") }
      return (trainer, checkpoint.results)
    } catch {
      // Training from the beginning gives the same result, later.
      report {
        $0.log.level = "warning"
        $0.log.message = "the checkpoint cannot be used, training from the beginning: \(error)"
      }
      try checkpoints.removeAll()
      return (try makeTrainer(), [])
    }
  }

  private func train(
    _ epoch: Int, _ trainer: PluginTrainer, evaluationSeconds: Double
  ) throws -> Massif_V1_EpochResult {
    let start = clock.now
    let epochsAfter = Double(trainer.epochs - epoch)
    let metrics = try trainer.trainEpoch(epoch, isCancelled: { [control] in control.shouldStop }) {
      progress in
      let elapsed = (clock.now - start).seconds
      let rate = elapsed > 0 ? Double(progress.samplesDone) / elapsed : 0
      let samplesLeft =
        Double(trainer.sampleCount - progress.samplesDone)
        + epochsAfter * Double(trainer.sampleCount)
      report {
        $0.progress = .with {
          $0.epoch = UInt32(clamping: epoch)
          $0.epochs = UInt32(clamping: trainer.epochs)
          $0.samplesDone = UInt64(clamping: progress.samplesDone)
          $0.samples = UInt64(clamping: trainer.sampleCount)
          $0.samplesPerSecond = rate
          $0.secondsLeft =
            rate > 0 ? samplesLeft / rate + (epochsAfter + 1) * evaluationSeconds : 0
          $0.metrics = progress.metrics.map { Massif_V1_Metric($0) }
        }
      }
      return !control.shouldStop
    }
    let seconds = (clock.now - start).seconds
    return .with {
      $0.epoch = UInt32(clamping: epoch)
      $0.seconds = seconds
      $0.samplesPerSecond = seconds > 0 ? Double(trainer.sampleCount) / seconds : 0
      $0.metrics = metrics.map { Massif_V1_Metric($0) }
    }
  }

  func evaluate(_ trainer: PluginTrainer) throws -> [Massif_V1_Metric] {
    do {
      return try trainer.evaluate(
        split: "test", isCancelled: { [control] in control.shouldStop },
        progress: { [control] _ in !control.shouldStop }
      ).map { Massif_V1_Metric($0, prefix: "test_") }
    } catch {
      // A plugin need not evaluate.
      guard error.code == .unimplemented else { throw error }
      return []
    }
  }

  private func export(_ trainer: PluginTrainer, to directory: Directory) throws {
    let name = JobFiles.export
    try directory.removeTree(name)
    let staged = try StagedDirectory(in: directory)
    try trainer.export { text, bytes in
      guard let name = ResourceName(text), !JobFiles.isOfCheckpoint(name) else {
        throw PluginError(.internal, "an artifact may not be called \(text)")
      }
      try staged.append(bytes, to: name)
    }
    if trainer.supportsPartialFit {
      try trainer.checkpoint { text, bytes in
        guard let name = JobFiles.checkpoint(text) else {
          throw PluginError(.internal, "an artifact of a checkpoint may not be called \(text)")
        }
        try staged.append(bytes, to: name)
      }
    }
    let artifacts = try staged.artifacts().map(\.name.description)
    try staged.commit(to: directory, as: name)
    report { $0.exported.artifacts = artifacts }
  }

  func report(_ fill: (inout Massif_V1_Worker_Event) -> Void) {
    channel.send(Massif_V1_Worker_Event.with(fill))
  }
}

extension Duration {
  /// The duration as a number of seconds.
  var seconds: Double {
    Double(components.seconds) + Double(components.attoseconds) * 1e-18
  }
}

extension Massif_V1_Metric {
  init(_ metric: TrainingMetric, prefix: String = "") {
    self.init()
    name = prefix + metric.name
    value = metric.value
  }
}
