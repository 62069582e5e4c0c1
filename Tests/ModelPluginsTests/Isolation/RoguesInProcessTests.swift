// SPDX-License-Identifier: Apache-2.0
import Foundation
import Runtime
import Testing

@testable import ModelPlugins

/// The rows of the rogues' gallery that a process survives, in this one: each fails with an error that
/// says why, beside a healthy model that never does.
@Suite(.enabled(if: isInstalled("cc"), "needs a C compiler"))
struct RoguesInProcessTests {
  private let directory: TemporaryDirectory
  private let host: TestRegistry
  private let neighbour: HealthyNeighbour

  init() throws {
    directory = try TemporaryDirectory()
    host = try TestRegistry()
    neighbour = HealthyNeighbour(
      try host.load(Locations.product("IdentityC"))
        .makeModel(artifacts: [], configuration: "{}"))
  }

  private func load(_ macros: [String: String]) throws -> ModelPlugins.ModelPlugin {
    try host.load(RoguePlugins.compile(macros, in: directory))
  }

  @Test(
    "A call that breaks the contract or asks for too much fails alone",
    arguments: [
      (
        "a lie about the type", PluginError.Code.internal, "FP64",
        "e->output(e, 0, MSF_FP64, 1, x->shape, 0); return MSF_OK;"
      ),
      (
        "a lie about the rank", .internal, "declared as",
        "int64_t two[] = {1, 1}; e->output(e, 0, MSF_FP32, 2, two, 0); return MSF_OK;"
      ),
      ("no output", .internal, "did not set output y", "return MSF_OK;"),
      (
        "100 GB of output", .resourceExhausted, "exceed the limit",
        "int64_t many[] = {25LL << 30}; e->output(e, 0, MSF_FP32, 1, many, 0); return MSF_OK;"
      ),
      (
        "100 GB from the host", .resourceExhausted, "",
        "void *p = host->allocate(host, 100ULL << 30); return p ? MSF_OK : MSF_RESOURCE_EXHAUSTED;"
      ),
    ])
  func badAnswers(what: String, code: PluginError.Code, text: String, rogue: String) throws {
    let model = try load(["ROGUE": rogue]).makeModel(artifacts: [], configuration: "{}")
    let error = failure { _ = try model.answer([666, 1]) }
    #expect(error?.code == code, "\(what): \(error.map(\.description) ?? "no error")")
    #expect(
      text.isEmpty || error?.message.contains(text) == true, "\(what): \(error?.message ?? "")")
    #expect(try model.answer([1, 2]) == [1, 2])
    #expect(neighbour.finish() > 0)
  }

  @Test(
    "100 GB asked for when a model is made is refused with the figures, before anything is taken",
    arguments: [
      [
        "ESTIMATE": "estimate->inference_byte_count = 100ULL << 30;",
        "CREATE": "return MSF_ABORTED;",
      ],
      ["CREATE": "model_table.memory_byte_count = 100ULL << 30;"],
    ])
  func modelBeyondTheMemory(macros: [String: String]) throws {
    let plugin = try load(macros)
    let error = failure { _ = try plugin.makeModel(artifacts: [], configuration: "{}") }
    #expect(error?.code == .resourceExhausted, "\(error.map(\.description) ?? "no error")")
    #expect(error?.reason == .overMemoryLimit)
    #expect(error?.message.contains("takes \(100 << 30)") == true, "\(error?.message ?? "")")
    #expect(neighbour.finish() > 0)
  }

  @Test("A plugin that cannot estimate without a data set makes models all the same")
  func noEstimate() throws {
    let model = try load(["ESTIMATE": "return MSF_UNIMPLEMENTED;"])
      .makeModel(artifacts: [], configuration: "{}")
    #expect(try model.answer([1]) == [1])
    #expect(neighbour.finish() > 0)
  }

  @Test(
    "What is no plugin is refused",
    arguments: [
      (["ENTRY": "return NULL;"], PluginError.Code.failedPrecondition, "returned no table"),
      (["MINOR": "7"], .failedPrecondition, "ABI 1.7, this host has 1."),
    ])
  func notLoaded(macros: [String: String], code: PluginError.Code, text: String) throws {
    let error = failure { _ = try load(macros) }
    #expect(error?.code == code, "\(error.map(\.description) ?? "no error")")
    #expect(error?.message.contains(text) == true, "\(error?.message ?? "")")
    #expect(host.registry.plugins.map(\.name) == ["identity"])
    #expect(neighbour.finish() > 0)
  }

  @Test("A file cut short is refused before the linker sees it")
  func truncated() throws {
    let path = try RoguePlugins.compile([:], in: directory)
    let whole = try Data(contentsOf: URL(filePath: path))
    try whole.prefix(whole.count / 2).write(to: URL(filePath: path))
    #expect(failure { _ = try host.load(path) }?.code == .invalidArgument)
    #expect(neighbour.finish() > 0)
  }

  @Test("A file that changes between verification and loading is loaded as it was verified")
  func changedFile() throws {
    let path = try RoguePlugins.compile(["NAME": "\"verified\""], in: directory)
    let image = try PluginImage(path: path)
    // In place, so that whoever opened the file before sees other bytes.
    let file = try #require(FileHandle(forWritingAtPath: path))
    try file.write(contentsOf: Data(repeating: 0xCC, count: image.byteCount))
    try file.close()
    let plugin = try host.registry.load(image)
    #expect(plugin.name == "verified")
    let model = try plugin.makeModel(artifacts: [], configuration: "{}")
    #expect(try model.answer([1, 2]) == [1, 2])
    // The same file is another build now, and none.
    #expect(failure { _ = try host.load(path) }?.code == .invalidArgument)
    #expect(neighbour.finish() > 0)
  }
}
