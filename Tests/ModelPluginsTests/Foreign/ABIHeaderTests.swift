// SPDX-License-Identifier: Apache-2.0
import CPluginABI
import Foundation
import Runtime
import Testing

@testable import ModelPlugins

struct ABIHeaderTests {
  @Test(
    "The header compiles alone, without warnings",
    arguments: [("gcc", "c11"), ("clang", "c11"), ("g++", "c++17"), ("clang++", "c++17")])
  func compilesAlone(compiler: String, standard: String) throws {
    try #require(isInstalled(compiler), "\(compiler) is not installed: scripts/bootstrap says how")
    let directory = try TemporaryDirectory()
    let file = try directory.write(
      standard.hasPrefix("c++") ? "alone.cc" : "alone.c",
      """
      #include "massif_plugin.h"
      MSF_EXPORT const msf_plugin *massif_plugin_entry(const msf_host *host);
      const msf_plugin *massif_plugin_entry(const msf_host *host) { (void)host; return NULL; }
      """)
    let result = try run(
      compiler,
      [
        "-std=\(standard)", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only",
        "-I", Locations.header, file,
      ])
    #expect(result.status == 0, "\(result.output)")
  }

  @Test("Tables are as large as their version says")
  func tableSizes() {
    let sizes: [(size: Int, stated: Int)] = [
      (MemoryLayout<msf_error>.size, MSF_ERROR_SIZE_1_0),
      (MemoryLayout<msf_host>.size, MSF_HOST_SIZE_1_0),
      (MemoryLayout<msf_execution>.size, MSF_EXECUTION_SIZE_1_2),
      (MemoryLayout<msf_progress>.size, MSF_PROGRESS_SIZE_1_0),
      (MemoryLayout<msf_writer>.size, MSF_WRITER_SIZE_1_0),
      (MemoryLayout<msf_dataset>.size, MSF_DATASET_SIZE_1_0),
      (MemoryLayout<msf_model_request>.size, MSF_MODEL_REQUEST_SIZE_1_0),
      (MemoryLayout<msf_trainer_request>.size, MSF_TRAINER_REQUEST_SIZE_1_0),
      (MemoryLayout<msf_memory_estimate>.size, MSF_MEMORY_ESTIMATE_SIZE_1_0),
      (MemoryLayout<msf_model>.size, MSF_MODEL_SIZE_1_0),
      (MemoryLayout<msf_trainer>.size, MSF_TRAINER_SIZE_1_1),
      (MemoryLayout<msf_session_request>.size, MSF_SESSION_REQUEST_SIZE_1_1),
      (MemoryLayout<msf_compute>.size, MSF_COMPUTE_SIZE_1_1),
      (MemoryLayout<msf_plugin>.size, MSF_PLUGIN_SIZE_1_0),
    ].map { ($0.0, Int($0.1)) }
    for (index, size) in sizes.enumerated() {
      #expect(size.size == size.stated, "table \(index)")
    }
  }

  @Test("Every data type has its own number, both ways", arguments: DataType.allCases)
  func dataTypes(type: DataType) {
    #expect(DataType(msf: type.msf) == type)
  }

  @Test("Numbers that are no data type are refused", arguments: [0, -1, 15, Int32.max, Int32.min])
  func unknownDataTypes(number: Int32) {
    #expect(DataType(msf: number) == nil)
  }

  @Test(
    "A plugin of each earlier minor's header is loaded, and its shorter tables are respected",
    arguments: [0, 1])
  func earlierMinor(minor: Int) throws {
    try #require(isInstalled("cc"))
    let directory = try TemporaryDirectory()
    let header = Locations.root.appending(
      path: "Tests/ModelPluginsTests/Headers/massif_plugin_1_\(minor).h")
    try FileManager.default.copyItem(
      atPath: header.path, toPath: directory.path("massif_plugin.h"))
    let source = try directory.write("old.c", Self.oldPlugin)
    let library = directory.path("old.so")
    let result = try run(
      "cc",
      [
        "-std=c11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-DMINOR=\(minor)",
        "-I", directory.url.path,
        "-o", library, source,
      ])
    #expect(result.status == 0, "\(result.output)")
    let plugin = try TestRegistry().load(library)
    #expect(plugin.abiVersion == "1.\(minor)")
    let trainer = try plugin.makeTrainer(
      configuration: "{}", seed: 1, dataset: TwoMoons.dataset())
    _ = try trainer.trainEpoch(1) { _ in true }
    // What stands behind the table of 1.0 is not read as the function that 1.1 appended; 1.1 has
    // none.
    #expect(!trainer.supportsPartialFit)
    let error = failure { _ = try trainer.partialFit(TwoMoons.dataset()) }
    #expect(error?.code == .unimplemented)
    // The execution that it gets is longer than the one that it knows.
    let model = try plugin.makeModel(artifacts: [], configuration: "{}")
    let execution = model.makeExecution()
    execution.traceParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    execution.setFloats(0, [1, 2], shape: [2])
    try model.execute(execution)
    #expect(execution.output(0).floats == [1, 2])
  }

