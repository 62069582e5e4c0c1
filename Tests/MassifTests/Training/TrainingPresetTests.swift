// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ModelPlugins
import Runtime
import Testing

@testable import massif

struct TrainingPresetTests {
  @Test("Every preset's configuration is one that its plugin takes, and its import is a command")
  func presetsAreValid() throws {
    let registry = PluginRegistry(workers: try WorkerPool(threadCount: 1)) { _, _ in }
    try registry.registerBuiltIns()
    #expect(Set(TrainingPreset.all.map(\.name)).count == TrainingPreset.all.count)
    for preset in TrainingPreset.all {
      let plugin = try #require(registry.plugin(named: preset.plugin), "\(preset.name)")
      #expect(throws: Never.self, "\(preset.name)") {
        try plugin.validate(configuration: preset.configuration, dataset: nil)
      }
      #expect(plugin.needsDataSet == (preset.data != nil), "\(preset.name)")
      guard let data = preset.data else { continue }
      let options = data.options(in: "/folder")
      #expect(options.contains { $0.contains("/folder/") })
      #expect(throws: Never.self, "\(preset.name)") {
        _ = try DataImportCommand.parse([data.name] + options)
      }
    }
  }

  @Test("Files are taken from the folder, with their tensors' names in front")
  func options() throws {
    #expect(
      PresetData.fashion.options(in: "d").prefix(2)
        == ["--idx", "train/images=d/train-images-idx3-ubyte.gz"])
    #expect(PresetData.table("letters").options(in: "d") == ["--csv", "d/letters.csv"])
    #expect(throws: CommandError.self) { try TrainingPreset.named("none") }
  }

  @Test(
    "A command says one of specification, preset and list",
    arguments: [[], ["a.yaml", "--preset", "pca"], ["a.yaml", "--data", "d"]])
  func refuses(_ arguments: [String]) {
    #expect(throws: (any Error).self) { try TrainCommand.parse(arguments) }
  }
}
