// SPDX-License-Identifier: Apache-2.0
public import FoundationEssentials

/// Where a training job stands.
///
/// Raw values are the words that people and the database see.
public enum JobState: String, Sendable, Hashable, CaseIterable {
  case queued = "QUEUED"
  case preparing = "PREPARING"
  case running = "RUNNING"
  case paused = "PAUSED"
  case cancelling = "CANCELLING"
  case cancelled = "CANCELLED"
  case succeeded = "SUCCEEDED"
  case failed = "FAILED"

  /// Whether nothing will happen to the job any more.
  public var hasEnded: Bool {
    switch self {
    case .cancelled, .succeeded, .failed: true
    case .queued, .preparing, .running, .paused, .cancelling: false
    }
  }
}

/// What a job trains: with the instruction set, all that its result depends on.
public struct TrainingRecord: Sendable, Hashable {
  /// The model that gets the trained version.
  public var model: QualifiedName
  /// The data set's name; nil where the plugin trains without one.
  public var dataset: QualifiedName?
  /// The digest of the data set's file when the job was submitted.
  public var datasetDigest: Digest?
  /// The plugin's name.
  public var plugin: ResourceName
  /// The plugin's build; nil for a built-in one.
  public var pluginDigest: Digest?
  /// The plugin's configuration, JSON.
  public var configuration: String
  /// What all random numbers derive from.
  public var seed: UInt64
  /// How many threads the worker may use; 0 is the server's choice.
  ///
  /// The result does not depend on it.
  public var threads: Int
  /// The version of `model` that learns on; nil for a training from the beginning.
  public var continuedVersion: Int64?

  /// Makes a record.
  public init(
    model: QualifiedName, dataset: QualifiedName?, datasetDigest: Digest?, plugin: ResourceName,
    pluginDigest: Digest?, configuration: String, seed: UInt64, threads: Int,
    continuedVersion: Int64? = nil
  ) {
    self.model = model
    self.dataset = dataset
    self.datasetDigest = datasetDigest
    self.plugin = plugin
    self.pluginDigest = pluginDigest
    self.configuration = configuration
    self.seed = seed
    self.threads = threads
    self.continuedVersion = continuedVersion
  }
}

/// A training job.
public struct JobRecord: Sendable, Hashable {
  /// The order of submission, given by the store; 0 before that.
  public var sequence: Int64 = 0
  /// Unique, and the name of the job's directory.
  public var id: ResourceName
  /// The team that submitted it and owns it.
  public var team: ResourceName
  /// What it trains.
  public var training: TrainingRecord
  /// Chosen by the client, so that submitting twice makes one job; empty for none.
  public var requestID: String
  /// Where it stands.
  public var state: JobState = .queued
  /// Why, when it failed.
  public var error = ""
  /// How many worker processes were started for it.
  public var attempts = 0
  /// After which epoch the newest attempt went on; 0 for the beginning.
  public var resumedAfterEpoch = 0
  /// The epochs that are done, in order.
  public var epochs: [EpochRecord] = []
  /// The model's version that it made, when it succeeded.
  public var version: Int64?
  /// When its first worker was started.
  public var started: Date?
  /// When it ended.
  public var ended: Date?
  /// Who submitted it, and when.
  public var audit: AuditRecord

  /// Makes the record of a job that waits for its first worker.
  public init(
    id: ResourceName, team: ResourceName, training: TrainingRecord, requestID: String,
    audit: AuditRecord
  ) {
    self.id = id
    self.team = team
    self.training = training
    self.requestID = requestID
    self.audit = audit
  }
}

/// What came out of one epoch.
public struct EpochRecord: Sendable, Hashable {
  /// From 1.
  public var epoch: Int
  /// How long it took.
  public var seconds: Double
  /// How fast it was.
  public var samplesPerSecond: Double
  /// `loss`, `accuracy`, and `test_...` for the held-out split.
  public var metrics: [MetricRecord]

  /// Makes a record.
  public init(epoch: Int, seconds: Double, samplesPerSecond: Double, metrics: [MetricRecord]) {
    self.epoch = epoch
    self.seconds = seconds
    self.samplesPerSecond = samplesPerSecond
    self.metrics = metrics
  }
}
