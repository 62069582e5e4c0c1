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

  /// The path of a plugin made of C.
  private func compile(
    _ text: String, _ name: String, _ massif: Installation
  ) async throws -> String {
    let source = massif.directory.appending(path: "\(name).c")
    let library = massif.directory.appending(path: "lib\(name).so")
    try text.write(to: source, atomically: true, encoding: .utf8)
    let compiled = try await Program.run(
      URL(filePath: "/usr/bin/env"),
      [
        "cc", "-w", "-std=gnu11", "-shared", "-fPIC", "-I",
        BuildProducts.root.appending(path: "Sources/CPluginABI/include").path,
        "-o", library.path, source.path,
      ])
    try #require(compiled.status == 0, "\(compiled.errors)")
    return library.path
  }

  private func register(_ massif: Installation) async throws {
    let library = try await compile(Self.rogue, "rogue", massif)
    let registered = try await massif.massifJSON(
      ["plugins", "register", library, "--isolated"], as: "admin")
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

  /// A plugin whose training counts the samples, and measures what it can reach.
  private static let trainer = """
    #include <fcntl.h>
    #include <string.h>
    #include <sys/socket.h>
    #include "massif_plugin.h"
    static uint32_t epochs;
    static msf_status validate(const msf_plugin *p, msf_string c, const msf_dataset *d,
                               msf_error *e) { return MSF_OK; }
    static msf_status train(const msf_trainer *t, uint32_t epoch, const msf_progress *progress,
                            msf_error *e) {
      epochs = epoch;
      msf_metric reached[] = {
        {{"reads", 5}, open("/etc/passwd", O_RDONLY) >= 0},
        {{"writes", 6}, open("/tmp/massif-escape", O_CREAT | O_WRONLY, 0600) >= 0},
        {{"connects", 8}, socket(AF_INET, SOCK_STREAM, 0) >= 0}};
      progress->finish(progress, reached, 3);
      return MSF_OK;
    }
    static msf_status write_state(const msf_trainer *t, const msf_writer *w, msf_error *e) {
      return w->write(w, (msf_string){"epochs.bin", 10}, &epochs, sizeof epochs);
    }
    static msf_status restore(const msf_trainer *t, const msf_artifact *a, uint32_t n,
                              uint32_t *done, msf_error *e) {
      memcpy(&epochs, a[0].bytes, sizeof epochs);
      *done = epochs;
      return MSF_OK;
    }
    static void end(const msf_trainer *t) {}
    static const msf_trainer table = {.struct_size = sizeof table, .epoch_count = 2,
      .sample_count = 4, .step_count = 1, .train_epoch = train, .checkpoint = write_state,
      .restore = restore, .export_model = write_state, .destroy = end};
    static msf_status create(const msf_plugin *p, const msf_trainer_request *r,
                             const msf_trainer **trainer, msf_error *e) {
      *trainer = &table;
      return MSF_OK;
    }
    static msf_status execute(const msf_model *m, msf_execution *e) {
      return e->output_alias(e, 0, 0, MSF_FP32, 1, e->inputs[0].shape);
    }
    static void destroy(const msf_model *m) {}
    static const int64_t shape[] = {-1};
    static const msf_tensor in = {{"x", 1}, MSF_FP32, 1, shape}, out = {{"y", 1}, MSF_FP32, 1, shape};
    static const msf_model model = {.struct_size = sizeof model, .inputs = &in, .outputs = &out,
      .input_count = 1, .output_count = 1, .execute = execute, .destroy = destroy};
    static msf_status create_model(const msf_plugin *p, const msf_model_request *r,
                                   const msf_model **made, msf_error *e) {
      *made = &model;
      return r->artifact_count == 1 ? MSF_OK : MSF_INVALID_ARGUMENT;
    }
    static const msf_plugin plugin = {.struct_size = sizeof plugin, .abi_major = MSF_ABI_MAJOR,
      .abi_minor = 0, .name = {"counter", 7}, .version = {"1", 1},
      .capabilities = MSF_TRAINING | MSF_INFERENCE, .configuration_schema = {"{}", 2},
      .validate = validate, .create_model = create_model, .create_trainer = create};
    MSF_EXPORT const msf_plugin *massif_plugin_entry(const msf_host *host) { return &plugin; }
    """

  @Test func anIsolatedPluginTrainsWithinItsJobsFolder() async throws {
    let massif = try await Installation(serveArguments: ["--allow-unsigned-plugins"])
    defer { massif.remove() }
    let library = try await compile(Self.trainer, "counter", massif)
    _ = try await massif.massifJSON(
      ["plugins", "register", library, "--isolated"], as: "admin")
    // NumPy's format, version 1.0: four numbers.
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }"
    let padded = header.padding(toLength: 117, withPad: " ", startingAt: 0) + "\n"
    let array = massif.directory.appending(path: "x.npy")
    var bytes = Data([0x93] + Array("NUMPY".utf8) + [1, 0, 118, 0])
    bytes.append(contentsOf: padded.utf8)
    bytes.append(Data(count: 16))
    try bytes.write(to: array)
    _ = try await massif.massifJSON(["data", "import", "tiny", "--npy", "train/x=\(array.path)"])
    let specification = massif.directory.appending(path: "counter.json")
    try Data(
      #"{"model":"counter","dataset":"tiny","plugin":"counter","seed":1,"configuration":{}}"#.utf8
    ).write(to: specification)
    let id = try #require(
      try await massif.massifJSON(["train", specification.path])["id"] as? String)
    let job = try await eventually("the end of the job") {
      let job = try await massif.massifJSON(["jobs", "get", id])
      let ended = ["SUCCEEDED", "FAILED", "CANCELLED"].contains(job["state"] as? String)
      return ended ? job : nil
    }
    #expect(job["state"] as? String == "SUCCEEDED", "\(job)")
    let epochs = try #require(job["epochs"] as? [[String: Any]])
    #expect(epochs.count == 2)
    for metric in ["reads", "writes", "connects"] {
      let values = epochs.map { "\(($0["metrics"] as? [String: Any])?[metric] ?? "missing")" }
      #expect(values == ["0", "0"], "\(metric): \(job)")
    }
  }
}
