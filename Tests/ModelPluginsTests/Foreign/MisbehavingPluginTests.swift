// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import Runtime
import Testing

@testable import ModelPlugins

/// Plugins that break the contract where that can be survived: each gets an error that says how.
@Suite(.enabled(if: isInstalled("cc"), "needs a C compiler"))
struct MisbehavingPluginTests {
  /// A plugin whose parts a test replaces by macros.
  private static let template = """
    #ifndef MAJOR
    #define MAJOR MSF_ABI_MAJOR
    #endif
    #ifndef MINOR
    #define MINOR MSF_ABI_MINOR
    #endif
    #ifndef SIZE
    #define SIZE sizeof(msf_plugin)
    #endif
    #ifndef NAME
    #define NAME "rogue"
    #endif
    #ifndef VERSION
    #define VERSION "1"
    #endif
    #ifndef CAPABILITIES
    #define CAPABILITIES MSF_INFERENCE
    #endif
    #ifndef VALIDATE
    #define VALIDATE validate
    #endif
    #ifndef EXECUTE
    #define EXECUTE return MSF_OK;
    #endif
    #ifndef CREATE
    #define CREATE *model = &table; return MSF_OK;
    #endif
    #ifndef OUTPUTS
    #define OUTPUTS 1
    #endif
    static const msf_host *host;
    static int destroyed;
    static msf_status validate(const msf_plugin *p, msf_string c, const msf_dataset *d,
                               msf_error *error) { return MSF_OK; }
    static msf_status execute(const msf_model *m, msf_execution *e) {
      const int64_t four[] = {4}, five[] = {5}, huge[] = {INT64_MAX, 2};
      const msf_string text = {"no luck today", 13};
      (void)four, (void)five, (void)huge, (void)text;
      EXECUTE
    }
    static void destroy(const msf_model *m) { destroyed++; }
    static const int64_t shape[] = {4};
    static const msf_tensor input = {{"x", 1}, MSF_FP32, 1, shape, NULL, 0};
    static const msf_tensor output = {{"y", 1}, MSF_FP32, 1, shape, NULL, 0};
    static msf_model table = {.struct_size = sizeof(msf_model), .inputs = &input,
      .outputs = &output, .input_count = 1, .output_count = OUTPUTS, .execute = execute,
      .destroy = destroy};
    static msf_status create_model(const msf_plugin *p, const msf_model_request *r,
                                   const msf_model **model, msf_error *error) { CREATE }
    static msf_plugin plugin = {.struct_size = SIZE, .abi_major = MAJOR, .abi_minor = MINOR,
      .name = {NAME, sizeof NAME - 1}, .version = {VERSION, sizeof VERSION - 1}, .capabilities = CAPABILITIES,
      .configuration_schema = {"{}", 2}, .validate = VALIDATE, .create_model = create_model};
    MSF_EXPORT const msf_plugin *massif_plugin_entry(const msf_host *lent) {
      host = lent;
    #ifdef ENTRY
      ENTRY
    #endif
      return &plugin;
    }
    """

  private let directory: TemporaryDirectory
  private let host: TestRegistry

  init() throws {
    directory = try TemporaryDirectory()
    host = try TestRegistry(limits: .small)
  }

  private func load(_ macros: String) throws -> ModelPlugins.ModelPlugin {
    try host.load(compilePlugin(macros + "\n" + Self.template, in: directory))
  }

  /// Loads the plugin and runs its model on four floats.
  private func execute(_ macros: String) throws -> [Float] {
    let model = try load(macros).makeModel(artifacts: [], configuration: "{}")
    let execution = model.makeExecution()
    execution.setFloats(0, [1, 2, 3, 4], shape: [4])
    try model.execute(execution)
    return execution.output(0).floats
  }

  @Test("The template itself is a good plugin, so that each test fails for its own reason")
  func template() throws {
    let answer = try execute(
      "#define EXECUTE float *y = e->output(e, 0, MSF_FP32, 1, four, 0); "
        + "memcpy(y, e->inputs[0].bytes, 16); return MSF_OK;")
    #expect(answer == [1, 2, 3, 4])
  }

