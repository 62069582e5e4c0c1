// SPDX-License-Identifier: Apache-2.0

/// How isolated plugins are run.
public struct IsolationConfiguration: Sendable, Hashable {
  /// The file name of the worker, beside the server's own executable.
  public static let workerName = "massif-plugin-worker"

  /// The worker's executable.
  ///
  /// Nil: `workerName` beside this process's own executable.
  public var workerExecutable: String?
  /// Threads that a worker computes on, the calling one included; nil: as many as the host's pool.
  public var threadCount: Int?
  /// Private memory that a worker may have; 0: no limit.
  public var maxMemoryByteCount = 2 << 30
  /// The longest that one call of a model may take before its worker is ended.
  public var callTimeout = Duration.seconds(30)
  /// How long a call may go on after nobody waits for it any more.
  public var cancellationGrace = Duration.seconds(1)
  /// The longest that loading a library, making a model or checking a configuration may take.
  public var controlTimeout = Duration.seconds(30)
  /// When a worker that ended is started again.
  public var restartPolicy = RestartPolicy()

  /// The defaults.
  public init() {}
}
