// SPDX-License-Identifier: Apache-2.0
public import ModelPlugins

/// The bounds of the control plane, with safe defaults.
public struct LifecycleConfiguration: Sendable {
  /// Training jobs that run at the same time.
  ///
  /// A training uses every processor, so that two of them only make each other slower.
  public var maxWorkers = 1
  /// Jobs that wait for a worker; more are refused.
  public var maxQueuedJobs = 100
  /// Threads of a training that does not ask for a number; 0 means one for each processor.
  public var defaultThreads = 0
  /// How long a worker may take to stop when its job is cancelled, before it is killed.
  public var cancellationGrace: Duration = .seconds(10)
  /// The largest data set, in bytes.
  public var maxDataSetByteCount = 16 << 30
  /// The largest plugin, in bytes.
  public var maxPluginByteCount = 256 << 20
  /// What a training may take by its plugin's estimate, in bytes.
  public var maxTrainingByteCount = 16 << 30
  /// The keys whose signature a plugin needs.
  public var trustedPluginKeys = TrustedPluginKeys()
  /// Where plugins lie that are registered when the server starts; empty for nowhere.
  public var pluginDirectory = ""
  /// How long a training may go without a report before its worker is killed; nil for ever.
  public var maxTrainingSilence: Duration? = .seconds(1800)
  /// Whether a plugin that nobody trusted has signed may be loaded; for development.
  ///
  /// A plugin is code that runs with the server's rights.
  public var allowsUnsignedPlugins = false

  /// The defaults.
  public init() {}
}
