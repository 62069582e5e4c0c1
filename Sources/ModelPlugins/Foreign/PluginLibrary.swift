// SPDX-License-Identifier: Apache-2.0
import CPluginABI
import Glibc
import Runtime

/// Loads a plugin's shared object and checks the table that its entry returns.
enum PluginLibrary {
  /// Loads the library, which stays loaded for good, whatever comes of it: Swift code in it must
  /// not be unmapped, and a thread that it started could not be stopped.
  ///
  /// - Throws: as `PluginRegistry.load` says.
  static func load(
    _ image: PluginImage, workers: WorkerPool, instructionSet: InstructionSet,
    limits: PluginLimits, log: @escaping @Sendable (LogLevel, String) -> Void
  ) throws(PluginError) -> ModelPlugin {
    guard let library = dlopen(image.path, RTLD_NOW | RTLD_LOCAL) else {
      throw PluginError(
        .invalidArgument, "the plugin cannot be loaded: \(linkerMessage(image.path))")
    }
    // The linker would take another library under the same number for this one.
    _ = Unmanaged.passRetained(image)
    guard let symbol = dlsym(library, MSF_ENTRY_SYMBOL) else {
      throw PluginError(
        .invalidArgument, "the library has no symbol \(MSF_ENTRY_SYMBOL): it is no Massif plugin")
    }
    typealias Entry = @convention(c) (UnsafePointer<msf_host>?) -> UnsafePointer<msf_plugin>?
    // SAFETY: the ABI says what the symbol of this name is.
    let entry = unsafeBitCast(symbol, to: Entry.self)
    let services = HostServices(
      label: String(image.digest.prefix(12)), workers: workers, instructionSet: instructionSet,
      limits: limits, log: log)
    guard let table = entry(services.table) else {
      throw PluginError(
        .failedPrecondition,
        "the plugin's entry returned no table: it refuses to work here; the log may say why")
    }
    let checked = try PluginTable(checking: table)
    services.rename(checked.name)
    return ModelPlugin(
      name: checked.name, version: checked.version, digest: image.digest, isBuiltIn: false,
      abiVersion: checked.abiVersion, capabilities: checked.capabilities,
      configurationSchema: checked.configurationSchema, limits: limits,
      implementation: ForeignPlugin(table: checked))
  }

  /// The dynamic linker's message without the path, which is nobody's business outside.
  private static func linkerMessage(_ path: String) -> String {
    guard let error = dlerror() else { return "no reason given" }
    let message = String(cString: error)
    return message.hasPrefix(path + ": ")
      ? String(message.dropFirst(path.count + 2)) : "\(message.split(separator: "/").last ?? "")"
  }
}
