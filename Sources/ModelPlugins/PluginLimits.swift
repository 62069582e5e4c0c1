// SPDX-License-Identifier: Apache-2.0

/// What a plugin, and what a client gives it, may amount to at most.
public struct PluginLimits: Sendable, Hashable {
  /// All outputs of one execution together; a plugin computes shapes from what a client sent.
  public var maxOutputByteCount: Int = 256 << 20
  /// Output memory that a loaded model keeps for its next executions.
  public var maxIdleOutputByteCount: Int = 64 << 20
  /// A configuration's JSON text.
  public var maxConfigurationByteCount: Int = 1 << 20

  /// The defaults.
  public init() {}
}
