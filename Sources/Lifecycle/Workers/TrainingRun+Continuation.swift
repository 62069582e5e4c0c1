// SPDX-License-Identifier: Apache-2.0
import MassifAPI
import ModelPlugins
import Store
import SwiftProtobuf

// A job that has a version learn on: its trainer is made as it was, takes up the version's last
// checkpoint and learns once from the samples of the job's data set. The pass is one step of the job:
// a worker that is lost in it is followed by one that begins it again, to the same bits.

extension TrainingRun {
  /// Has a version's trainer learn from further samples.
  ///
  /// - Throws: `.dataLoss` for a checkpoint that is not what was published, and what the plugin
  ///   reports.
  func learnOn(
    _ plugin: ModelPlugin, from continuation: Massif_V1_Worker_Command.Continuation,
    with dataset: DataSetView
  ) throws -> PluginTrainer {
    let checkpoint = try continuation.checkpoint.map { file in
      let mapped = try MappedFile(path: file.path)
      guard try SHA256.digest(of: mapped).hexadecimal == file.digest else {
        throw PluginError(.dataLoss, "the checkpoint of the version is damaged")
      }
      return Artifact(name: file.name, bytes: mapped.bytes, owner: mapped)
    }
    let origin = try Self.view(continuation.datasetPath)
    let trainer = try plugin.makeTrainer(
      configuration: command.specification.configuration, seed: command.specification.seed,
      dataset: origin)
    try trainer.restore(from: checkpoint)
    let samples =
      dataset.description.tensors.first { $0.name.hasPrefix("train/") }?.shape.first ?? 0
    report {
      $0.prepared = .with {
        $0.epochs = 1
        $0.samples = UInt64(clamping: samples)
      }
    }
    var result = try learn(from: dataset, samples, trainer)
    if origin.description.tensors.contains(where: { $0.name.hasPrefix("test/") }) {
      result.metrics += try evaluate(trainer)
    }
    report { $0.epoch = result }
    return trainer
  }

  private func learn(
    from dataset: DataSetView, _ samples: Int, _ trainer: PluginTrainer
  ) throws -> Massif_V1_EpochResult {
    let start = clock.now
    let metrics = try trainer.partialFit(
      dataset, isCancelled: { [control] in control.shouldStop }
    ) { progress in
      let elapsed = (clock.now - start).seconds
      let rate = elapsed > 0 ? Double(progress.samplesDone) / elapsed : 0
      report {
        $0.progress = .with {
          $0.epoch = 1
          $0.epochs = 1
          $0.samplesDone = UInt64(clamping: progress.samplesDone)
          $0.samples = UInt64(clamping: samples)
          $0.samplesPerSecond = rate
          $0.secondsLeft =
            rate > 0 ? Double(max(samples - progress.samplesDone, 0)) / rate : 0
          $0.metrics = progress.metrics.map { Massif_V1_Metric($0) }
        }
      }
      return !control.shouldStop
    }
    let seconds = (clock.now - start).seconds
    return .with {
      $0.epoch = 1
      $0.seconds = seconds
      $0.samplesPerSecond = seconds > 0 ? Double(samples) / seconds : 0
      $0.metrics = metrics.map { Massif_V1_Metric($0) }
    }
  }
}
