// SPDX-License-Identifier: Apache-2.0
import Foundation
import Runtime
import Synchronization
import Testing

@testable import ModelPlugins

/// What an isolated plugin does is what the same plugin does in process.
struct IsolatedPluginTests {
  private let host: TestRegistry

  init() throws {
    host = try TestRegistry()
  }

  private func identity(_ configuration: String = "{}") throws -> PluginModel {
    try host.load(Locations.product("IdentityC"), isolation: .isolated)
      .makeModel(artifacts: [], configuration: configuration)
  }

  @Test("A plugin says the same of itself, and what its sandbox came to")
  func description() throws {
    let isolated = try host.load(Locations.product("IdentityC"), isolation: .isolated)
    let other = try TestRegistry()
    let inProcess = try other.load(Locations.product("IdentityC"))
    #expect(isolated.isolation == .isolated)
    #expect(isolated.name == inProcess.name)
    #expect(isolated.version == inProcess.version)
    #expect(isolated.abiVersion == inProcess.abiVersion)
    #expect(isolated.capabilities == inProcess.capabilities)
    #expect(isolated.configurationSchema == inProcess.configurationSchema)
    #expect(inProcess.sandbox.isEmpty)
    #expect(isolated.sandbox.contains { $0.hasPrefix("seccomp") }, "\(isolated.sandbox)")
    #expect(isolated.sandbox.contains { $0.hasPrefix("Landlock") }, "\(isolated.sandbox)")
  }

  @Test("Every element type and many sizes come back as they went")
  func identityOfEveryType() throws {
    for datatype in DataType.allCases {
      let model = try identity(#"{"datatype":"\#(datatype.rawValue)"}"#)
      let execution = model.makeExecution()
      for count in [0, 1, 16, 1000] {
        var bytes: [UInt8] = []
        for element in 0..<count {
          if datatype == .bytes {
            let text = Array("element \(element)".utf8)
            bytes += withUnsafeBytes(of: UInt32(text.count).littleEndian) { Array($0) } + text
          } else {
            bytes += (0..<(datatype.byteCount ?? 0)).map { UInt8(truncatingIfNeeded: element + $0) }
          }
        }
        let box = ByteBox(bytes)
        execution.setInput(0, datatype: datatype, shape: [count], bytes: box.bytes, owner: box)
        try model.execute(execution)
        #expect(execution.output(0).shape == [count])
        #expect(execution.output(0).bytes.elementsEqual(bytes), "\(datatype) [\(count)]")
        execution.reset()
      }
    }
  }

  @Test("Configurations are checked in the worker, with the fields that are wrong")
  func validation() throws {
    let plugin = try host.load(Locations.product("IdentityC"), isolation: .isolated)
    try plugin.validate(configuration: "{}", dataset: nil)
    let error = failure {
      try plugin.validate(configuration: #"{"shape":["x"]}"#, dataset: nil)
    }
    #expect(error?.code == .invalidArgument)
    #expect(error?.violations.first?.field == "configuration.shape")
    #expect(
      failure { _ = try plugin.makeModel(artifacts: [], configuration: "[") }?.code
        == .invalidArgument)
    #expect(try plugin.estimateMemory(configuration: "{}", dataset: nil) == MemoryEstimate())
  }

  @Test("Calls from several threads at the same time are answered each with its own")
  func concurrency() throws {
    let model = try identity()
    let wrong = Atomic<Int>(0)
    DispatchQueue.concurrentPerform(iterations: 4) { thread in
      let execution = model.makeExecution()
      for call in 0..<100 {
        let value = Float(thread * 1000 + call)
        execution.setFloats(0, Array(repeating: value, count: 64), shape: [64])
        let answered = (try? model.execute(execution)) != nil
        if !answered || execution.output(0).floats != Array(repeating: value, count: 64) {
          wrong.add(1, ordering: .relaxed)
        }
        execution.reset()
      }
    }
    #expect(wrong.load(ordering: .relaxed) == 0)
  }

  @Test("A Swift plugin runs isolated as well")
  func swiftPlugin() throws {
    let model = try host.load(Locations.product("IdentitySwift"), isolation: .isolated)
      .makeModel(artifacts: [], configuration: #"{"datatype":"FP32","shape":[4]}"#)
    let execution = model.makeExecution()
    execution.setFloats(0, [1, 2, 3, 4], shape: [4])
    try model.execute(execution)
    #expect(execution.output(0).floats == [1, 2, 3, 4])
  }

  @Test("The worker ends with the last model of a retired build")
  func retired() throws {
    var model: PluginModel? = try identity()
    let plugin = try #require(host.registry.plugin(named: "identity"))
    host.registry.retire(digest: plugin.digest)
    #expect(model?.isAvailable == true)
    model = nil
    #expect(host.registry.plugin(named: "identity") == nil)
  }
}
