// SPDX-License-Identifier: Apache-2.0
import Foundation
import Runtime
import Testing

@testable import ModelPlugins

/// Plugins that would take the process with them: isolated, each fails its own requests with an error
/// that says why, is started again, and a model beside it never notices.
@Suite(.enabled(if: isInstalled("c++"), "needs a C++ compiler"))
struct RoguesGalleryTests {
  private let directory: TemporaryDirectory
  private let host: TestRegistry
  private static let good: [Float] = [1, 2, 3]
  private static let poison: [Float] = [666, 2, 3]

  init() throws {
    directory = try TemporaryDirectory()
    host = try Self.makeHost(callTimeout: .seconds(60))
  }

  private static func makeHost(callTimeout: Duration) throws -> TestRegistry {
    var configuration = IsolationConfiguration()
    configuration.maxMemoryByteCount = 320 << 20
    configuration.callTimeout = callTimeout
    configuration.cancellationGrace = .milliseconds(100)
    configuration.restartPolicy.firstDelay = .milliseconds(1)
    return try TestRegistry(isolation: configuration)
  }

  private func load(
    _ macros: [String: String], language: String = "c"
  ) throws -> ModelPlugins.ModelPlugin {
    try host.load(
      RoguePlugins.compile(macros, language: language, in: directory), isolation: .isolated)
  }

  private func model(_ macros: [String: String], language: String = "c") throws -> PluginModel {
    try load(macros, language: language).makeModel(artifacts: [], configuration: "{}")
  }

  private func neighbour() throws -> HealthyNeighbour {
    let healthy = try host.load(Locations.product("IdentityC"), isolation: .isolated)
    return HealthyNeighbour(try healthy.makeModel(artifacts: [], configuration: "{}"))
  }

  @Test(
    "A plugin that ends its process fails the call that it was in, and serves again",
    arguments: [
      ("segfault", "*(volatile int *)0 = 1;", "c"),
      ("abort", "abort();", "c"),
      ("exit", "_exit(0);", "c"),
      (
        "stack overflow",
        "volatile char *deep = (char *)__builtin_alloca(1 << 26); for (int i = 1 << 26; i-- > 0;) deep[i] = 1;",
        "c"
      ),
      ("exception through C", "throw 42;", "cc"),
      (
        "a write far past the output",
        "char *y = (char *)e->output(e, 0, MSF_FP32, 1, x->shape, 0); memset(y, 7, 1 << 16);", "c"
      ),
      (
        "nonsense on the channel",
        "for (int i = 0; i < 99; i++) write(3, \"nonsense\", 8); for (;;) pause();", "c"
      ),
    ])
  func crashes(what: String, rogue: String, language: String) throws {
    let neighbour = try neighbour()
    let model = try model(["ROGUE": rogue], language: language)
    #expect(try model.answer(Self.good) == Self.good)
    let error = failure { _ = try model.answer(Self.poison) }
    #expect(error?.code == .unavailable, "\(what): \(error.map(\.description) ?? "no error")")
    #expect(error?.reason == .crashed, "\(what): \(error?.message ?? "")")
    #expect(model.waitUntilAvailable())
    #expect(try model.answer(Self.good) == Self.good)
    #expect(neighbour.finish() > 0)
  }

  @Test(
    "What a plugin gets wrong about its outputs fails that call alone",
    arguments: [
      (
        "a write just past the output", PluginError.Code.internal, "outside of an output",
        "char *y = (char *)e->output(e, 0, MSF_FP32, 1, x->shape, 0); y[x->byte_count] ^= 1; return MSF_OK;"
      ),
      (
        "a write before the output", .internal, "outside of an output",
        "char *y = (char *)e->output(e, 0, MSF_FP32, 1, x->shape, 0); y[-1] ^= 1; return MSF_OK;"
      ),
      (
        "a lie about the type", .internal, "FP64",
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
      (
        "100 GB from the C library", .resourceExhausted, "",
        "char *p = (char *)malloc(100ULL << 30); return p ? MSF_OK : MSF_RESOURCE_EXHAUSTED;"
      ),
    ])
  func badAnswers(what: String, code: PluginError.Code, text: String, rogue: String) throws {
    let neighbour = try neighbour()
    let model = try model(["ROGUE": rogue])
    let error = failure { _ = try model.answer(Self.poison) }
    #expect(error?.code == code, "\(what): \(error.map(\.description) ?? "no error")")
    #expect(
      error?.message.contains(text) != false || text.isEmpty, "\(what): \(error?.message ?? "")")
    #expect(model.isAvailable)
    #expect(try model.answer(Self.good) == Self.good)
    #expect(neighbour.finish() > 0)
  }

