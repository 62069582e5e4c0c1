// SPDX-License-Identifier: Apache-2.0

/// The `grpc-timeout` header: at most 8 digits and a unit, from `H` to `n`.
enum Timeout {
  /// Reads a header's value; nil where it is malformed.
  static func parse(_ text: UnsafeRawBufferPointer) -> Duration? {
    guard (2...9).contains(text.count), let unit = text.last else { return nil }
    var value: Int64 = 0
    for byte in text.dropLast() {
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
      value = value * 10 + Int64(byte - UInt8(ascii: "0"))
    }
    switch unit {
    case UInt8(ascii: "H"): return .seconds(value * 3600)
    case UInt8(ascii: "M"): return .seconds(value * 60)
    case UInt8(ascii: "S"): return .seconds(value)
    case UInt8(ascii: "m"): return .milliseconds(value)
    case UInt8(ascii: "u"): return .microseconds(value)
    case UInt8(ascii: "n"): return .nanoseconds(value)
    default: return nil
    }
  }

  /// Writes a timeout in the finest unit that takes at most 8 digits, rounded up; none is negative.
  static func format(_ timeout: Duration) -> String {
    let (seconds, attoseconds) = timeout.components
    guard seconds >= 0, attoseconds >= 0 else { return "0n" }
    let largest: Int64 = 99_999_999
    for (unit, perSecond) in [("n", 1_000_000_000), ("u", 1_000_000), ("m", 1_000), ("S", 1)]
      as [(String, Int64)]
    {
      guard seconds <= largest / perSecond else { continue }
      let step = 1_000_000_000_000_000_000 / perSecond
      let value = seconds * perSecond + (attoseconds + step - 1) / step
      if value <= largest { return "\(value)\(unit)" }
    }
    if seconds / 60 < largest { return "\(seconds / 60 + 1)M" }
    return "\(min(seconds / 3600 + 1, largest))H"
  }
}
