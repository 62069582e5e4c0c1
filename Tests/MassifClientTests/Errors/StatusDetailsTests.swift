// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import MassifClient

/// Details as servers send them, and as hostile servers might.
struct StatusDetailsTests {
  private func any(_ type: String, _ value: ProtobufWriter) -> ProtobufWriter {
    var any = ProtobufWriter()
    any.string(1, "type.googleapis.com/\(type)")
    any.message(2, value)
    return any
  }

  private func violation(_ field: String, _ description: String) -> ProtobufWriter {
    var violation = ProtobufWriter()
    violation.string(1, field)
    violation.string(2, description)
    return violation
  }

  @Test func readsFieldViolations() {
    var badRequest = ProtobufWriter()
    badRequest.message(1, violation("configuration.layers[2].units", "expected 1 or more, came 0"))
    badRequest.message(1, violation("seed", "too large"))
    var status = ProtobufWriter()
    status.string(2, "refused")
    status.message(3, any("google.rpc.ErrorInfo", ProtobufWriter()))
    status.message(3, any("google.rpc.BadRequest", badRequest))
    let details = StatusDetails(status.bytes)
    #expect(
      details.fieldViolations == [
        .init(field: "configuration.layers[2].units", description: "expected 1 or more, came 0"),
        .init(field: "seed", description: "too large"),
      ])
    #expect(details.retryDelay == nil)
  }

  /// RetryInfo {retry_delay {seconds 2, nanos 500_000_000}}, as another implementation encodes it.
  @Test func readsRetryInfo() {
    let delay: [UInt8] = [0x08, 0x02, 0x10, 0x80, 0xCA, 0xB5, 0xEE, 0x01]
    let info: [UInt8] = [0x0A, UInt8(delay.count)] + delay
    let type = Array("type.googleapis.com/google.rpc.RetryInfo".utf8)
    let any = [0x0A, UInt8(type.count)] + type + [0x12, UInt8(info.count)] + info
    let status: [UInt8] = [0x08, 14, 0x1A, UInt8(any.count)] + any
    #expect(StatusDetails(status).retryDelay == .milliseconds(2500))
    // Whatever is cut off, nothing is invented and nothing traps.
    for count in 0..<status.count {
      let delay = StatusDetails(Array(status[..<count])).retryDelay
      #expect(delay == nil, "cut at \(count)")
    }
  }

  @Test func boundsADelayThatCannotBe() {
    let delay: [UInt8] = [0x08] + Array(repeating: 0xFF, count: 8) + [0x7F]  // Int64.max seconds
    let info: [UInt8] = [0x0A, UInt8(delay.count)] + delay
    let type = Array("x/google.rpc.RetryInfo".utf8)
    let any = [0x0A, UInt8(type.count)] + type + [0x12, UInt8(info.count)] + info
    let status: [UInt8] = [0x1A, UInt8(any.count)] + any
    #expect(StatusDetails(status).retryDelay == .seconds(1_000_000_000))
  }

  @Test func boundsTheNumberOfViolations() {
    var badRequest = ProtobufWriter()
    for index in 0..<1000 { badRequest.message(1, violation("field\(index)", "")) }
    var status = ProtobufWriter()
    status.message(3, any("google.rpc.BadRequest", badRequest))
    #expect(StatusDetails(status.bytes).fieldViolations.count == StatusDetails.maxViolations)
  }
}
