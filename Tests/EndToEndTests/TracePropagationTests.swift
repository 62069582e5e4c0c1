// SPDX-License-Identifier: Apache-2.0
import Foundation
import MassifClient
import Testing

/// The W3C trace context that a client sends, seen by the plugin that answers it.
@Suite struct TracePropagationTests {
  /// Answers with the trace context of the call, one character an element.
  private static let tracer = """
    #include <string.h>
    #include "massif_plugin.h"
    static msf_status validate(const msf_plugin *p, msf_string c, const msf_dataset *d,
                               msf_error *e) { return MSF_OK; }
    static msf_status execute(const msf_model *m, msf_execution *e) {
      const int64_t size[] = {(int64_t)e->traceparent.size};
      void *y = e->output(e, 0, MSF_UINT8, 1, size, 0);
      if (y == NULL) return MSF_INTERNAL;
      memcpy(y, e->traceparent.data, e->traceparent.size);
      return MSF_OK;
    }
    static void destroy(const msf_model *m) {}
    static const int64_t shape[] = {-1};
    static const msf_tensor in = {{"x", 1}, MSF_FP32, 1, shape}, out = {{"y", 1}, MSF_UINT8, 1, shape};
    static const msf_model table = {.struct_size = sizeof table, .flags = FLAGS, .inputs = &in,
      .outputs = &out, .input_count = 1, .output_count = 1, .execute = execute,
      .destroy = destroy};
    static msf_status create(const msf_plugin *p, const msf_model_request *r,
                             const msf_model **model, msf_error *e) { *model = &table; return MSF_OK; }
    static const msf_plugin plugin = {.struct_size = sizeof plugin, .abi_major = MSF_ABI_MAJOR,
      .abi_minor = MSF_ABI_MINOR, .name = {NAME, sizeof NAME - 1}, .version = {"1", 1},
      .capabilities = MSF_INFERENCE, .configuration_schema = {"{}", 2}, .validate = validate,
      .create_model = create};
    MSF_EXPORT const msf_plugin *massif_plugin_entry(const msf_host *host) { return &plugin; }
    """

  @Test func reachesThePluginInProcessInlineAndIsolated() async throws {
    let massif = try await Installation(serveArguments: ["--allow-unsigned-plugins"])
    defer { massif.remove() }
    let source = massif.directory.appending(path: "tracer.c")
    try Self.tracer.write(to: source, atomically: true, encoding: .utf8)
    let variants = [
      ("tracer", "0", [String]()), ("tracer-inline", "MSF_MODEL_EXECUTES_INLINE", []),
      ("tracer-isolated", "0", ["--isolated"]),
    ]
    for (name, flags, options) in variants {
      let library = massif.directory.appending(path: "lib\(name).so").path
      let compiled = try await Program.run(
        URL(filePath: "/usr/bin/env"),
        [
          "cc", "-w", "-std=gnu11", "-shared", "-fPIC", "-DNAME=\"\(name)\"", "-DFLAGS=\(flags)",
          "-I", BuildProducts.root.appending(path: "Sources/CPluginABI/include").path,
          "-o", library, source.path,
        ])
      try #require(compiled.status == 0, "\(compiled.errors)")
      _ = try await massif.massifJSON(["plugins", "register", library] + options, as: "admin")
      _ = try await massif.massifJSON(
        ["models", "create", name, "--plugin", name, "--configuration", "{}"])
      _ = try await massif.massifJSON(["deploy", name])
    }
    let address = try #require(ServerAddress(massif.address))
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    for (sent, seen) in [(trace, trace), ("00-no-trace-01", ""), (nil, "")] {
      let options = try MassifClient.Options(
        metadata: sent.map { [(name: "traceparent", value: $0)] } ?? [])
      let client = try MassifClient(
        addresses: [address],
        credentials: Credentials(directory: massif.certificates.path, name: "alice"),
        options: options)
      defer { client.close() }
      for (name, _, _) in variants {
        let answer = try await client.infer(
          name, inputs: [Tensor("x", shape: [1], [Float(1)])])
        let text = String(decoding: try answer.outputs[0].elements(of: UInt8.self), as: UTF8.self)
        #expect(text == seen, "\(name)")
      }
    }
  }
}
