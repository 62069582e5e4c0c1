// SPDX-License-Identifier: Apache-2.0
import ModelPlugins
import Store

/// Makes a version's model: reads its files and asks its plugin.
///
/// Blocks for as long as that takes.
protocol ModelLoader: Sendable {
  func load(_ version: ModelVersionRecord) throws(ServingError) -> any InferenceModel
}

/// Loads what the store keeps with the plugins of this process.
struct StoreModelLoader: ModelLoader {
  let store: Store
  let plugins: PluginRegistry

  func load(_ version: ModelVersionRecord) throws(ServingError) -> any InferenceModel {
    let manifest = version.manifest
    let plugin = try plugin(of: version)
    let artifacts: [Artifact]
    do throws(StoreError) {
      artifacts = try store.artifacts(of: version).map {
        Artifact(name: $0.name.description, bytes: $0.file.bytes, owner: $0.file)
      }
    } catch {
      throw ServingError(.failedPrecondition, error.message, cause: error)
    }
    do throws(PluginError) {
      return PluginInferenceModel(
        try plugin.makeModel(artifacts: artifacts, configuration: manifest.configuration))
    } catch {
      throw ServingError(
        error.code == .resourceExhausted ? .resourceExhausted : .failedPrecondition,
        "plugin \(manifest.plugin) could not load it: \(error.message)",
        reason: error.reason?.rawValue, cause: error)
    }
  }

  /// The build that made the version, or the one that it was moved to; a built-in plugin is what it is.
  private func plugin(of version: ModelVersionRecord) throws(ServingError) -> ModelPlugin {
    let manifest = version.manifest
    let name = manifest.plugin.description
    guard let digest = version.build?.hexadecimal else {
      if let plugin = plugins.plugin(named: name), plugin.isBuiltIn { return plugin }
      throw ServingError(.failedPrecondition, "there is no built-in plugin \(name)")
    }
    if let plugin = plugins.plugin(digest: digest) { return plugin }
    throw ServingError(
      .failedPrecondition,
      "plugin \(name) \(manifest.pluginVersion), build \(digest.prefix(12)), is not registered;"
        + " register that build again")
  }
}
