// SPDX-License-Identifier: Apache-2.0
@testable import RPCTransport

extension FuzzEntry {
  /// `grpc-timeout`: what is read is what the grammar says, and what is written is read again as
  /// no shorter a time.
  ///
  /// Input: the header's value; its bytes are also taken as a duration to write.
  static let timeout = FuzzEntry("timeout", maxByteCount: 64) { bytes in
    let read = Timeout.parse(bytes)
    let isWellFormed =
      (2...9).contains(bytes.count) && "HMSmun".utf8.contains(bytes[bytes.count - 1])
      && bytes.dropLast().allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    try require((read != nil) == isWellFormed, "\(Array(bytes)) is read as \(read as Any)")
    var input = FuzzInput(bytes)
    let written = Duration(
      secondsComponent: input.integer(),
      attosecondsComponent: input.integer() % 1_000_000_000_000_000_000)
    for duration in [read, written].compactMap({ $0 }) { try check(duration) }
  }

  private static func check(_ duration: Duration) throws(FuzzFinding) {
    let text = Timeout.format(duration)
    guard let back = Array(text.utf8).withUnsafeBytes({ Timeout.parse($0) }) else {
      throw FuzzFinding(description: "'\(text)' is written and not read")
    }
    let longest = Duration.seconds(99_999_999 * 3600)
    try require(
      back >= min(max(duration, .zero), longest),
      "\(duration) is written '\(text)', which is \(back)")
    // Less than one unit too long, where there are eight digits for it.
    if duration >= .zero, duration <= .seconds(99) {
      try require(back - duration < .microseconds(1), "\(duration) is written '\(text)'")
    }
  }
}
