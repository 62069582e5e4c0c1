// SPDX-License-Identifier: Apache-2.0
import Foundation
import Runtime
import Testing

@testable import ModelPlugins

/// As many plugins as a large organisation has, at once.
@Suite(.enabled(if: isInstalled("cc"), "needs a C compiler"))
struct ManyPluginsTests {
  private static let modelCount = 4

  /// The identity plugin under another name: the bytes of its name are replaced in the file.
  private func copies(_ count: Int, in directory: TemporaryDirectory) throws -> [String] {
    let source = try String(
      contentsOf: Locations.root.appending(path: "Examples/Plugins/identity/identity.c"),
      encoding: .utf8
    ).replacing("\"identity\"", with: "\"number-000\"")
    let file = try directory.write("numbered.c", source)
    let original = directory.path("numbered.so")
    let result = try run(
      "cc", ["-std=c11", "-shared", "-fPIC", "-I", Locations.header, "-o", original, file])
    guard result.status == 0 else { throw CompilationFailure(output: result.output) }
    let bytes = try Data(contentsOf: URL(filePath: original))
    let name = try #require(bytes.range(of: Data("number-000".utf8)))
    return try (0..<count).map { index in
      var copy = bytes
      let digits = String(index + 1000).dropFirst()
      copy.replaceSubrange(name, with: Data("number-\(digits)".utf8))
      let path = directory.path("\(index).so")
      try copy.write(to: URL(filePath: path))
      return path
    }
  }

  /// Isolated, each has a worker process; sixteen show what sixty-four would.
  @Test(arguments: [(64, PluginIsolation.inProcess), (16, .isolated)])
  func manyPluginsWithFourModelsEach(count: Int, isolation: PluginIsolation) async throws {
    let directory = try TemporaryDirectory()
    let host = try TestRegistry()
    let plugins = try copies(count, in: directory).map {
      try host.load($0, isolation: isolation)
    }
    #expect(Set(plugins.map(\.name)).count == count)
    #expect(host.registry.plugins.count == count)
    let models = try plugins.flatMap { plugin in
      try (0..<Self.modelCount).map { _ in
        try plugin.makeModel(artifacts: [], configuration: #"{"shape":[2]}"#)
      }
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for (index, model) in models.enumerated() {
        group.addTask {
          let execution = model.makeExecution()
          for round in 0..<4 {
            let values = [Float(index), Float(round)]
            execution.setFloats(0, values, shape: [2])
            try model.execute(execution)
            #expect(execution.output(0).floats == values)
            execution.reset()
          }
        }
      }
      try await group.waitForAll()
    }
  }

  @Test func whatAModelHeldGoesWithIt() throws {
    let host = try TestRegistry()
    let library = try ComputeExtensionTests.library.get()
    let plugin = try host.load(library.path)
    let trainer = try plugin.makeTrainer(
      configuration: #"{"epochs":1}"#, seed: 1, dataset: TwoMoons.dataset())
    var files: [String: [UInt8]] = [:]
    try trainer.export { files[$0, default: []] += Array($1) }
    let artifacts = files.map { Artifact(name: $0.key, copying: $0.value) }
    for _ in 0..<20 {
      weak var released: PluginModel?
      try {
        let model = try plugin.makeModel(artifacts: artifacts, configuration: #"{"epochs":1}"#)
        released = model
        let execution = model.makeExecution()
        execution.batchSize = 1
        execution.setFloats(0, [0, 1], shape: [1, 2])
        try model.execute(execution)
      }()
      #expect(released == nil)
    }
  }
}