  @Test(
    "A call that does not end is ended with the time that it may take",
    arguments: ["for (volatile int i = 0;; i++);", "for (;;) pause();"])
  func endlessLoop(rogue: String) throws {
    let neighbour = try neighbour()
    let impatient = try Self.makeHost(callTimeout: .milliseconds(300))
    let model = try impatient.load(
      RoguePlugins.compile(["ROGUE": rogue], in: directory), isolation: .isolated
    ).makeModel(artifacts: [], configuration: "{}")
    let error = failure { _ = try model.answer(Self.poison) }
    #expect(error?.code == .deadlineExceeded)
    #expect(error?.reason == .timedOut)
    #expect(model.waitUntilAvailable())
    #expect(neighbour.finish() > 0)
  }

  @Test("A call that nobody waits for is asked to stop, and ended when it does not")
  func cancelled() throws {
    let neighbour = try neighbour()
    let polite = try model([
      "NAME": "\"polite\"",
      "ROGUE": "while (!e->is_cancelled(e)) usleep(1000); return MSF_CANCELLED;",
    ])
    let rude = try model(["NAME": "\"rude\"", "ROGUE": "for (;;) pause();"])
    func cancelledCall(_ model: PluginModel) -> PluginError? {
      let execution = model.makeExecution()
      execution.setFloats(0, Self.poison, shape: [3])
      execution.isCancelled = { true }
      return failure { try model.execute(execution) }
    }
    #expect(cancelledCall(polite)?.code == .cancelled)
    #expect(polite.isAvailable)
    #expect(cancelledCall(rude)?.code == .deadlineExceeded)
    #expect(rude.waitUntilAvailable())
    #expect(neighbour.finish() > 0)
  }

  @Test(
    "A leak of 10 MB a call ends with the memory that the plugin may have, and it starts anew",
    arguments: [
      "char *p = (char *)malloc(10 << 20); if (!p) return MSF_RESOURCE_EXHAUSTED; memset(p, 1, 10 << 20);",
      "char *p = (char *)malloc(10 << 20); memset(p, 1, 10 << 20);",
    ])
  func leak(rogue: String) throws {
    let neighbour = try neighbour()
    let model = try model(["ROGUE": rogue])
    var error: PluginError?
    var calls = 0
    while error == nil, calls < 100 {
      error = failure { _ = try model.answer(Self.poison) }
      calls += 1
    }
    #expect(error?.code == .resourceExhausted, "after \(calls): \(error?.description ?? "")")
    #expect(calls > 5)
    #expect(model.waitUntilAvailable())
    // With all its memory back.
    for _ in 0..<5 { _ = try model.answer(Self.poison) }
    #expect(neighbour.finish() > 0)
  }