  /// A trainer table of the header that it is compiled with, and bytes behind it that are no function.
  private static let oldPlugin = """
    #include "massif_plugin.h"
    _Static_assert(MSF_ABI_MINOR == MINOR, "the header that was meant");
    static const int64_t shape[] = {-1};
    static const msf_tensor x = {{"x", 1}, MSF_FP32, 1, shape, NULL, 0};
    static const msf_tensor y = {{"y", 1}, MSF_FP32, 1, shape, NULL, 0};
    static msf_status execute(const msf_model *m, msf_execution *e) {
      (void)m; return e->output_alias(e, 0, 0, MSF_FP32, 1, e->inputs[0].shape); }
    static void destroy_model(const msf_model *m) { (void)m; }
    static const msf_model model = {.struct_size = sizeof(msf_model), .inputs = &x, .outputs = &y,
      .input_count = 1, .output_count = 1, .execute = execute, .destroy = destroy_model};
    static msf_status create_model(const msf_plugin *p, const msf_model_request *r,
                                   const msf_model **out, msf_error *e) {
      (void)p, (void)r, (void)e; *out = &model; return MSF_OK; }
    static msf_status validate(const msf_plugin *p, msf_string c, const msf_dataset *d,
                               msf_error *e) { (void)p, (void)c, (void)d, (void)e; return MSF_OK; }
    static msf_status epoch(const msf_trainer *t, uint32_t n, const msf_progress *p, msf_error *e) {
      (void)t, (void)n, (void)p, (void)e; return MSF_OK; }
    static msf_status write(const msf_trainer *t, const msf_writer *w, msf_error *e) {
      (void)t, (void)w, (void)e; return MSF_OK; }
    static msf_status restore(const msf_trainer *t, const msf_artifact *a, uint32_t n, uint32_t *c,
                              msf_error *e) {
      (void)t, (void)a, (void)n, (void)e; *c = 0; return MSF_OK; }
    static void destroy(const msf_trainer *t) { (void)t; }
    static struct { msf_trainer table; uint64_t beyond[4]; } trainer = {
      {.struct_size = sizeof(msf_trainer), .epoch_count = 1, .sample_count = 1, .step_count = 1,
       .train_epoch = epoch, .checkpoint = write, .restore = restore, .export_model = write,
       .destroy = destroy}, {0xDEAD, 0xDEAD, 0xDEAD, 0xDEAD}};
    static msf_status create(const msf_plugin *p, const msf_trainer_request *r,
                             const msf_trainer **out, msf_error *e) {
      (void)p, (void)r, (void)e; *out = &trainer.table; return MSF_OK; }
    MSF_EXPORT const msf_plugin *massif_plugin_entry(const msf_host *host) {
      (void)host;
      static msf_plugin plugin = {.struct_size = sizeof(msf_plugin), .abi_major = MSF_ABI_MAJOR,
        .abi_minor = MSF_ABI_MINOR, .name = {"old", 3}, .version = {"1", 1},
        .capabilities = MSF_TRAINING | MSF_INFERENCE, .create_model = create_model, .configuration_schema = {"{}", 2}, .validate = validate,
        .create_trainer = create};
      return &plugin;
    }
    """

  @Test("Same major number, and the host's minor number not less")
  func versionRule() throws {
    try PluginTable.checkVersion(major: 1, minor: 0, hostMajor: 1, hostMinor: 0)
    try PluginTable.checkVersion(major: 1, minor: 0, hostMajor: 1, hostMinor: 3)
    for (major, minor, hint) in [
      (UInt16(1), UInt16(4), "update the host"), (2, 0, "update the host"),
      (0, 9, "newer massif_plugin.h"),
    ] {
      let error = failure {
        try PluginTable.checkVersion(major: major, minor: minor, hostMajor: 1, hostMinor: 3)
      }
      #expect(error?.code == .failedPrecondition)
      #expect(error?.message.contains("\(major).\(minor)") == true)
      #expect(error?.message.contains("1.3") == true)
      #expect(error?.message.contains(hint) == true)
    }
  }
}
