// SPDX-License-Identifier: Apache-2.0
internal import RPCTransport
internal import Synchronization

/// What a server measures, and what its parts add to that; read as one text.
public final class ServerMetrics: Sendable {
  /// Adds metrics to a text; called by whoever reads, on any thread.
  public typealias Collector = @Sendable (inout MetricsText) -> Void

  private struct State {
    /// One for each event loop.
    var measures: [CallMeasures] = []
    /// In the order of `Route.index`, then the one for methods that are not there.
    var methods: [String] = []
    var collectors: [Collector] = []
  }

  private let state = Mutex(State())

  /// The name under which calls of methods that the server does not have are counted, so that
  /// clients do not make up names for the metrics to hold.
  static let otherMethod = "other"

  /// Makes the metrics of a server that has measured nothing.
  public init() {}

  /// Has `collector` add to every text from now on.
  public func add(_ collector: @escaping Collector) {
    state.withLock { $0.collectors.append(collector) }
  }

  /// Makes the measures of an event loop.
  ///
  /// - Parameter methods: their names by index, without the one for those that are not there.
  func addLoop(methods: [String]) -> CallMeasures {
    let measures = CallMeasures(methodCount: methods.count + 1)
    state.withLock { state in
      state.methods = methods + [Self.otherMethod]
      state.measures.append(measures)
    }
    return measures
  }

  /// Everything, in Prometheus' text format.
  public func text() -> String {
    let (measures, methods, collectors) = state.withLock {
      ($0.measures, $0.methods, $0.collectors)
    }
    var text = MetricsText()
    Self.writeCalls(measures, methods, to: &text)
    ProcessMetrics.write(to: &text)
    for collect in collectors { collect(&text) }
    return text.text
  }

  private static func writeCalls(
    _ measures: [CallMeasures], _ methods: [String], to text: inout MetricsText
  ) {
    // The names of OpenTelemetry's `grpc.server.call.…` (gRFC A66) as Prometheus spells them.
    let started = "grpc_server_call_started_total"
    text.begin(started, .counter, "Calls that have begun, by method.")
    for (index, method) in methods.enumerated() {
      let count = measures.reduce(0) { $0 &+ $1.startedCount(index) }
      if count > 0 { text.sample(started, count, ["grpc_method": method]) }
    }
    var ended: [(labels: KeyValuePairs<String, String>, CallMeasures.Ended)] = []
    for (index, method) in methods.enumerated() {
      for status in Status.Code.allCases {
        let all = measures.compactMap { $0.ended(index, status: status.rawValue) }
        guard let first = all.first else { continue }
        let labels: KeyValuePairs = [
          "grpc_method": method, "grpc_status": status.description,
        ]
        ended.append((labels, all.dropFirst().reduce(first, +)))
      }
    }
    let duration = "grpc_server_call_duration_seconds"
    text.begin(duration, .histogram, "From the headers of a call to its status.")
    for (labels, calls) in ended {
      text.histogram(
        duration, labels, bounds: CallMeasures.durationBounds, buckets: calls.duration.buckets,
        sum: calls.duration.sum, scale: 1e-9)
    }
    let received = "grpc_server_call_rcvd_total_compressed_message_size_bytes"
    text.begin(received, .histogram, "Bytes of the messages of a call, as they came.")
    for (labels, calls) in ended {
      text.histogram(
        received, labels, bounds: CallMeasures.sizeBounds, buckets: calls.received.buckets,
        sum: calls.received.sum)
    }
    let sent = "grpc_server_call_sent_total_compressed_message_size_bytes"
    text.begin(sent, .histogram, "Bytes of the messages of a call, as they went.")
    for (labels, calls) in ended {
      text.histogram(
        sent, labels, bounds: CallMeasures.sizeBounds, buckets: calls.sent.buckets,
        sum: calls.sent.sum)
    }
  }
}
