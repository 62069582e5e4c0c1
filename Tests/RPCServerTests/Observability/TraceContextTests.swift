// SPDX-License-Identifier: Apache-2.0
import RPCServer
import RPCTransport
import Testing

struct TraceContextTests {
  private static let trace = "4bf92f3577b34da6a3ce929d0e0e4736"
  private static let parent = "00f067aa0ba902b7"

  @Test func aContextIsReadAndWritten() throws {
    let text = "00-\(Self.trace)-\(Self.parent)-01"
    let context = try #require(TraceContext(text))
    #expect(context.traceID == Self.trace)
    #expect(context.parentID == Self.parent)
    #expect(context.flags == "01")
    #expect(context.text == text)
  }

  @Test func aLaterVersionIsReadAsFarAsItIsKnown() throws {
    let context = try #require(TraceContext("42-\(Self.trace)-\(Self.parent)-00-more"))
    #expect(context.text == "00-\(Self.trace)-\(Self.parent)-00")
  }

  @Test(arguments: [
    "", "00", "00-\(trace)-\(parent)", "00-\(trace)-\(parent)-01-more", "ff-\(trace)-\(parent)-01",
    "00-\(String(repeating: "0", count: 32))-\(parent)-01",
    "00-\(trace)-\(String(repeating: "0", count: 16))-01", "00-\(trace.uppercased())-\(parent)-01",
    "00-\(trace)0-\(parent)-01", "00-\(trace)-\(parent)-1", "0-\(trace)-\(parent)-01",
    "00-\(trace)-\(parent)-0g",
  ])
  func whatIsMalformedIsNoContext(_ text: String) {
    #expect(TraceContext(text) == nil)
  }

  @Test func twoContextsAreNone() throws {
    var metadata = Metadata()
    #expect(TraceContext(metadata) == nil)
    try metadata.append("00-\(Self.trace)-\(Self.parent)-01", for: TraceContext.header)
    #expect(TraceContext(metadata)?.traceID == Self.trace)
    try metadata.append("00-\(Self.trace)-\(Self.parent)-01", for: TraceContext.header)
    #expect(TraceContext(metadata) == nil)
  }
}