  @Test("A model that aborts when it is made is not made, and takes none along for good")
  func abortInCreate() throws {
    let neighbour = try neighbour()
    let plugin = try load([
      "CREATE": #"if (memmem(r->configuration.data, r->configuration.size, "die", 3)) abort();"#
    ])
    let good = try plugin.makeModel(artifacts: [], configuration: "{}")
    let error = failure { _ = try plugin.makeModel(artifacts: [], configuration: #"{"die":1}"#) }
    #expect(error?.reason == .crashed)
    #expect(good.waitUntilAvailable())
    #expect(try good.answer(Self.good) == Self.good)
    #expect(neighbour.finish() > 0)
  }

  @Test("A model that can be made once only fails alone after a restart")
  func madeOnce() throws {
    // What the first worker made, the second refuses: by a file that is not there, time has to do.
    let plugin = try load([
      "GLOBALS": "static int made;",
      "CREATE":
        #"if (memmem(r->configuration.data, r->configuration.size, "second", 6) && made == 0) abort(); made++;"#,
      "ROGUE": "abort();",
    ])
    let first = try plugin.makeModel(artifacts: [], configuration: "{}")
    let second = try plugin.makeModel(artifacts: [], configuration: #"{"second":1}"#)
    #expect(try second.answer(Self.good) == Self.good)
    _ = failure { _ = try first.answer(Self.poison) }
    #expect(first.waitUntilAvailable())
    #expect(second.waitUntilAvailable())
    #expect(try first.answer(Self.good) == Self.good)
  }

  @Test(
    "What is no plugin is refused, and no worker stays",
    arguments: [
      (["ENTRY": "return NULL;"], PluginError.Code.failedPrecondition, "returned no table"),
      (["MINOR": "7"], .failedPrecondition, "ABI 1.7, this host has 1."),
      (["NAME": "\"a/b\""], .invalidArgument, "plugin name"),
      (["ENTRY": "abort();"], .failedPrecondition, "while it was loaded"),
      (
        ["GLOBALS": "__attribute__((constructor)) static void early(void) { abort(); }"],
        .failedPrecondition, "while it was loaded"
      ),
    ])
  func notLoaded(macros: [String: String], code: PluginError.Code, text: String) throws {
    let neighbour = try neighbour()
    let error = failure { _ = try load(macros) }
    #expect(error?.code == code, "\(error.map(\.description) ?? "no error")")
    #expect(error?.message.contains(text) == true, "\(error?.message ?? "")")
    #expect(host.registry.plugins.map(\.name) == ["identity"])
    #expect(neighbour.finish() > 0)
  }

  @Test("A file cut short is refused before a worker is started")
  func truncated() throws {
    let neighbour = try neighbour()
    let path = try RoguePlugins.compile([:], in: directory)
    let whole = try Data(contentsOf: URL(filePath: path))
    try whole.prefix(whole.count / 2).write(to: URL(filePath: path))
    let error = failure { _ = try host.load(path, isolation: .isolated) }
    #expect(error?.code == .invalidArgument)
    #expect(error?.message.contains("cut short") == true, "\(error?.message ?? "")")
    #expect(neighbour.finish() > 0)
  }

  @Test(
    "100 GB asked for when a model is made is refused with the figures, before anything is taken",
    arguments: [
      // Making the model would end the worker, so that it has not been tried.
      ["ESTIMATE": "estimate->inference_byte_count = 100ULL << 30;", "CREATE": "abort();"],
      // More than the worker's memory, less than what a model may have in process.
      ["ESTIMATE": "estimate->inference_byte_count = 1ULL << 30;", "CREATE": "abort();"],
      ["CREATE": "model_table.memory_byte_count = 100ULL << 30;"],
    ])
  func modelBeyondTheMemory(macros: [String: String]) throws {
    let neighbour = try neighbour()
    let plugin = try load(macros)
    let error = failure { _ = try plugin.makeModel(artifacts: [], configuration: "{}") }
    #expect(error?.code == .resourceExhausted, "\(error.map(\.description) ?? "no error")")
    #expect(error?.reason == .overMemoryLimit)
    #expect(error?.message.contains("at most \(320 << 20) bytes") == true)
    #expect(neighbour.finish() > 0)
  }

  @Test("A model that takes 100 GB while it is made, having promised none, is not made")
  func memoryTakenInCreate() throws {
    let neighbour = try neighbour()
    let plugin = try load([
      "CREATE":
        "char *all = (char *)malloc(100ULL << 30); if (all == NULL) return MSF_RESOURCE_EXHAUSTED; memset(all, 1, 100ULL << 30);"
    ])
    let error = failure { _ = try plugin.makeModel(artifacts: [], configuration: "{}") }
    #expect(error?.code == .resourceExhausted, "\(error.map(\.description) ?? "no error")")
    #expect(neighbour.finish() > 0)
  }

  @Test("A file that changes after it was verified is not looked at again, a restart included")
  func changedFile() throws {
    let neighbour = try neighbour()
    let path = try RoguePlugins.compile(["ROGUE": "abort();"], in: directory)
    let image = try PluginImage(path: path)
    try Data("something else".utf8).write(to: URL(filePath: path))
    let model = try host.registry.load(image, isolation: .isolated)
      .makeModel(artifacts: [], configuration: "{}")
    #expect(try model.answer(Self.good) == Self.good)
    _ = failure { _ = try model.answer(Self.poison) }
    #expect(model.waitUntilAvailable())
    #expect(try model.answer(Self.good) == Self.good)
    #expect(neighbour.finish() > 0)
  }

  @Test("A thread of the plugin that scribbles over the slot harms nobody but the plugin")
  func scribbler() throws {
    let neighbour = try neighbour()
    // The header lies 16 KiB before the first input; everything in it is written at random.
    let model = try model([
      "GLOBALS":
        "static unsigned *volatile header; static void *scribble(void *p) { unsigned s = 1; for (;;) { "
        + "s = s * 1664525u + 1013904223u; unsigned *h = header; if (h) h[34 + s % 3600] = s ^ (s >> 7); } }",
      "ROGUE": "header = (unsigned *)((char *)x->bytes - 16384);",
      "CREATE":
        "pthread_t t; pthread_create(&t, NULL, scribble, NULL);",
    ])
    for _ in 0..<200 {
      let execution = model.makeExecution()
      execution.setFloats(0, Self.poison, shape: [3])
      if (try? model.execute(execution)) != nil {
        // Whatever it is, it is as large as it says and can be read.
        #expect(execution.output(0).bytes.count == execution.output(0).shape[0] * 4)
        #expect(execution.output(0).floats.count == execution.output(0).shape[0])
      }
    }
    #expect(neighbour.finish() > 0)
  }
}
