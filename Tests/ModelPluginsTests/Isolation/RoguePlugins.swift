// SPDX-License-Identifier: Apache-2.0
import Foundation
import Runtime
import Synchronization
import Testing

@testable import ModelPlugins

/// Small plugins that do one thing wrong, compiled by the tests.
///
/// The model takes FP32 `[-1]` and answers with it. What a test puts into the macros happens when the
/// first number of a request is 666, so that the same model can show that it is well again.
enum RoguePlugins {
  /// C that is C++ as well.
  static let template = """
    #include "massif_plugin.h"
    #include <errno.h>
    #include <fcntl.h>
    #include <pthread.h>
    #include <signal.h>
    #include <stdlib.h>
    #include <string.h>
    #include <sys/mman.h>
    #include <sys/socket.h>
    #include <sys/syscall.h>
    #include <unistd.h>
    #ifndef MINOR
    #define MINOR MSF_ABI_MINOR
    #endif
    #ifndef NAME
    #define NAME "rogue"
    #endif
    #ifndef ROGUE
    #define ROGUE
    #endif
    #ifndef CREATE
    #define CREATE
    #endif
    #ifndef ENTRY
    #define ENTRY
    #endif
    #ifndef GLOBALS
    #define GLOBALS
    #endif
    static const msf_host *host;
    GLOBALS
    static msf_status validate(const msf_plugin *p, msf_string c, const msf_dataset *d,
                               msf_error *error) { return MSF_OK; }
    static msf_status execute(const msf_model *m, msf_execution *e) {
      const msf_tensor *x = &e->inputs[0];
      const float *in = (const float *)x->bytes;
      if (x->byte_count >= 4 && in[0] == 666) { ROGUE }
      float *y = (float *)e->output(e, 0, MSF_FP32, 1, x->shape, 0);
      if (y == NULL) return MSF_INTERNAL;
      memcpy(y, x->bytes, x->byte_count);
      return MSF_OK;
    }
    #ifdef ESTIMATE
    static msf_status estimate_memory(const msf_plugin *p, msf_string c, const msf_dataset *d,
                                      msf_memory_estimate *estimate, msf_error *error) {
      ESTIMATE
      return MSF_OK;
    }
    #endif
    static void destroy(const msf_model *m) {}
    static const int64_t shape[] = {-1};
    static msf_tensor input, output;
    static msf_model model_table;
    static msf_status create_model(const msf_plugin *p, const msf_model_request *r,
                                   const msf_model **model, msf_error *error) {
      CREATE
      *model = &model_table;
      return MSF_OK;
    }
    static msf_plugin plugin;
    MSF_EXPORT const msf_plugin *massif_plugin_entry(const msf_host *lent) {
      host = lent;
      ENTRY
      input.name.data = "x"; input.name.size = 1; input.data_type = MSF_FP32; input.rank = 1;
      input.shape = shape;
      output = input; output.name.data = "y";
      model_table.struct_size = sizeof model_table;
      model_table.inputs = &input; model_table.outputs = &output;
      model_table.input_count = 1; model_table.output_count = 1;
      model_table.execute = execute; model_table.destroy = destroy;
      plugin.struct_size = sizeof plugin; plugin.abi_major = MSF_ABI_MAJOR;
      plugin.abi_minor = MINOR; plugin.name.data = NAME; plugin.name.size = sizeof NAME - 1;
      plugin.version.data = "1"; plugin.version.size = 1; plugin.capabilities = MSF_INFERENCE;
      plugin.configuration_schema.data = "{}"; plugin.configuration_schema.size = 2;
      plugin.validate = validate; plugin.create_model = create_model;
    #ifdef ESTIMATE
      plugin.estimate_memory = estimate_memory;
    #endif
      return &plugin;
    }
    """

  /// Compiles the template under the macros.
  static func compile(
    _ macros: [String: String], language: String = "c", in directory: TemporaryDirectory
  ) throws -> String {
    let definitions = macros.sorted { $0.key < $1.key }.map {
      "#define \($0.key) \($0.value.replacingOccurrences(of: "\n", with: " "))"
    }
    let name = "rogue-\(UUID().uuidString)"
    let source = try directory.write(
      "\(name).\(language == "c" ? "c" : "cc")",
      "#define _GNU_SOURCE\n" + definitions.joined(separator: "\n") + "\n" + template)
    let library = directory.path("\(name).so")
    let result = try run(
      language == "c" ? "cc" : "c++",
      [
        "-w", "-shared", "-fPIC", "-pthread", "-I", Locations.header, "-o", library, source,
      ])
    guard result.status == 0 else { throw CompilationFailure(output: result.output) }
    return library
  }
}

/// Calls a model that nothing is wrong with, again and again, until it is asked how that went.
final class HealthyNeighbour: Sendable {
  private let state = Mutex<(calls: Int, failure: String?, isStopped: Bool)>((0, nil, false))
  private let ended = DispatchSemaphore(value: 0)

  init(_ model: PluginModel) {
    Thread.detachNewThread { [self] in
      let execution = model.makeExecution()
      var isStopped = false
      while !isStopped {
        var failure: String?
        execution.setFloats(0, [1, 2, 3], shape: [3])
        do {
          try model.execute(execution)
          if execution.output(0).floats != [1, 2, 3] { failure = "a wrong answer" }
        } catch {
          failure = "\(error)"
        }
        execution.reset()
        isStopped = state.withLock { state in
          state.calls += 1
          if state.failure == nil { state.failure = failure }
          return state.isStopped
        }
        // The machine is everybody's.
        Thread.sleep(forTimeInterval: 0.001)
      }
      ended.signal()
    }
  }

  /// How many calls were answered; fails the test if one was not.
  func finish() -> Int {
    state.withLock { $0.isStopped = true }
    ended.wait()
    let (calls, failure, _) = state.withLock { $0 }
    #expect(failure == nil, "the healthy model failed: \(failure ?? "")")
    return calls
  }
}

extension PluginModel {
  /// The answer to one request.
  func answer(_ values: [Float]) throws -> [Float] {
    let execution = makeExecution()
    execution.setFloats(0, values, shape: [values.count])
    try execute(execution)
    return execution.output(0).floats
  }

  /// Waits until the model serves again, as `onAvailabilityChange` tells.
  func waitUntilAvailable(seconds: Double = 60) -> Bool {
    let changed = DispatchSemaphore(value: 0)
    onAvailabilityChange { changed.signal() }
    let end = DispatchTime.now() + seconds
    while !isAvailable {
      if changed.wait(timeout: end) == .timedOut { return isAvailable }
    }
    return true
  }
}
