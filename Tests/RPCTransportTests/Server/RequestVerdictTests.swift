// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import RPCTransport

@Suite struct RequestVerdictTests {
  private static let call = [
    (":method", "POST"), (":scheme", "https"), (":path", "/a.B/C"), (":authority", "host:1"),
    ("te", "trailers"), ("content-type", "application/grpc"),
  ]

  private func headers(_ fields: [(String, String)], limit: Int = 16 << 10) -> ReceivedHeaders {
    let headers = ReceivedHeaders(limit: limit)
    headers.begin()
    for (name, value) in fields {
      Array(name.utf8).withUnsafeBytes { name in
        Array(value.utf8).withUnsafeBytes { value in headers.append(name: name, value: value) }
      }
    }
    return headers
  }

  private func fields(_ changes: [String: String?]) -> [(String, String)] {
    RequestVerdictTests.call.filter { changes[$0.0] == nil }
      + changes.compactMap { name, value in value.map { (name, $0) } }
  }

  private func verdict(_ changes: [String: String?]) -> String {
    var cache = RequestVerdictCache()
    switch cache.verdict(headers(fields(changes))) {
    case .call(let head): return "call \(head.path)"
    case .page(let path): return "page \(path)"
    case .http(let status): return "http \(status)"
    case .status(let status): return "\(status.code)"
    case .unknownEncoding: return "unknown encoding"
    }
  }

  @Test(
    arguments: [
      ([:], "call /a.B/C"),
      ([":method": "GET"], "page /a.B/C"),
      ([":method": nil], "http 405"),
      (["content-type": "text/plain"], "http 415"),
      (["content-type": nil], "http 415"),
      (["content-type": "application/grpc-web"], "http 415"),
      (["content-type": "application/grpc+json"], "http 415"),
      (["content-type": "application/grpcx"], "http 415"),
      (["content-type": "application/grpc+proto"], "call /a.B/C"),
      (["content-type": "application/grpc;charset=utf-8"], "call /a.B/C"),
      (["te": nil], "INVALID_ARGUMENT"),
      (["te": "gzip"], "INVALID_ARGUMENT"),
      (["grpc-encoding": "identity"], "call /a.B/C"),
      (["grpc-encoding": "gzip"], "call /a.B/C"),
      (["grpc-encoding": "deflate"], "call /a.B/C"),
      (["grpc-encoding": "snappy"], "unknown encoding"),
      (["grpc-encoding": ""], "unknown encoding"),
      (["grpc-accept-encoding": "gzip"], "call /a.B/C"),
      (["grpc-timeout": "1x"], "INVALID_ARGUMENT"),
      (["grpc-timeout": "100m"], "call /a.B/C"),
      (["x-bin": "*"], "INVALID_ARGUMENT"),
      ([":path": "C"], "UNIMPLEMENTED"),
    ] as [([String: String?], String)])
  func requestsAreJudged(_ changes: [String: String?], _ expected: String) {
    #expect(verdict(changes) == expected)
  }

  @Test func customFieldsBecomeMetadata() throws {
    var cache = RequestVerdictCache()
    let list = headers(
      RequestVerdictTests.call + [
        ("x", "1"), ("b-bin", "AAE,/w"), ("x", "2"), ("user-agent", "me"), ("grpc-timeout", "1S"),
      ])
    guard case .call(let head) = cache.verdict(list) else {
      Issue.record("not a call")
      return
    }
    #expect(head.metadata.map(\.key) == ["x", "b-bin", "b-bin", "x", "user-agent"])
    #expect(head.metadata.values(for: "x") == ["1", "2"])
    #expect(head.metadata[binary: "b-bin"] == [0, 1])
    #expect(head.timeout == .seconds(1))
    #expect(head.authority == "host:1")
  }

  /// Lists that a cache could take for each other: as long, and alike but for one byte.
  @Test func aRememberedListIsNotTakenForAnother() {
    var cache = RequestVerdictCache()
    for _ in 0..<3 {
      for method in ["/a.B/C", "/a.B/D", "/a.C/C"] {
        for timeout in [nil, "1S", "2S"] {
          let list = headers(fields([":path": method, "grpc-timeout": timeout]))
          guard case .call(let head) = cache.verdict(list) else {
            Issue.record("not a call")
            return
          }
          #expect(head.path == method)
          #expect(head.timeout == timeout.map { $0 == "1S" ? .seconds(1) : .seconds(2) })
        }
      }
    }
  }

  @Test func aListBeyondTheLimitIsCountedButNotKept() {
    let list = headers((0..<100).map { ("name-\($0)", "value") }, limit: 500)
    #expect(list.isTooLong)
    #expect(list.bytes.count < 500)
    #expect(list.listByteCount > 100 * 32)
  }
}
