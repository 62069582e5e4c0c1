// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import RPCServer

struct CallMeasuresTests {
  @Test func valuesFallIntoTheBucketsWhoseBoundsHoldThem() throws {
    let measures = CallMeasures(methodCount: 2)
    let bounds = CallMeasures.durationBounds
    for bound in bounds {
      measures.end(1, status: 5, nanoseconds: bound, received: 0, sent: 1)
      measures.end(1, status: 5, nanoseconds: bound + 1, received: 1024, sent: 1025)
    }
    let ended = try #require(measures.ended(1, status: 5))
    // Each bound falls into its own bucket, and one more into the next.
    #expect(ended.duration.buckets == [1] + Array(repeating: 2, count: bounds.count - 1) + [1])
    #expect(ended.duration.sum == bounds.reduce(0) { $0 + 2 * $1 + 1 })
    #expect(ended.duration.count == UInt64(2 * bounds.count))
    #expect(ended.received.buckets.prefix(3) == [UInt64(bounds.count), UInt64(bounds.count), 0])
    #expect(ended.sent.buckets.prefix(3) == [0, UInt64(bounds.count), UInt64(bounds.count)])
    #expect(measures.ended(1, status: 0) == nil)
    #expect(measures.ended(0, status: 5) == nil)
  }

  @Test func whatIsBeyondEveryBoundHasABucketToo() throws {
    let measures = CallMeasures(methodCount: 1)
    measures.end(0, status: 0, nanoseconds: .max, received: .max, sent: 0)
    let ended = try #require(measures.ended(0, status: 0))
    #expect(ended.duration.buckets.last == 1)
    #expect(ended.received.buckets.last == 1)
    #expect(ended.duration.sum == .max)
  }

  @Test func beginningsAreCountedByMethod() {
    let measures = CallMeasures(methodCount: 3)
    for _ in 0..<5 { measures.begin(2) }
    measures.begin(0)
    #expect((0..<3).map { measures.startedCount($0) } == [1, 0, 5])
  }

  @Test func loopsAreAddedUpInTheText() {
    let metrics = ServerMetrics()
    let loops = (0..<2).map { _ in metrics.addLoop(methods: ["t.S/A", "t.S/B"]) }
    for loop in loops {
      loop.begin(0)
      loop.end(0, status: 0, nanoseconds: 2_000_000, received: 10, sent: 20)
    }
    loops[1].begin(2)
    loops[1].end(2, status: 12, nanoseconds: 0, received: 0, sent: 0)
    metrics.add { $0.sample("extra", UInt64(7), ["path": "a\"b\\c\nd"]) }
    let text = metrics.text()
    for line in [
      "grpc_server_call_started_total{grpc_method=\"t.S/A\"} 2",
      "grpc_server_call_started_total{grpc_method=\"other\"} 1",
      "grpc_server_call_duration_seconds_bucket{grpc_method=\"t.S/A\",grpc_status=\"OK\",le=\"0.002\"} 2",
      "grpc_server_call_duration_seconds_bucket{grpc_method=\"t.S/A\",grpc_status=\"OK\",le=\"0.001\"} 0",
      "grpc_server_call_duration_seconds_sum{grpc_method=\"t.S/A\",grpc_status=\"OK\"} 0.004",
      "grpc_server_call_duration_seconds_count{grpc_method=\"other\",grpc_status=\"UNIMPLEMENTED\"} 1",
      "grpc_server_call_sent_total_compressed_message_size_bytes_sum{grpc_method=\"t.S/A\",grpc_status=\"OK\"} 40",
      "extra{path=\"a\\\"b\\\\c\\nd\"} 7",
    ] {
      #expect(text.contains(line + "\n"), "\(line)")
    }
    #expect(!text.contains("t.S/B"))
    #expect(text.contains("# TYPE grpc_server_call_duration_seconds histogram\n"))
    #expect(text.contains("\nprocess_resident_memory_bytes "))
  }
}