  @Test(
    "Tables that break the contract are not registered",
    arguments: [
      ("#define MAJOR 2", PluginError.Code.failedPrecondition, "ABI 2.2, this host has 1.2"),
      ("#define MINOR 7", .failedPrecondition, "ABI 1.7, this host has 1.2"),
      ("#define SIZE 16", .invalidArgument, "at least 112 bytes, came 16"),
      ("#define NAME \"a/b\"", .invalidArgument, "plugin name"),
      ("#define NAME \"\"", .invalidArgument, "plugin name"),
      ("#define CAPABILITIES 0", .invalidArgument, "MSF_INFERENCE, MSF_TRAINING or both"),
      ("#define CAPABILITIES MSF_TRAINING", .invalidArgument, "create_trainer is NULL"),
      ("#define VALIDATE NULL", .invalidArgument, "validate is NULL"),
      ("#define ENTRY return NULL;", .failedPrecondition, "returned no table"),
    ])
  func badTables(macros: String, code: PluginError.Code, text: String) throws {
    let error = failure { _ = try load(macros) }
    #expect(error?.code == code)
    #expect(error?.message.contains(text) == true, "\(error?.message ?? "no error")")
    #expect(host.registry.plugins.isEmpty)
  }

  @Test("A plugin that refuses says why in the log")
  func refusalIsLogged() throws {
    let entry =
      #"#define ENTRY host->log(host, MSF_LOG_ERROR, (msf_string){"no\nlicence", 10}); return NULL;"#
    _ = failure { _ = try load(entry) }
    #expect(host.lines.all.contains { $0.hasPrefix("error plugin") && $0.hasSuffix("no licence") })
  }

  @Test(
    "Models that break the contract are not made",
    arguments: [
      ("#define CREATE *model = NULL; return MSF_OK;", "made no model"),
      ("#define CREATE return 99;", "status 99"),
      ("#define CREATE table.struct_size = 8; *model = &table; return MSF_OK;", "8 bytes"),
      ("#define CREATE table.execute = NULL; *model = &table; return MSF_OK;", "NULL"),
      ("#define OUTPUTS 0", "0 outputs"), ("#define OUTPUTS 65", "65 outputs"),
      ("#define CREATE table.max_batch_size = -1; *model = &table; return MSF_OK;", "negative"),
      (
        "#define CREATE static msf_tensor t; t = output; t.data_type = 99; table.outputs = &t; "
          + "*model = &table; return MSF_OK;", "impossible tensor"
      ),
      (
        "#define CREATE static msf_tensor t; t = output; t.rank = 9; table.outputs = &t; "
          + "*model = &table; return MSF_OK;", "impossible tensor"
      ),
      (
        "#define CREATE static int64_t s[] = {-2}; static msf_tensor t; t = output; t.shape = s; "
          + "table.outputs = &t; *model = &table; return MSF_OK;", "impossible description"
      ),
    ])
  func badModels(macros: String, text: String) throws {
    let plugin = try load(macros)
    let error = failure { _ = try plugin.makeModel(artifacts: [], configuration: "{}") }
    #expect(error?.message.contains(text) == true, "\(error?.message ?? "no error")")
  }

  @Test(
    "What goes wrong in execute fails that call",
    arguments: [
      ("return MSF_OK;", PluginError.Code.internal, "did not set output y"),
      ("return MSF_UNAVAILABLE;", .unavailable, "status 14"),
      ("return 12345;", .unknown, "status 12345"),
      (
        "e->set_message(e, text); return MSF_RESOURCE_EXHAUSTED;", .resourceExhausted,
        "no luck today"
      ),
      // Lies about outputs, believed by nobody even when execute says that all is well.
      ("e->output(e, 0, MSF_FP32, 1, five, 0); return MSF_OK;", .internal, "[5], declared"),
      ("e->output(e, 0, MSF_FP64, 1, four, 0); return MSF_OK;", .internal, "FP64 [4], declared"),
      ("e->output(e, 0, MSF_FP32, 2, huge, 0); return MSF_OK;", .internal, "declared as"),
      ("e->output(e, 0, MSF_FP32, 1, four, 17); return MSF_OK;", .internal, "impossible size"),
      ("e->output(e, 0, 77, 1, four, 0); return MSF_OK;", .internal, "data type 77"),
      ("e->output(e, 0, MSF_FP32, 9, four, 0); return MSF_OK;", .internal, "rank 9"),
      ("e->output(e, 0, MSF_FP32, 1, NULL, 0); return MSF_OK;", .internal, "rank 1"),
      ("e->output(e, 1, MSF_FP32, 1, four, 0); return MSF_OK;", .internal, "output 1 of 1"),
      ("return e->output_alias(e, 0, 7, MSF_FP32, 1, four);", .internal, "input 7 of 1"),
      ("return e->output_alias(e, 0, 0, MSF_FP64, 1, four);", .internal, "declared as FP32"),
    ])
  func badExecutions(body: String, code: PluginError.Code, text: String) throws {
    let error = failure { _ = try execute("#define EXECUTE \(body)") }
    #expect(error?.code == code)
    #expect(error?.message.contains(text) == true, "\(error?.message ?? "no error")")
  }

