// SPDX-License-Identifier: Apache-2.0

extension FuzzEntry {
  /// The parsers of `ModelPlugins` and `Runtime`: the text of configurations, model files, plugins,
  /// and what the process of an isolated plugin says.
  static let models: [FuzzEntry] = [
    .json, .safetensors, .pluginManifest, .elf, .workerMessages,
  ]
}
