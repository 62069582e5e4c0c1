// SPDX-License-Identifier: Apache-2.0
import Foundation
import RPCServer
import RPCTransport
import Store

/// What a stream of an upload begins with: a file's length and digest.
struct UploadHeader {
  let byteCount: Int
  let digest: Digest

  /// Checks what was announced, before a byte is taken.
  ///
  /// - Throws: `.invalidArgument` for no digest or no bytes, `.resourceExhausted` for too many.
  init(byteCount: UInt64, sha256: Data, limit: Int) throws(RPCError) {
    guard let digest = Digest(bytes: sha256) else {
      throw .invalidArgument(
        "header.sha256", "expected \(Digest.byteCount) bytes, came \(sha256.count)")
    }
    guard byteCount > 0 else {
      throw .invalidArgument("header.byte_count", "expected the file's length, came 0")
    }
    guard byteCount <= UInt64(limit) else {
      let what = "at most \(limit) bytes"
      throw RPCError(
        .resourceExhausted, "header.byte_count: expected \(what), came \(byteCount)",
        details: [.quotaFailure([QuotaViolation(subject: "upload", description: what)])])
    }
    self.byteCount = Int(byteCount)
    self.digest = digest
  }

  /// The first message of a stream must be a header.
  static let missing = RPCError.invalidArgument("header", "expected a header in the first message")
  /// And no other.
  static let repeated = RPCError.invalidArgument(
    "header", "expected a header in the first message only")
}