  @Test("Outputs of a size that the client chose stop at the limit")
  func outputLimit() throws {
    // Declared as [-1], so that any length is allowed but for the limit of one megabyte.
    let error = failure {
      _ = try execute(
        "static const int64_t any[] = {-1}; static int64_t many[] = {1 << 20};\n"
          + "#define CREATE static msf_tensor t; t = output; t.shape = any; table.outputs = &t; "
          + "*model = &table; return MSF_OK;\n"
          + "#define EXECUTE e->output(e, 0, MSF_FP32, 1, many, 0); return MSF_OK;")
    }
    #expect(error?.code == .resourceExhausted)
    #expect(error?.message.contains("limit of 1048576 bytes") == true)
  }

  @Test("A model is destroyed once, when it is released")
  func destroyed() throws {
    let plugin = try load(
      "#define CREATE if (destroyed == 1) return MSF_ABORTED; *model = &table; return MSF_OK;")
    weak var model: PluginModel?
    do {
      let alive = try plugin.makeModel(artifacts: [], configuration: "{}")
      model = alive
      _ = try plugin.makeModel(artifacts: [], configuration: "{}").maxBatchSize
    }
    #expect(model == nil)
    // Two models were made and destroyed: the counter is past the one that fails.
    _ = try plugin.makeModel(artifacts: [], configuration: "{}")
  }

  @Test("A file cut short anywhere is refused, and the process lives")
  func cutShort() throws {
    let whole = try Data(
      contentsOf: URL(filePath: compilePlugin(Self.template, in: directory)))
    for count in [0, 3, 63, 64, 200, 1000, whole.count / 3, whole.count / 2] {
      let path = directory.path("cut-\(count).so")
      try whole.prefix(count).write(to: URL(filePath: path))
      let error = failure { _ = try host.load(path) }
      #expect(error?.code == .invalidArgument, "\(count) bytes")
      #expect(error?.message.contains("cut short") == true, "\(count): \(error?.message ?? "")")
      #expect(error?.message.contains(directory.url.path) == false)
    }
  }

  @Test("Files that are no plugin are refused without telling their path")
  func noPlugin() throws {
    let text = try directory.write("text.so", String(repeating: "not an ELF file ", count: 64))
    #expect(failure { _ = try host.load(text) }?.message.contains("not a 64-bit") == true)
    #expect(failure { _ = try host.load(directory.path("missing")) }?.code == .notFound)
    #expect(failure { _ = try host.load(directory.url.path) }?.code == .invalidArgument)

    let other = try directory.write("other.c", "int answer(void) { return 42; }")
    let library = directory.path("other.so")
    _ = try run("cc", ["-shared", "-fPIC", "-o", library, other])
    let error = failure { _ = try host.load(library) }
    #expect(error?.message.contains("no symbol massif_plugin_entry") == true)

    let needy = try directory.write("needy.c", "int missing(void); int f(void){return missing();}")
    let unresolved = directory.path("needy.so")
    _ = try run("cc", ["-shared", "-fPIC", "-o", unresolved, needy])
    let unresolvedError = failure { _ = try host.load(unresolved) }
    #expect(unresolvedError?.message.contains("missing") == true)
    #expect(unresolvedError?.message.contains(directory.url.path) == false)
  }

  @Test("Another build under the same name takes its place; a built-in name is not to be had")
  func names() throws {
    try host.registry.registerBuiltIns()
    let first = try load("")
    let other = try TemporaryDirectory()
    let second = try host.load(
      compilePlugin("#define VERSION \"2\"\n" + Self.template, in: other))
    #expect(first !== second)
    #expect(host.registry.plugin(named: "rogue") === second)
    #expect(host.registry.plugin(digest: first.digest) === first)
    #expect(host.registry.plugins.filter { !$0.isBuiltIn }.map(\.name) == ["rogue"])
    #expect(host.registry.builds.filter { !$0.isBuiltIn }.map(\.version) == ["1", "2"])
    let third = try TemporaryDirectory()
    let error = failure {
      _ = try host.load(
        compilePlugin("#define NAME \"neural-network\"\n" + Self.template, in: third))
    }
    #expect(error?.code == .alreadyExists)
  }
}

extension PluginLimits {
  /// Limits that a test can reach.
  static var small: PluginLimits {
    var limits = PluginLimits()
    limits.maxOutputByteCount = 1 << 20
    return limits
  }
}
