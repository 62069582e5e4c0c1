// SPDX-License-Identifier: Apache-2.0
@testable import RPCTransport

extension FuzzEntry {
  /// The message deframer: the same messages whatever the pieces in which the bytes come, and no
  /// memory for a message that is too long.
  ///
  /// Input: an encoding, a seed for the pieces, the bytes.
  static let deframer = FuzzEntry("deframer") { bytes in
    var input = FuzzInput(bytes)
    let encoding: MessageEncoding = input.byte() & 1 == 0 ? .identity : .gzip
    let seed = input.byte()
    let expected = Deframing.expected(of: input.rest, encoding)
    for pieces in [input.pieces(seed), input.pieces(0)] {
      var deframing = Deframing()
      try deframing.read(pieces, encoding)
      try require(deframing == expected, "deframed \(deframing), expected \(expected)")
    }
  }
}

/// What bytes come to when they are cut into messages.
private struct Deframing: Equatable {
  struct Message: Equatable {
    var bytes: [UInt8]
    var isCompressed: Bool
  }

  var messages: [Message] = []
  var failure: Status.Code?
  var isBetweenMessages = true

  static let maxMessageSize = 1024
  /// What the connection would admit beside other messages.
  static let admittedByteCount = 512

  mutating func read(
    _ pieces: [UnsafeRawBufferPointer], _ encoding: MessageEncoding
  ) throws(FuzzFinding) {
    let pool = BufferPool()
    var deframer = MessageDeframer(maxMessageSize: Self.maxMessageSize)
    deframer.encoding = encoding
    for piece in pieces {
      var left = piece
      steps: while failure == nil {
        let before = left.count
        let step = deframer.next(&left, pool: pool) { $0 <= Self.admittedByteCount }
        switch step {
        case .needsMore:
          try require(left.isEmpty, "\(left.count) bytes were left though more are needed")
          break steps
        case .message(let buffer, let isCompressed):
          try require(left.count < before, "a message was made of nothing")
          messages.append(Message(bytes: Array(buffer.bytes), isCompressed: isCompressed))
        case .failure(let status): failure = status.code
        }
        try require(
          deframer.assemblingByteCount <= Self.admittedByteCount,
          "\(deframer.assemblingByteCount) bytes are being assembled")
      }
    }
    isBetweenMessages = deframer.isBetweenMessages
  }

  /// The same by the definition: prefix and message, one behind the other (gRPC's
  /// PROTOCOL-HTTP2.md, "Length-Prefixed-Message").
  static func expected(of bytes: UnsafeRawBufferPointer, _ encoding: MessageEncoding) -> Deframing {
    var result = Deframing()
    var left = bytes[...]
    while left.count >= 5 {
      let prefix = Array(left.prefix(5))
      let length = prefix[1...].reduce(0) { $0 << 8 | Int($1) }
      if prefix[0] > (encoding == .identity ? 0 : 1) {
        result.failure = .internal
      } else if length > admittedByteCount {
        result.failure = .resourceExhausted
      }
      guard result.failure == nil, left.count - 5 >= length else { break }
      result.messages.append(
        Message(bytes: Array(left.dropFirst(5).prefix(length)), isCompressed: prefix[0] == 1))
      left = left.dropFirst(5 + length)
    }
    result.isBetweenMessages = left.isEmpty
    return result
  }
}
