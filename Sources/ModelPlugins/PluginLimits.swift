// SPDX-License-Identifier: Apache-2.0

/// What a plugin, and what a client gives it, may amount to at most.
public struct PluginLimits: Sendable, Hashable {
  /// All outputs of one execution together; a plugin computes shapes from what a client sent.
  public var maxOutputByteCount: Int = 256 << 20
  /// Output memory that a loaded model keeps for its next executions.
  public var maxIdleOutputByteCount: Int = 64 << 20
  /// One loaded model, by its plugin's estimate and by its own account.
  ///
  /// An isolated plugin's models stop at the memory of its worker as well.
  public var maxModelByteCount: Int = 4 << 30
  /// What a plugin holds at a time of the memory that the host lends it.
  public var maxAllocatedByteCount: Int = 16 << 30
  /// A configuration's JSON text.
  public var maxConfigurationByteCount: Int = 1 << 20

  /// The defaults.
  public init() {}
}
