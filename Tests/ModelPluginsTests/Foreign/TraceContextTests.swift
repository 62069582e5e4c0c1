// SPDX-License-Identifier: Apache-2.0
import Foundation
import Runtime
import Testing

@testable import ModelPlugins

/// The W3C trace context of a request, on its way to the plugin's call.
@Suite(.enabled(if: isInstalled("cc"), "needs a C compiler"))
struct TraceContextTests {
  private static let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

  /// Answers with the trace context, one character an element.
  private static let plugin = """
    static msf_status validate(const msf_plugin *p, msf_string c, const msf_dataset *d,
                               msf_error *error) { return MSF_OK; }
    static msf_status execute(const msf_model *m, msf_execution *e) {
      if (e->struct_size < MSF_EXECUTION_SIZE_1_2) return MSF_INTERNAL;
      const int64_t size[] = {(int64_t)e->traceparent.size};
      void *y = e->output(e, 0, MSF_UINT8, 1, size, 0);
      if (y == NULL) return MSF_INTERNAL;
      memcpy(y, e->traceparent.data, e->traceparent.size);
      return MSF_OK;
    }
    static void destroy(const msf_model *m) {}
    static const int64_t shape[] = {-1};
    static const msf_tensor input = {{"x", 1}, MSF_FP32, 1, shape, NULL, 0};
    static const msf_tensor output = {{"y", 1}, MSF_UINT8, 1, shape, NULL, 0};
    static const msf_model model_table = {.struct_size = sizeof(msf_model), .inputs = &input,
      .outputs = &output, .input_count = 1, .output_count = 1, .execute = execute,
      .destroy = destroy};
    static msf_status create_model(const msf_plugin *p, const msf_model_request *r,
                                   const msf_model **model, msf_error *error) {
      *model = &model_table; return MSF_OK; }
    static const msf_plugin plugin = {.struct_size = sizeof plugin, .abi_major = MSF_ABI_MAJOR,
      .abi_minor = MSF_ABI_MINOR, .name = {"tracer", 6}, .version = {"1", 1},
      .capabilities = MSF_INFERENCE, .configuration_schema = {"{}", 2}, .validate = validate,
      .create_model = create_model};
    MSF_EXPORT const msf_plugin *massif_plugin_entry(const msf_host *host) { return &plugin; }
    """

  @Test(
    "A plugin sees the trace context of its call, and of no other",
    arguments: PluginIsolation.allCases)
  func reachesThePlugin(isolation: PluginIsolation) throws {
    let directory = try TemporaryDirectory()
    let model = try TestRegistry().load(
      compilePlugin(Self.plugin, in: directory), isolation: isolation
    ).makeModel(artifacts: [], configuration: "{}")
    let execution = model.makeExecution()
    func traced(_ trace: String?) throws -> String {
      execution.traceParent = trace
      execution.setFloats(0, [1], shape: [1])
      try model.execute(execution)
      defer { execution.reset() }
      return String(decoding: execution.output(0).bytes, as: UTF8.self)
    }
    #expect(try traced(nil) == "")
    #expect(try traced(Self.trace) == Self.trace)
    // The call after it is another's.
    #expect(try traced(nil) == "")
    // No traceparent is as long; an isolated call goes on without it.
    let long = String(repeating: "0", count: 100)
    #expect(try traced(long) == (isolation == .isolated ? "" : long))
  }
}
