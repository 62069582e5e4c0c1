// SPDX-License-Identifier: Apache-2.0
import CPluginABI

/// A plugin's table that has been checked: the version fits, nothing that must be there is missing.
struct PluginTable: @unchecked Sendable {
  // SAFETY: the ABI promises that the table and all it points to never change and never go away.
  let pointer: UnsafePointer<msf_plugin>
  /// As much of the table as both sides know.
  let functions: msf_plugin

  let name: String
  let version: String
  let abiVersion: String
  let capabilities: Set<ModelPlugin.Capability>
  let configurationSchema: String

  /// - Throws: `.failedPrecondition` for another ABI version, `.invalidArgument` for a table that
  ///   breaks the contract.
  init(checking pointer: UnsafePointer<msf_plugin>) throws(PluginError) {
    self.pointer = pointer
    // The first eight bytes are the same in every version, so that any two can tell each other.
    abiVersion = "\(pointer.pointee.abi_major).\(pointer.pointee.abi_minor)"
    try Self.checkVersion(major: pointer.pointee.abi_major, minor: pointer.pointee.abi_minor)
    let size = pointer.pointee.struct_size
    guard size >= UInt32(MSF_PLUGIN_SIZE_1_0) else {
      throw PluginError(
        .invalidArgument,
        "expected a plugin table of at least \(MSF_PLUGIN_SIZE_1_0) bytes, came \(size)")
    }
    functions = readTable(pointer, byteCount: size, into: msf_plugin())

    guard let name = String(functions.name, limit: 129), PluginName.isValid(name) else {
      throw PluginError(
        .invalidArgument, "expected a plugin name that matches [A-Za-z0-9][A-Za-z0-9._-]{0,127}")
    }
    self.name = name
    guard let version = String(functions.version, limit: 65), (1...64).contains(version.utf8.count),
      version.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
    else {
      throw PluginError(
        .invalidArgument,
        "plugin \(name): expected a version of 1 to 64 printable ASCII characters")
    }
    self.version = version
    let maxSchemaByteCount = 1 << 20
    guard functions.configuration_schema.size <= maxSchemaByteCount,
      let schema = String(functions.configuration_schema, limit: maxSchemaByteCount)
    else {
      throw PluginError(
        .invalidArgument,
        "plugin \(name): expected a configuration schema of at most \(maxSchemaByteCount) bytes")
    }
    configurationSchema = schema
    var capabilities: Set<ModelPlugin.Capability> = []
    if functions.capabilities & UInt64(MSF_INFERENCE) != 0 { capabilities.insert(.inference) }
    if functions.capabilities & UInt64(MSF_TRAINING) != 0 { capabilities.insert(.training) }
    guard !capabilities.isEmpty else {
      throw PluginError(
        .invalidArgument, "plugin \(name): expected MSF_INFERENCE, MSF_TRAINING or both")
    }
    if functions.capabilities & UInt64(MSF_TRAINING_WITHOUT_DATA_SET) != 0 {
      guard capabilities.contains(.training) else {
        throw PluginError(
          .invalidArgument,
          "plugin \(name): expected MSF_TRAINING with MSF_TRAINING_WITHOUT_DATA_SET")
      }
      capabilities.insert(.trainingWithoutDataSet)
    }
    self.capabilities = capabilities
    func require(_ function: String, _ isThere: Bool) throws(PluginError) {
      guard isThere else {
        throw PluginError(.invalidArgument, "plugin \(name): its function \(function) is NULL")
      }
    }
    try require("validate", functions.validate != nil)
    try require(
      "create_model", functions.create_model != nil || !capabilities.contains(.inference))
    try require(
      "create_trainer", functions.create_trainer != nil || !capabilities.contains(.training))
  }

  /// The version rule: same major number, and the host's minor number is not less.
  static func checkVersion(
    major: UInt16, minor: UInt16, hostMajor: UInt16 = UInt16(MSF_ABI_MAJOR),
    hostMinor: UInt16 = UInt16(MSF_ABI_MINOR)
  ) throws(PluginError) {
    guard major == hostMajor, minor <= hostMinor else {
      throw PluginError(
        .failedPrecondition,
        "the plugin was built with plugin ABI \(major).\(minor), this host has"
          + " \(hostMajor).\(hostMinor) and takes \(hostMajor).0 to \(hostMajor).\(hostMinor);"
          + (major > hostMajor || major == hostMajor
            ? " update the host, or build the plugin with an older massif_plugin.h"
            : " build the plugin with a newer massif_plugin.h"))
    }
  }
}
