// SPDX-License-Identifier: Apache-2.0
import RPCTransport
import Testing

@testable import RPCServer

/// The bytes come from Python's `googleapis-common-protos`, `google.rpc.Status(...)` with the same
/// content and `SerializeToString().hex()`.
struct ErrorDetailTests {
  static let golden: [(RPCError, String)] = [
    (
      RPCError(
        .invalidArgument, "inputs[0].shape: wrong; id: é",
        details: [
          .badRequest([
            FieldViolation(
              field: "inputs[0].shape", description: "[1,784] was expected, [784] came"),
            FieldViolation(field: "", description: "é"),
          ])
        ]),
      "0803121e696e707574735b305d2e73686170653a2077726f6e673b2069643a20c3a91a680a29747970652e676f6f"
        + "676c65617069732e636f6d2f676f6f676c652e7270632e42616452657175657374123b0a330a0f696e707574"
        + "735b305d2e736861706512205b312c3738345d207761732065787065637465642c205b3738345d2063616d65"
        + "0a041202c3a9"
    ),
    (
      .unavailable("loading", retryAfter: .milliseconds(1500)),
      "080e12076c6f6164696e671a360a28747970652e676f6f676c65617069732e636f6d2f676f6f676c652e7270632e"
        + "5265747279496e666f120a0a0808011080cab5ee01"
    ),
    (
      .unavailable("", retryAfter: .zero),
      "080e1a2e0a28747970652e676f6f676c65617069732e636f6d2f676f6f676c652e7270632e5265747279496e666f"
        + "12020a00"
    ),
    (
      .unavailable("x", retryAfter: .seconds(100_000)),
      "080e1201781a320a28747970652e676f6f676c65617069732e636f6d2f676f6f676c652e7270632e526574727949"
        + "6e666f12060a0408a08d06"
    ),
    (
      RPCError(
        .resourceExhausted, "too many",
        details: [
          .quotaFailure([
            QuotaViolation(subject: "spiffe://t/team/a/b", description: "at most 2")
          ]),
          .retryInfo(.milliseconds(100)),
        ]),
      "08081208746f6f206d616e791a510a2b747970652e676f6f676c65617069732e636f6d2f676f6f676c652e727063"
        + "2e51756f74614661696c75726512220a200a137370696666653a2f2f742f7465616d2f612f6212096174206d"
        + "6f737420321a330a28747970652e676f6f676c65617069732e636f6d2f676f6f676c652e7270632e52657472"
        + "79496e666f12070a051080c2d72f"
    ),
    (
      .notFound(Resource(kind: "model", team: "vision", name: "x")),
      "0805121d6d6f64656c20766973696f6e2f7820646f6573206e6f742065786973741a510a2b747970652e676f6f67"
        + "6c65617069732e636f6d2f676f6f676c652e7270632e5265736f75726365496e666f12220a056d6f64656c12"
        + "01781a06766973696f6e220e646f6573206e6f74206578697374"
    ),
    (
      RPCError(
        .permissionDenied, "no",
        details: [.errorInfo(reason: "PERMISSION_DENIED", metadata: ["permission": "write"])]),
      "080712026e6f1a5c0a28747970652e676f6f676c65617069732e636f6d2f676f6f676c652e7270632e4572726f"
        + "72496e666f12300a115045524d495353494f4e5f44454e49454412066d61737369661a130a0a7065726d6973"
        + "73696f6e12057772697465"
    ),
  ]

  @Test(arguments: golden.indices)
  func bytesAreThoseOfTheOfficialMessages(index: Int) {
    let (error, hex) = Self.golden[index]
    let status = error.status
    #expect(status.code == error.code)
    #expect(status.message == error.message)
    let bytes = status.details.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }
    #expect(bytes.joined() == hex)
  }

  @Test func withoutDetailsThereAreNoBytes() {
    #expect(RPCError(.aborted, "changed meanwhile").status == Status(.aborted, "changed meanwhile"))
  }

  @Test func messageIsCutAtACharacter() {
    // 3 + 4 x 300 bytes: the limit falls inside a character.
    let status = RPCError(.unknown, "abc" + String(repeating: "🏔", count: 300)).status
    #expect(status.message.utf8.count <= RPCError.maxMessageByteCount)
    #expect(status.message.utf8.count > RPCError.maxMessageByteCount - 8)
    #expect(status.message.hasSuffix("🏔…"))
  }

  @Test func detailsFitIntoTrailersHoweverManyThereAre() {
    let violations = (0..<10_000).map {
      FieldViolation(field: "layers[\($0)].units", description: "a positive integer was expected")
    }
    let status = RPCError.invalidArgument(violations).status
    #expect(!status.details.isEmpty)
    #expect(status.details.count <= RPCError.maxEncodedByteCount)
    #expect(status.message.utf8.count <= RPCError.maxMessageByteCount)
  }

  @Test func detailThatIsTooLongAloneIsLeftOut() {
    let error = RPCError(
      .invalidArgument, "bad",
      details: [
        .retryInfo(.seconds(1)),
        .badRequest([
          FieldViolation(field: "f", description: String(repeating: "x", count: 5000))
        ]),
      ])
    let kept = RPCError(.invalidArgument, "bad", details: [.retryInfo(.seconds(1))])
    #expect(error.status == kept.status)
  }

  @Test func severalViolationsAreAllInTheMessage() {
    let error = RPCError.invalidArgument([
      FieldViolation(field: "a", description: "one"), FieldViolation(field: "", description: "two"),
    ])
    #expect(error.message == "a: one; two")
    #expect(error.code == .invalidArgument)
  }
}
