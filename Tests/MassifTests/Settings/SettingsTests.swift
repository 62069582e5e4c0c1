// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import massif

struct SettingsTests {
  private let setting = Setting(
    key: "serve.listen", flag: "--listen", environment: "MASSIF_LISTEN", defaultValue: "default",
    about: "")

  private func file(_ text: String) throws(CommandError) -> ConfigurationFile {
    try ConfigurationFile(text: text, path: "massif.yaml", known: [setting, .server, .output])
  }

  @Test func aFlagWinsOverTheEnvironmentOverTheFileOverTheDefault() throws {
    let file = try file("serve: { listen: file }")
    let environment = ["MASSIF_LISTEN": "environment"]
    func effective(_ flag: String?, _ environment: [String: String], _ file: ConfigurationFile?)
      throws -> Settings.Effective
    {
      try Settings(environment: environment, file: file).effective(setting, flag: flag)
    }
    #expect(
      try effective("flag", environment, file) == .init(value: "flag", origin: .flag("--listen")))
    #expect(
      try effective(nil, environment, file)
        == .init(value: "environment", origin: .environment("MASSIF_LISTEN")))
    #expect(try effective(nil, [:], file) == .init(value: "file", origin: .file("massif.yaml")))
    #expect(
      try effective(nil, ["MASSIF_LISTEN": ""], file)
        == .init(value: "file", origin: .file("massif.yaml")))
    #expect(try effective(nil, [:], nil) == .init(value: "default", origin: .defaultValue))
  }

  @Test func aSettingWithoutAnyValueIsUnset() throws {
    let setting = Setting(key: "k", flag: "--k", environment: "K", defaultValue: nil, about: "")
    #expect(
      try Settings(environment: [:], file: nil).effective(setting)
        == .init(value: nil, origin: .unset))
  }

  @Test func refusesAValueThatIsNoChoiceAndSaysWhereItCameFrom() throws {
    let error = #expect(throws: CommandError.self) {
      try Settings(environment: ["MASSIF_OUTPUT": "xml"], file: nil).effective(.output)
    }
    #expect(
      error?.description
        == "output (environment MASSIF_OUTPUT): expected text or json, came \"xml\"")
  }

  @Test func readsListsWithCommas() throws {
    #expect(try file("server: [a:1, b:2]").values["server"] == "a:1,b:2")
    #expect(try file("server: a:1\noutput: json").values == ["server": "a:1", "output": "json"])
    #expect(try file("").values == [:])
    #expect(try file("# nothing\n").values == [:])
  }

  @Test(arguments: [
    "sever: a", "serve: { lisen: a }", "serve: a", "server: { a: b }", "- a", "a: [",
    "server: [[a]]",
    "[a]: b",
  ])
  func refusesWhatIsNoSetting(text: String) {
    #expect(throws: CommandError.self) { try file(text) }
  }

  @Test func settingsHaveNamesOfTheirOwn() {
    for names in [Setting.all.map(\.key), Setting.all.map(\.environment)] {
      #expect(Set(names).count == names.count)
    }
    #expect(Setting.all.allSatisfy { $0.environment.hasPrefix("MASSIF_") })
    #expect(Setting.all.allSatisfy { $0.flag.hasPrefix("--") })
  }
}
