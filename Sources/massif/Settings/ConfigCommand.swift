// SPDX-License-Identifier: Apache-2.0
internal import ArgumentParser

/// The command `massif config …`.
struct ConfigCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "config", abstract: "What the settings are, and where each comes from.",
    subcommands: [ConfigExplainCommand.self])
}

/// The command `massif config explain`.
struct ConfigExplainCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain", abstract: "Show each setting's effective value and its origin.",
    discussion: """
      A flag wins over the environment, that over massif.yaml, that over the default. Flags of \
      commands can be given here to see what they would do.

      Examples:
        massif config explain
        MASSIF_SERVER=gpu7:8001 massif config explain --as admin
      """)

  @OptionGroup var client: ClientOptions

  func run() async throws {
    let settings = try client.file.settings()
    let output = OutputFormat(
      rawValue: try settings.effective(.output, flag: client.output).value ?? "")
    var rows: [(setting: Setting, effective: Settings.Effective)] = []
    for setting in Setting.all {
      rows.append((setting, try settings.effective(setting, flag: client.flag(setting))))
    }
    let json = rows.map { row -> JSONValue in
      [
        "key": .string(row.setting.key),
        "value": row.effective.value.map(JSONValue.string) ?? .null,
        "origin": .string(row.effective.origin.description), "flag": .string(row.setting.flag),
        "environment": .string(row.setting.environment),
        "default": row.setting.defaultValue.map(JSONValue.string) ?? .null,
        "about": .string(row.setting.about),
      ]
    }
    (output ?? .text).show(["settings": .array(json)]) {
      var table = TextTable("SETTING", "VALUE", "FROM", "WHAT IT IS")
      for (setting, effective) in rows {
        table.append(
          setting.key, effective.value ?? "-", "\(effective.origin)", setting.about)
      }
      return table.lines
    }
  }
}
