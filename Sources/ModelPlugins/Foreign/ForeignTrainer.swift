// SPDX-License-Identifier: Apache-2.0
import CPluginABI

/// A training run behind its C table, destroyed with the object.
final class ForeignTrainer: TrainerImplementation {
  let epochCount: Int
  let sampleCount: Int
  let stepCount: Int

  private let pointer: UnsafePointer<msf_trainer>
  private let functions: msf_trainer
  private let plugin: String
  /// Lent until destroy.
  private let dataset: CDataSet

  /// - Throws: `.internal` for a table that breaks the contract.
  init(
    _ pointer: UnsafePointer<msf_trainer>, of plugin: String, dataset: CDataSet
  ) throws(PluginError) {
    let size = pointer.pointee.struct_size
    guard size >= UInt32(MSF_TRAINER_SIZE_1_0) else {
      throw PluginError(
        .internal,
        "plugin \(plugin) made a trainer table of \(size) bytes, expected \(MSF_TRAINER_SIZE_1_0)")
    }
    functions = readTable(pointer, byteCount: size, into: msf_trainer())
    guard functions.train_epoch != nil, functions.checkpoint != nil, functions.restore != nil,
      functions.export_model != nil, functions.destroy != nil
    else {
      throw PluginError(.internal, "plugin \(plugin) made a trainer whose function is NULL")
    }
    self.pointer = pointer
    self.plugin = plugin
    self.dataset = dataset
    epochCount = Int(functions.epoch_count)
    sampleCount = Int(clamping: functions.sample_count)
    stepCount = Int(clamping: functions.step_count)
  }

  deinit {
    functions.destroy(pointer)
  }

  func trainEpoch(_ epoch: Int, observer: TrainingObserver) throws(PluginError) {
    try call("train_epoch", observer) { progress, error in
      functions.train_epoch(pointer, UInt32(epoch), progress, error)
    }
  }

  func trainStep(_ step: Int, epoch: Int, observer: TrainingObserver) throws(PluginError) {
    guard let trainStep = functions.train_step else {
      throw PluginError(.unimplemented, "plugin \(plugin) trains whole epochs only")
    }
    try call("train_step", observer) { progress, error in
      trainStep(pointer, UInt32(epoch), UInt64(step), progress, error)
    }
  }

  var supportsPartialFit: Bool { functions.partial_fit != nil }

  func partialFit(_ dataset: DataSetView, observer: TrainingObserver) throws(PluginError) {
    guard let partialFit = functions.partial_fit else {
      throw PluginError(
        .unimplemented, "plugin \(plugin) does not go on learning from further samples")
    }
    let lent = CDataSet(dataset)
    try withExtendedLifetime(lent) { () throws(PluginError) in
      try call("partial_fit", observer) { progress, error in
        partialFit(pointer, lent.table, progress, error)
      }
    }
  }

  func evaluate(split: String, observer: TrainingObserver) throws(PluginError) {
    guard let evaluate = functions.evaluate else {
      throw PluginError(.unimplemented, "plugin \(plugin) does not evaluate")
    }
    try call("evaluate", observer) { progress, error in
      split.withMSFString { evaluate(pointer, $0, progress, error) }
    }
  }

  func checkpoint(to sink: ArtifactSink) throws(PluginError) {
    try write("checkpoint", sink) { functions.checkpoint(pointer, $0, $1) }
  }

  func export(to sink: ArtifactSink) throws(PluginError) {
    try write("export_model", sink) { functions.export_model(pointer, $0, $1) }
  }

  func restore(from artifacts: [Artifact]) throws(PluginError) -> Int {
    let lent = CArtifacts(artifacts)
    var completed: UInt32 = 0
    try withExtendedLifetime(lent) { () throws(PluginError) in
      try ErrorSink.call(plugin, "restore") { error in
        functions.restore(
          pointer, lent.table.baseAddress, UInt32(artifacts.count), &completed, error)
      }
    }
    return Int(completed)
  }

  private func call(
    _ function: String, _ observer: TrainingObserver,
    _ body: (UnsafePointer<msf_progress>, UnsafeMutablePointer<msf_error>) -> msf_status
  ) throws(PluginError) {
    var progress = msf_progress(
      struct_size: UInt32(MemoryLayout<msf_progress>.size), reserved: 0,
      context: Unmanaged.passUnretained(observer).toOpaque(),
      report: { progress, samplesDone, metrics, count in
        TrainingObserver.of(progress)?.report(samplesDone: Int(clamping: samplesDone)) {
          [TrainingMetric](metrics, count)
        } ?? false
      },
      finish: { progress, metrics, count in
        TrainingObserver.of(progress)?.finish([TrainingMetric](metrics, count))
      },
      is_cancelled: { progress in
        TrainingObserver.of(progress)?.isCancelled ?? true
      })
    try withExtendedLifetime(observer) { () throws(PluginError) in
      try ErrorSink.call(plugin, function) { body(&progress, $0) }
    }
  }

  private func write(
    _ function: String, _ sink: ArtifactSink,
    _ body: (UnsafePointer<msf_writer>, UnsafeMutablePointer<msf_error>) -> msf_status
  ) throws(PluginError) {
    var writer = msf_writer(
      struct_size: UInt32(MemoryLayout<msf_writer>.size), reserved: 0,
      context: Unmanaged.passUnretained(sink).toOpaque(),
      write: { writer, name, bytes, byteCount in
        guard let context = writer?.pointee.context, bytes != nil || byteCount == 0 else {
          return msf_status(MSF_INVALID_ARGUMENT)
        }
        // SAFETY: the sink outlives the call that lends the table.
        let sink = Unmanaged<ArtifactSink>.fromOpaque(context).takeUnretainedValue()
        do throws(PluginError) {
          try sink.append(
            UnsafeRawBufferPointer(start: bytes, count: byteCount),
            to: String(name, limit: 129) ?? "")
          return msf_status(MSF_OK)
        } catch {
          return error.code.status
        }
      })
    do throws(PluginError) {
      try withExtendedLifetime(sink) { () throws(PluginError) in
        try ErrorSink.call(plugin, function) { body(&writer, $0) }
      }
    } catch {
      // The writer's own failure says more than what the plugin makes of it.
      throw sink.failure ?? error
    }
  }
}

extension TrainingObserver {
  fileprivate static func of(_ progress: UnsafePointer<msf_progress>?) -> TrainingObserver? {
    // SAFETY: the trainer keeps the observer alive for as long as it lends the table.
    progress?.pointee.context.map {
      Unmanaged<TrainingObserver>.fromOpaque($0).takeUnretainedValue()
    }
  }
}

extension [TrainingMetric] {
  /// Copies metrics that a plugin lends, at most 64 of them.
  fileprivate init(_ metrics: UnsafePointer<msf_metric>?, _ count: UInt32) {
    guard let metrics else {
      self = []
      return
    }
    self = UnsafeBufferPointer(start: metrics, count: Int(Swift.min(count, 64))).map {
      TrainingMetric(name: String($0.name, limit: 128) ?? "", value: $0.value)
    }
  }
}
