// SPDX-License-Identifier: Apache-2.0
import CPluginABI

/// A trainer behind `msf_trainer`, with the memory of its table.
final class TrainerBox {
  private let trainer: any Trainer
  private let table = UnsafeMutablePointer<msf_trainer>.allocate(capacity: 1)

  init(_ trainer: any Trainer) {
    self.trainer = trainer
  }

  deinit {
    table.deallocate()
  }

  /// The table owns the box until its destroy.
  func makeTable() -> UnsafePointer<msf_trainer> {
    table.initialize(to: msf_trainer())
    table.pointee.struct_size = UInt32(MemoryLayout<msf_trainer>.size)
    table.pointee.epoch_count = UInt32(clamping: trainer.epochCount)
    table.pointee.context = Unmanaged.passRetained(self).toOpaque()
    table.pointee.sample_count = UInt64(clamping: trainer.sampleCount)
    table.pointee.step_count = UInt64(clamping: trainer.stepCount)
    table.pointee.train_epoch = { table, epoch, progress, error in
      TrainerBox.report(table, progress, error) { trainer, progress in
        try trainer.trainEpoch(Int(epoch), progress: progress)
      }
    }
    table.pointee.train_step = { table, epoch, step, progress, error in
      TrainerBox.report(table, progress, error) { trainer, progress in
        try trainer.trainStep(Int(clamping: step), epoch: Int(epoch), progress: progress)
      }
    }
    if trainer.supportsPartialFit {
      table.pointee.partial_fit = { table, dataset, progress, error in
        TrainerBox.report(table, progress, error) { trainer, progress in
          guard let dataset = dataset?.pointee else { throw misuse }
          let tensors = UnsafeBufferPointer(
            start: dataset.tensors, count: Int(dataset.tensor_count))
          return try trainer.partialFit(tensors.map(Tensor.init), progress: progress)
        }
      }
    }
    table.pointee.evaluate = { table, split, progress, error in
      TrainerBox.report(table, progress, error) { trainer, progress in
        try trainer.evaluate(split: String(split), progress: progress)
      }
    }
    table.pointee.checkpoint = { table, writer, error in
      status(error) {
        guard let writer else { throw misuse }
        try TrainerBox.of(table).trainer.checkpoint(to: Writer(table: writer))
      }
    }
    table.pointee.restore = { table, lent, count, completedEpochs, error in
      status(error) {
        let completed = try TrainerBox.of(table).trainer.restore(from: artifacts(lent, count))
        completedEpochs?.pointee = UInt32(clamping: completed)
      }
    }
    table.pointee.export_model = { table, writer, error in
      status(error) {
        guard let writer else { throw misuse }
        try TrainerBox.of(table).trainer.export(to: Writer(table: writer))
      }
    }
    table.pointee.destroy = { table in
      if let context = table?.pointee.context {
        Unmanaged<TrainerBox>.fromOpaque(context).release()
      }
    }
    return UnsafePointer(table)
  }

  private static func of(_ table: UnsafePointer<msf_trainer>?) throws -> TrainerBox {
    guard let context = table?.pointee.context else { throw misuse }
    // SAFETY: the table holds a reference until destroy, which no call outlives.
    return Unmanaged<TrainerBox>.fromOpaque(context).takeUnretainedValue()
  }

  private static func report(
    _ table: UnsafePointer<msf_trainer>?, _ progress: UnsafePointer<msf_progress>?,
    _ error: UnsafeMutablePointer<msf_error>?,
    _ body: (any Trainer, Progress) throws -> [Metric]
  ) -> msf_status {
    status(error) {
      guard let progress else { throw misuse }
      let observer = Progress(table: progress)
      observer.finish(try body(TrainerBox.of(table).trainer, observer))
    }
  }
}
