// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import RPCTransport

@Suite struct CallOutcomeTests {
  @Test(
    arguments: [
      (UInt32(0), Status.Code.internal), (1, .internal), (7, .unavailable), (8, .cancelled),
      (11, .resourceExhausted), (12, .permissionDenied), (99, .internal),
    ])
  func resetsHaveTheirStatus(_ code: UInt32, _ expected: Status.Code) {
    #expect(Status(resetWith: code).code == expected)
  }

  @Test(
    arguments: [
      (400, Status.Code.internal), (401, .unauthenticated), (403, .permissionDenied),
      (404, .unimplemented), (429, .unavailable), (503, .unavailable), (200, .unknown),
      (500, .unknown),
    ])
  func httpAnswersHaveTheirStatus(_ http: Int, _ expected: Status.Code) {
    #expect(Status(httpStatus: http).code == expected)
  }

  private func read(_ fields: [(String, String)]) -> ResponseHeadReader {
    let headers = ReceivedHeaders(limit: 16 << 10)
    headers.begin()
    for (name, value) in fields {
      Array(name.utf8).withUnsafeBytes { name in
        Array(value.utf8).withUnsafeBytes { value in headers.append(name: name, value: value) }
      }
    }
    return ResponseHeadReader(headers)
  }

  @Test func trailersAreRead() {
    let trailers = read([
      ("grpc-status", "8"), ("grpc-message", "too%20much%F0%9F%98%80"), ("x", "y"),
      ("grpc-status-details-bin", "AQI="),
    ])
    #expect(trailers.status == Status(.resourceExhausted, "too much\u{1f600}", details: [1, 2]))
    #expect(trailers.metadata == ["x": "y"])
  }

  @Test(arguments: ["17", "-1", "x", "", "00000", "99999999999999999999"])
  func aStatusThatIsNoneIsUnknown(_ text: String) {
    #expect(read([("grpc-status", text)]).status?.code == .unknown)
  }

  @Test func headersAreRead() {
    let head = read([(":status", "200"), ("content-type", "application/grpc"), ("a", "b")])
    #expect(head.httpStatus == 200)
    #expect(head.isGRPC)
    #expect(head.encoding == .identity)
    #expect(!head.isInterim)
    #expect(head.status == nil)
    #expect(read([(":status", "103")]).isInterim)
    #expect(read([("grpc-encoding", "gzip")]).encoding == .gzip)
  }
}
