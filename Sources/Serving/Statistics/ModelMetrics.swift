// SPDX-License-Identifier: Apache-2.0
public import RPCServer

extension ModelManager {
  /// Adds what is known of every version that is ready, under the names that Triton's users have
  /// their dashboards for.
  public func writeMetrics(to text: inout MetricsText) {
    let served = readyVersionsOfAll()
    let versions = served.map { version in
      (version, version.loaded.counters.snapshot, ("\(version.model)", "\(version.version)"))
    }
    func write(
      _ name: String, _ kind: MetricsText.Kind, _ help: String,
      _ value: (ServedVersion, InferenceStatistics) -> UInt64
    ) {
      text.begin(name, kind, help)
      for (version, statistics, labels) in versions {
        text.sample(
          name, value(version, statistics), ["model": labels.0, "version": labels.1])
      }
    }
    write("nv_inference_request_success", .counter, "Requests that were answered.") {
      $1.success.count
    }
    write("nv_inference_request_failure", .counter, "Requests that failed in the model.") {
      $1.fail.count
    }
    write("nv_inference_count", .counter, "Rows that were inferred.") { $1.inferenceCount }
    write("nv_inference_exec_count", .counter, "Calls of the model.") { $1.executionCount }
    write(
      "nv_inference_request_duration_us", .counter,
      "From the arrival of a request to its answer, in microseconds, of all requests together."
    ) { $1.success.nanoseconds / 1000 }
    write(
      "nv_inference_queue_duration_us", .counter, "Time in the queue, in microseconds."
    ) { $1.queue.nanoseconds / 1000 }
    write(
      "nv_inference_compute_input_duration_us", .counter,
      "Time to put batches together, in microseconds."
    ) { $1.computeInput.nanoseconds / 1000 }
    write(
      "nv_inference_compute_infer_duration_us", .counter, "Time in the model, in microseconds."
    ) { $1.computeInfer.nanoseconds / 1000 }
    write(
      "nv_inference_compute_output_duration_us", .counter,
      "Time to hand answers out, in microseconds."
    ) { $1.computeOutput.nanoseconds / 1000 }
    write(
      "massif_inference_dropped_total", .counter,
      "Requests whose callers had gone before the model ran."
    ) { $1.dropped }
    write("nv_inference_pending_request_count", .gauge, "Requests that wait.") { version, _ in
      UInt64(version.queuedCount)
    }
  }
}
