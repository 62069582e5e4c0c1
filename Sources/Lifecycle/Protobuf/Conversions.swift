// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import MassifAPI
import ModelPlugins
import Runtime
import Store
import SwiftProtobuf

extension Massif_V1_AuditStamp {
  init(_ audit: AuditRecord) {
    self.init()
    created = Google_Protobuf_Timestamp(audit.created)
    createdBy = audit.createdBy
  }
}

extension Google_Protobuf_Timestamp {
  init(_ date: Date) {
    self.init(roundingTimeIntervalSince1970: date.timeIntervalSince1970)
  }
}

extension Massif_V1_Metric {
  init(_ metric: MetricRecord) {
    self.init()
    name = metric.name
    value = metric.value
  }
}

extension Massif_V1_TensorDescription {
  init(_ tensor: TensorRecord) {
    self.init()
    name = tensor.name
    datatype = tensor.datatype
    shape = tensor.shape.map { Int64($0) }
  }
}

extension Massif_V1_DataSet {
  init(_ record: DataSetRecord) {
    self.init()
    name = record.name.description
    digest = record.digest.hexadecimal
    byteCount = UInt64(record.byteCount)
    tensors = record.tensors.map { Massif_V1_TensorDescription($0) }
    metadata = record.metadata
    audit = Massif_V1_AuditStamp(record.audit)
  }
}

extension Massif_V1_TrainingSpecification {
  init(_ training: TrainingRecord) {
    self.init()
    model = training.model.description
    dataset = training.dataset?.description ?? ""
    plugin = training.plugin.description
    configuration = training.configuration
    seed = training.seed
    threads = UInt32(clamping: training.threads)
    continueVersion = training.continuedVersion ?? 0
  }
}

extension Massif_V1_JobState {
  init(_ state: JobState) {
    switch state {
    case .queued: self = .queued
    case .preparing: self = .preparing
    case .running: self = .running
    case .paused: self = .paused
    case .cancelling: self = .cancelling
    case .cancelled: self = .cancelled
    case .succeeded: self = .succeeded
    case .failed: self = .failed
    }
  }
}

extension Massif_V1_EpochResult {
  init(_ epoch: EpochRecord) {
    self.init()
    self.epoch = UInt32(clamping: epoch.epoch)
    seconds = epoch.seconds
    samplesPerSecond = epoch.samplesPerSecond
    metrics = epoch.metrics.map { Massif_V1_Metric($0) }
  }
}

extension EpochRecord {
  init(_ epoch: Massif_V1_EpochResult) {
    self.init(
      epoch: Int(epoch.epoch), seconds: epoch.seconds, samplesPerSecond: epoch.samplesPerSecond,
      metrics: epoch.metrics.map { MetricRecord(name: $0.name, value: $0.value) })
  }
}

extension Massif_V1_Job {
  init(_ snapshot: JobManager.Snapshot) {
    let record = snapshot.record
    self.init()
    id = record.id.description
    specification = Massif_V1_TrainingSpecification(record.training)
    state = Massif_V1_JobState(record.state)
    error = record.error
    if let progress = snapshot.progress { self.progress = progress }
    epochs = record.epochs.map { Massif_V1_EpochResult($0) }
    version = record.version ?? 0
    if let started = record.started { self.started = Google_Protobuf_Timestamp(started) }
    if let ended = record.ended { self.ended = Google_Protobuf_Timestamp(ended) }
    audit = Massif_V1_AuditStamp(record.audit)
    attempts = UInt32(clamping: record.attempts)
    resumedAfterEpoch = UInt32(clamping: record.resumedAfterEpoch)
  }
}

extension Massif_V1_ServingState {
  init(_ state: ServingState) {
    switch state {
    case .unloaded: self = .unloaded
    case .loading: self = .loading
    case .ready: self = .ready
    case .quiescing: self = .quiescing
    case .failed: self = .failed
    }
  }
}

extension Massif_V1_ModelVersion {
  init(_ record: ModelVersionRecord, _ status: ServingStatus) {
    let manifest = record.manifest
    self.init()
    model = record.model.description
    version = record.version
    digest = record.digest.hexadecimal
    plugin = manifest.plugin.description
    pluginDigest = manifest.pluginDigest?.hexadecimal ?? ""
    dataset = manifest.dataset?.description ?? ""
    datasetDigest = manifest.datasetDigest?.hexadecimal ?? ""
    configuration = manifest.configuration
    seed = manifest.seed
    metrics = manifest.metrics.map { Massif_V1_Metric($0) }
    job = record.job?.description ?? ""
    servingState = Massif_V1_ServingState(status.state)
    servingReason = status.reason
    inputs = manifest.inputs.map { Massif_V1_TensorDescription($0) }
    outputs = manifest.outputs.map { Massif_V1_TensorDescription($0) }
    audit = Massif_V1_AuditStamp(record.audit)
    if let made = manifest.quantization { quantization = Massif_V1_Quantization(made) }
    artifacts = manifest.artifacts.map { artifact in
      .with {
        $0.name = artifact.name.description
        $0.digest = artifact.digest.hexadecimal
        $0.byteCount = UInt64(artifact.byteCount)
      }
    }
    continuedVersion = manifest.continuedVersion ?? 0
    continuable = manifest.checkpoint != nil
  }
}

extension Massif_V1_Quantization {
  init(_ record: QuantizationRecord) {
    self.init()
    type = record.type == "int8" ? .int8 : .bf16
    sourceVersion = record.sourceVersion
    calibration = record.calibration?.description ?? ""
    calibrationDigest = record.calibrationDigest?.hexadecimal ?? ""
    maxSamples = UInt64(clamping: record.maxSamples)
  }
}

extension DataSetDescription {
  /// The description of a recorded data set.
  init(_ record: DataSetRecord) throws(StoreError) {
    var tensors: [TensorSpecification] = []
    for tensor in record.tensors {
      guard let datatype = DataType(rawValue: tensor.datatype) else {
        throw StoreError(.dataLoss, "data set \(record.name) has a tensor of no known type")
      }
      tensors.append(
        TensorSpecification(name: tensor.name, datatype: datatype, shape: tensor.shape))
    }
    self.init(tensors: tensors)
  }
}

extension TensorRecord {
  init(_ specification: TensorSpecification) {
    self.init(
      name: specification.name, datatype: specification.datatype.rawValue,
      shape: specification.shape)
  }
}
