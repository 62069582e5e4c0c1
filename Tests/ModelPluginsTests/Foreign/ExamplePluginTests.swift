// SPDX-License-Identifier: Apache-2.0
import Foundation
import Runtime
import Testing

@testable import ModelPlugins

/// The plugins of Examples/Plugins, as the build made them, loaded as a server loads them.
struct ExamplePluginTests {
  static let examples = [("IdentityC", "identity"), ("IdentitySwift", "identity-swift")]

  @Test(arguments: examples)
  func loads(product: String, name: String) throws {
    let host = try TestRegistry()
    let plugin = try host.load(Locations.product(product))
    #expect(plugin.name == name)
    #expect(plugin.version == "1.0.0")
    #expect(plugin.abiVersion == "1.2")
    #expect(plugin.capabilities == [.inference])
    #expect(!plugin.isBuiltIn)
    #expect(host.registry.plugin(named: name) === plugin)
    #expect(host.registry.plugin(digest: plugin.digest) === plugin)
    // The same digest again is the same plugin.
    #expect(try host.load(Locations.product(product)) === plugin)
  }

  @Test("The answer is the request's own bytes", arguments: examples)
  func echoesWithoutCopying(product: String, name: String) throws {
    let plugin = try TestRegistry().load(Locations.product(product))
    let model = try plugin.makeModel(
      artifacts: [], configuration: #"{"datatype":"FP32","shape":[16]}"#)
    #expect(
      model.inputs == [TensorSpecification(name: "INPUT0", datatype: .fp32, shape: [16])])
    #expect(
      model.outputs == [TensorSpecification(name: "OUTPUT0", datatype: .fp32, shape: [16])])
    #expect(model.maxBatchSize == 0)
    #expect(model.executesInline)

    let values = (0..<16).map(Float.init)
    let box = values.withUnsafeBytes { ByteBox($0) }
    let execution = model.makeExecution()
    for _ in 0..<3 {
      execution.setInput(0, datatype: .fp32, shape: [16], bytes: box.bytes, owner: box)
      try model.execute(execution)
      let output = execution.output(0)
      #expect(output.name == "OUTPUT0")
      #expect(output.shape == [16])
      #expect(output.floats == values)
      #expect(output.bytes.baseAddress == box.bytes.baseAddress)
      #expect(output.owner === box)
      execution.reset()
    }
  }

  @Test("Any type and shape that the configuration says", arguments: examples)
  func otherTypes(product: String, name: String) throws {
    let plugin = try TestRegistry().load(Locations.product(product))
    let model = try plugin.makeModel(
      artifacts: [], configuration: #"{ "shape" : [ 2 , -1 ] , "datatype" : "BYTES" }"#)
    let strings = Artifact(name: "", copying: [1, 0, 0, 0, 65, 0, 0, 0, 0])
    let execution = model.makeExecution()
    execution.setInput(
      0, datatype: .bytes, shape: [2, 1], bytes: strings.bytes, owner: strings.owner)
    try model.execute(execution)
    #expect(execution.output(0).datatype == .bytes)
    #expect(execution.output(0).bytes.elementsEqual(strings.bytes))

    let byDefault = try plugin.makeModel(artifacts: [], configuration: "{}")
    #expect(byDefault.inputs.first?.shape == [-1])
    #expect(byDefault.inputs.first?.datatype == .fp32)
  }

  @Test("A wrong configuration is named by its field", arguments: examples)
  func wrongConfiguration(product: String, name: String) throws {
    let plugin = try TestRegistry().load(Locations.product(product))
    for (configuration, field) in [
      (#"{"datatype":"FLOAT"}"#, "configuration.datatype"),
      (#"{"shape":["a"]}"#, "configuration.shape"), ("[]", "configuration"),
    ] {
      let error = failure {
        _ = try plugin.makeModel(artifacts: [], configuration: configuration)
      }
      #expect(error?.code == .invalidArgument, "\(configuration)")
      #expect(error?.violations.first?.field.hasPrefix(field) == true, "\(configuration)")
    }
  }

  @Test("The C plugin checks its configuration before a model is made")
  func validates() throws {
    let plugin = try TestRegistry().load(Locations.product("IdentityC"))
    try plugin.validate(configuration: #"{"datatype":"INT8","shape":[]}"#, dataset: nil)
    for configuration in [
      #"{"datatype":"FP32",}"#, #"{"rate":1}"#, #"{"shape":[1,2,3,4,5,6,7,8,9]}"#, "{", "{}x",
      #"{"shape":[-2]}"#,
    ] {
      #expect(
        failure { try plugin.validate(configuration: configuration, dataset: nil) }?.code
          == .invalidArgument, "\(configuration)")
    }
    #expect(plugin.configurationSchema.contains("\"default\":\"FP32\""))
    #expect(
      (try? JSONSerialization.jsonObject(with: Data(plugin.configurationSchema.utf8))) != nil)
  }

  @Test("Neither trains")
  func doesNotTrain() throws {
    let plugin = try TestRegistry().load(Locations.product("IdentityC"))
    let dataset = try DataSetView(tensors: [], owner: ByteBox([]))
    let error = failure {
      _ = try plugin.makeTrainer(configuration: "{}", seed: 1, dataset: dataset)
    }
    #expect(error?.code == .unimplemented)
  }

  @Test("Many threads call one model at the same time")
  func concurrentCalls() async throws {
    let plugin = try TestRegistry().load(Locations.product("IdentitySwift"))
    let model = try plugin.makeModel(artifacts: [], configuration: "{}")
    try await withThrowingTaskGroup(of: Void.self) { group in
      for task in 0..<4 {
        group.addTask {
          let execution = model.makeExecution()
          for round in 0..<200 {
            let values = [Float(task), Float(round)]
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

  @Test("The line of the README makes the same plugin")
  func compilesByHand() throws {
    try #require(isInstalled("cc"))
    let directory = try TemporaryDirectory()
    let library = directory.path("libidentity.so")
    let source = Locations.root.appending(path: "Examples/Plugins/identity/identity.c").path
    let result = try run(
      "cc",
      [
        "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O2", "-shared", "-fPIC", "-I",
        Locations.header, "-o", library, source,
      ])
    #expect(result.status == 0, "\(result.output)")
    #expect(try TestRegistry().load(library).name == "identity")
  }
}
