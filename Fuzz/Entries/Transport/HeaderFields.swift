// SPDX-License-Identifier: Apache-2.0
@testable import RPCTransport

extension FuzzEntry {
  /// A header list: its fields are kept as they came, its verdict is the same the second time, and
  /// no reserved name gets into the metadata.
  ///
  /// Input: lines of `name=value`.
  static let headerFields = FuzzEntry("header-fields") { bytes in
    let limit = 2048
    let headers = ReceivedHeaders(limit: limit)
    var cache = RequestVerdictCache()
    var verdicts: [String] = []
    for _ in 0..<2 {
      headers.begin()
      var expected: [[UInt8]] = []
      var byteCount = 0
      for line in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
        // A name of HTTP/2 begins with a colon, or with anything else.
        let end = line.dropFirst().firstIndex(of: UInt8(ascii: "=")) ?? line.endIndex
        let name = UnsafeRawBufferPointer(rebasing: line[..<end])
        let value = UnsafeRawBufferPointer(rebasing: line[end...].dropFirst())
        headers.append(name: name, value: value)
        byteCount += name.count + value.count + 32
        if byteCount <= limit, !name.equals("grpc-timeout") {
          expected += [Array(name), Array(value)]
        }
      }
      try require(headers.listByteCount == byteCount, "counted \(headers.listByteCount)")
      var kept: [[UInt8]] = []
      headers.forEach { kept += [Array($0), Array($1)] }
      try require(kept == expected, "kept \(kept) of \(expected)")
      let verdict = cache.verdict(headers)
      if case .call(let head) = verdict { try check(head) }
      verdicts.append("\(verdict)")
    }
    try require(verdicts[0] == verdicts[1], "judged \(verdicts[0]), then \(verdicts[1])")
    // The client's side reads the same fields in its own way.
    let response = ResponseHeadReader(headers)
    try require((response.httpStatus ?? 0) < 10_000, "an HTTP status of five digits")
    _ = (response.status, response.isInterim)
  }

  private static func check(_ head: RequestHead) throws(FuzzFinding) {
    try require(head.path.utf8.first == UInt8(ascii: "/"), "a call of '\(head.path)'")
    for entry in head.metadata {
      // What the reader does not look at because it has no meaning in a request stays.
      let isOfRequests = ["grpc-timeout", "grpc-encoding", "content-type", "te"].contains(entry.key)
      try require(
        !isOfRequests && entry.key.utf8.first != UInt8(ascii: ":"),
        "the metadata holds '\(entry.key)'")
    }
  }
}
