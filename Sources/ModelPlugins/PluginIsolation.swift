// SPDX-License-Identifier: Apache-2.0

/// Where a plugin's code runs.
public enum PluginIsolation: String, Sendable, Hashable, CaseIterable {
  /// In the server, with its rights: the fastest, and the operator's own risk.
  case inProcess = "in-process"
  /// In a worker process of its own without network and files, which may crash.
  case isolated
}
