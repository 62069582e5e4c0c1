// SPDX-License-Identifier: Apache-2.0
internal import ArgumentParser
internal import Foundation

/// The flag that says which massif.yaml is read.
struct SettingsOptions: ParsableArguments {
  static let environment = "MASSIF_CONFIG"

  @Option(
    help: ArgumentHelp(
      "The settings file (default: massif.yaml, if there is one; environment: MASSIF_CONFIG).",
      valueName: "file"))
  var config: String?

  /// The settings of this process.
  func settings() throws(CommandError) -> Settings {
    let environment = ProcessInfo.processInfo.environment
    let named = config ?? environment[Self.environment].flatMap { $0.isEmpty ? nil : $0 }
    let path = named ?? ConfigurationFile.defaultPath
    let file = try ConfigurationFile.read(path: path, known: Setting.all)
    if named != nil, file == nil {
      throw CommandError("there is no settings file \(path)", hint: "see --config")
    }
    return Settings(environment: environment, file: file)
  }
}
