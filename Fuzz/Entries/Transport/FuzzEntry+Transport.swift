// SPDX-License-Identifier: Apache-2.0

extension FuzzEntry {
  /// The parsers of `RPCTransport` and `RPCServer`: what a client can say before it is known, and
  /// after.
  static let transport: [FuzzEntry] = [
    .deframer, .decompression, .timeout, .headerFields, .headerCoding, .http2Stream, .hpack,
    .certificate, .revocationList, .identity, .traceparent,
  ]
}
