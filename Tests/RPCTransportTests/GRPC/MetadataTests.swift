// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import RPCTransport

@Suite struct MetadataTests {
  @Test func orderAndRepetitionAreKept() throws {
    var metadata: Metadata = ["b": "1", "a": "2"]
    try metadata.append("3", for: "b")
    try metadata.append(binary: [0, 1], for: "x-bin")
    #expect(metadata.map(\.key) == ["b", "a", "b", "x-bin"])
    #expect(metadata["b"] == "1")
    #expect(metadata.values(for: "b") == ["1", "3"])
    #expect(metadata[binary: "x-bin"] == [0, 1])
    #expect(metadata["x-bin"] == nil)
    #expect(metadata["c"] == nil)
    metadata.removeAll("b")
    #expect(metadata.map(\.key) == ["a", "x-bin"])
  }

  @Test(
    arguments: [
      "", "A", "a b", "a:b", ":path", "te", "content-type", "grpc-status", "grpc-timeout", "x-bin",
      "n\u{e9}", "a\n",
    ])
  func namesThatAreNotForTextAreRefused(_ name: String) {
    var metadata = Metadata()
    #expect(throws: TransportError.self) { try metadata.append("v", for: name) }
    #expect(metadata.isEmpty)
  }

  @Test(arguments: ["\n", "a\r\nb: c", "\u{e9}", "\u{0}", "\u{7f}"])
  func valuesThatAreNotPrintableAreRefused(_ value: String) {
    var metadata = Metadata()
    #expect(throws: TransportError.self) { try metadata.append(value, for: "x") }
  }

  @Test func bytesNeedABinaryName() {
    var metadata = Metadata()
    #expect(throws: TransportError.self) { try metadata.append(binary: [1], for: "x") }
  }
}
