// SPDX-License-Identifier: Apache-2.0
import CSandbox
import Glibc

/// What stands between a plugin's code and the machine, put up by a worker process before the first
/// instruction of the plugin runs.
///
/// What the kernel lacks is left out and said; what it has and refuses ends the worker.
public struct Sandbox {
  /// One line for each means, for the log and for `plugins describe`.
  public private(set) var report: [String] = []

  /// Files open at a time; a plugin opens none, and the worker a slot's for a moment.
  private static let maxOpenFiles: UInt64 = 64
  private static let maxOpenTrainingFiles: UInt64 = 1024
  /// Threads of the user that the server runs as.
  private static let maxProcesses: UInt64 = 4096

  /// Restricts this thread and all that it starts; to be called before there are others.
  ///
  /// - Parameter channel: the socket to the host, the one descriptor that may be talked on.
  /// - Throws: `.failedPrecondition` when a means that the kernel has could not be used.
  init(serving channel: Int32, maxMemoryByteCount: Int) throws(PluginError) {
    try limitResources(maxMemoryByteCount: maxMemoryByteCount, maxOpenFiles: Self.maxOpenFiles)
    try note("no file written", cs_limit_files(0))
    try note("no privileges", cs_drop_privileges())
    try restrictFiles(readable: [], writable: [])
    try note("seccomp", cs_filter_system_calls(cs_stage(cs_stage_loading), channel))
  }

  /// The same for the worker process of a training job, which reads its data set and writes into its
  /// job's folder.
  ///
  /// - Parameters:
  ///   - readable: files and folders.
  ///   - writable: folders.
  /// - Throws: as `init(serving:)` does.
  public init(
    training channel: Int32, readable: [String], writable: [String]
  ) throws(PluginError) {
    try limitResources(maxMemoryByteCount: 0, maxOpenFiles: Self.maxOpenTrainingFiles)
    try note("no privileges", cs_drop_privileges())
    try restrictFiles(readable: readable, writable: writable)
    try note("seccomp", cs_filter_system_calls(cs_stage(cs_stage_training), channel))
  }

  private mutating func limitResources(
    maxMemoryByteCount: Int, maxOpenFiles: UInt64
  ) throws(PluginError) {
    var limits = cs_limits()
    limits.memory_byte_count = UInt64(maxMemoryByteCount)
    limits.open_files = maxOpenFiles
    limits.processes = Self.maxProcesses
    try note("resource limits", cs_limit_resources(&limits))
  }

  private mutating func restrictFiles(
    readable: [String], writable: [String]
  ) throws(PluginError) {
    let readable = readable.map { UnsafePointer(strdup($0)) } + [nil]
    let writable = writable.map { UnsafePointer(strdup($0)) } + [nil]
    defer { for path in readable + writable { free(UnsafeMutablePointer(mutating: path)) } }
    var version: Int32 = 0
    let outcome = cs_restrict_files_to_libraries(readable, writable, &version)
    try note("Landlock", outcome, detail: "version \(version)")
  }

  /// Takes the file system away; the library has been loaded.
  mutating func finishLoading(channel: Int32) throws(PluginError) {
    let outcome = cs_filter_system_calls(cs_stage(cs_stage_running), channel)
    guard outcome != cs_outcome(cs_failed) else { throw Self.refused("seccomp") }
  }

  private mutating func note(
    _ means: String, _ outcome: cs_outcome, detail: String? = nil
  ) throws(PluginError) {
    switch outcome {
    case cs_outcome(cs_applied):
      report.append(means + (detail.map { ": \($0)" } ?? ""))
    case cs_outcome(cs_not_supported):
      report.append("\(means): not supported by this kernel")
    default:
      throw Self.refused(means)
    }
  }

  private static func refused(_ means: String) -> PluginError {
    PluginError(.failedPrecondition, "the sandbox could not be put up: \(means) was refused")
  }
}
