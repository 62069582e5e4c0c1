// SPDX-License-Identifier: Apache-2.0
import Foundation
import MassifClient
import Testing

/// Isolated plugins in the real server: what goes wrong in one stays in it.
@Suite(.serialized) struct IsolationTests {
  /// A plugin that answers with its input, and does as the first number says when that is negative.
  private static let rogue = """
    #include <stdlib.h>
    #include <string.h>
    #include <unistd.h>
    #include "massif_plugin.h"
    static msf_status validate(const msf_plugin *p, msf_string c, const msf_dataset *d,
                               msf_error *e) { return MSF_OK; }
    static msf_status execute(const msf_model *m, msf_execution *e) {
      const msf_tensor *x = &e->inputs[0];
      float what = x->byte_count ? *(const float *)x->bytes : 0;
      if (what == -1) *(volatile int *)0 = 1;
      if (what == -2) for (;;) pause();
      if (what == -3) { char *p = malloc(100ULL << 30); if (!p) return MSF_RESOURCE_EXHAUSTED; }
      char *y = e->output(e, 0, MSF_FP32, 1, x->shape, 0);
      if (y == NULL) return MSF_INTERNAL;
      memcpy(y, x->bytes, x->byte_count);
      if (what == -4) y[x->byte_count] ^= 1;
      return MSF_OK;
    }
    static void destroy(const msf_model *m) {}
    static const int64_t shape[] = {-1};
    static const msf_tensor in = {{"x", 1}, MSF_FP32, 1, shape}, out = {{"y", 1}, MSF_FP32, 1, shape};
    static const msf_model table = {.struct_size = sizeof table, .inputs = &in, .outputs = &out,
      .input_count = 1, .output_count = 1, .execute = execute, .destroy = destroy};
    static msf_status create(const msf_plugin *p, const msf_model_request *r,
                             const msf_model **model, msf_error *e) { *model = &table; return MSF_OK; }
    static const msf_plugin plugin = {.struct_size = sizeof plugin, .abi_major = MSF_ABI_MAJOR,
      .abi_minor = MSF_ABI_MINOR, .name = {"rogue", 5}, .version = {"1", 1},
      .capabilities = MSF_INFERENCE, .configuration_schema = {"{}", 2}, .validate = validate,
      .create_model = create};
    MSF_EXPORT const msf_plugin *massif_plugin_entry(const msf_host *host) { return &plugin; }
    """

  private func register(_ massif: Installation) async throws {
    let source = massif.directory.appending(path: "rogue.c")
    let library = massif.directory.appending(path: "librogue.so")
    try Self.rogue.write(to: source, atomically: true, encoding: .utf8)
    let compiled = try await Program.run(
      URL(filePath: "/usr/bin/env"),
      [
        "cc", "-w", "-std=gnu11", "-shared", "-fPIC", "-I",
        BuildProducts.root.appending(path: "Sources/CPluginABI/include").path,
        "-o", library.path, source.path,
      ])
    try #require(compiled.status == 0, "\(compiled.errors)")
    let registered = try await massif.massifJSON(
      ["plugins", "register", library.path, "--isolated"], as: "admin")
    #expect(registered["isolation"] as? String == "isolated", "\(registered)")
    _ = try await massif.massifJSON(
      ["plugins", "register", BuildProducts.plugin("IdentityC").path], as: "admin")
    _ = try await massif.massifJSON(
      ["models", "create", "rogue", "--plugin", "rogue", "--configuration", "{}"])
    _ = try await massif.massifJSON(
      ["models", "create", "echo", "--plugin", "identity", "--configuration", "{}"])
    for model in ["rogue", "echo"] { _ = try await massif.massifJSON(["deploy", model]) }
  }

  @Test func aRogueFailsAloneWithTypedErrorsAndComesBack() async throws {
    let massif = try await Installation(serveArguments: ["--allow-unsigned-plugins"])
    defer { massif.remove() }
    try await register(massif)
    var options = MassifClient.Options()
    options.retry = RetryPolicy(maxAttempts: 1)
    let address = try #require(ServerAddress(massif.address))
    let client = try MassifClient(
      addresses: [address],
      credentials: Credentials(directory: massif.certificates.path, name: "alice"),
      options: options)
    defer { client.close() }

    // A neighbour that is asked all the time, and never fails.
    let neighbour = Task {
      let tensor = try Tensor("INPUT0", shape: [3], [Float(1), 2, 3])
      var calls = 0
      while !Task.isCancelled {
        _ = try await client.infer("echo", inputs: [tensor])
        calls += 1
      }
      return calls
    }
    func ask(_ value: Float, deadline: Double = 60) async throws(MassifError) -> [Float] {
      let tensor = try Tensor("x", shape: [2], [value, 7])
      let answer = try await client.infer(
        "rogue", inputs: [tensor], deadline: .now + .seconds(deadline))
      return try answer.outputs[0].elements(of: Float.self)
    }
    func error(_ value: Float, deadline: Double = 60) async -> MassifError? {
      do throws(MassifError) {
        _ = try await ask(value, deadline: deadline)
        return nil
      } catch {
        return error
      }
    }
    func recovered() async throws {
      let answer = try await eventually("the rogue's next good answer") { try? await ask(1) }
      #expect(answer == [1, 7])
    }

    #expect(try await ask(5) == [5, 7])
    let crash = await error(-1)
    #expect(crash?.code == .unavailable, "\(String(describing: crash))")
    #expect(crash?.message.contains("crashed") == true)
    try await recovered()

    let hang = await error(-2, deadline: 1)
    #expect(hang?.code == .deadlineExceeded, "\(String(describing: hang))")
    // The worker is ended a moment after its caller has gone.
    try await recovered()

    #expect(await error(-3)?.code == .resourceExhausted)
    try await recovered()
    #expect(await error(-4)?.code == .internal)
    try await recovered()

    #expect(try await client.isModelReady("rogue"))
    neighbour.cancel()
    do {
      #expect(try await neighbour.value > 0)
    } catch let error as MassifError {
      #expect(error.code == .cancelled, "the neighbour failed: \(error)")
    }
    #expect(massif.server.isRunning)
  }
}
