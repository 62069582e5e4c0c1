// SPDX-License-Identifier: Apache-2.0
@testable import RPCTransport

extension FuzzEntry {
  /// Frames of a client behind its preface, in pieces, into a server's session.
  ///
  /// Input: a seed for the pieces, frames.
  static let http2Stream = FuzzEntry("http2-stream") { bytes in
    var input = FuzzInput(bytes)
    let seed = input.byte()
    try SessionHarness.shared.get().serve(
      [HTTP2Frames.opening] + input.pieces(seed).map(Array.init))
  }

  /// A field block of a request, behind another that has filled the decoder's table.
  ///
  /// Input: where the block is cut into HEADERS and CONTINUATION, whether the stream ends, the block.
  static let hpack = FuzzEntry("hpack") { bytes in
    var input = FuzzInput(bytes)
    let cut = Int(input.byte())
    let ends = input.byte() & 1 == 1
    let block = Array(input.rest)
    var frames = HTTP2Frames.opening
    for stream: UInt32 in [1, 3] {
      let first = block.prefix(cut)
      let isWhole = first.count == block.count
      frames += HTTP2Frames.frame(
        type: 1, flags: (isWhole ? 4 : 0) | (ends ? 1 : 0), stream: stream, first)
      if !isWhole {
        frames += HTTP2Frames.frame(type: 9, flags: 4, stream: stream, block.dropFirst(cut))
      }
    }
    try SessionHarness.shared.get().serve([frames])
  }
}

/// Frames as RFC 9113 §4.1 lays them out.
private enum HTTP2Frames {
  /// The preface and empty settings.
  static let opening =
    Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + frame(type: 4, flags: 0, stream: 0, [])

  static func frame(
    type: UInt8, flags: UInt8, stream: UInt32, _ payload: some Collection<UInt8>
  ) -> [UInt8] {
    let length = (0..<3).map { UInt8(truncatingIfNeeded: payload.count >> (16 - 8 * $0)) }
    let id = (0..<4).map { UInt8(truncatingIfNeeded: stream >> (24 - 8 * UInt32($0))) }
    return length + [type, flags] + id + payload
  }
}
