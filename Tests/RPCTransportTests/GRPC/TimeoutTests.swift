// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import RPCTransport

@Suite struct TimeoutTests {
  private func parse(_ text: String) -> Duration? {
    Array(text.utf8).withUnsafeBytes { Timeout.parse($0) }
  }

  @Test(
    arguments: [
      ("1H", Duration.seconds(3600)), ("2M", .seconds(120)), ("3S", .seconds(3)),
      ("4m", .milliseconds(4)), ("5u", .microseconds(5)), ("6n", .nanoseconds(6)), ("0S", .zero),
      ("0n", .zero), ("00000001S", .seconds(1)), ("99999999H", .seconds(99_999_999 * 3600)),
      ("99999999n", .nanoseconds(99_999_999)),
    ])
  func wellFormedIsRead(_ text: String, _ expected: Duration) {
    #expect(parse(text) == expected)
  }

  @Test(
    arguments: [
      "", "S", "1", "1s", "1h", "123456789S", "-1S", "+1S", "1 S", " 1S", "1.5S", "0x1S", "1SS",
      "\u{661}S",
    ])
  func malformedIsRefused(_ text: String) {
    #expect(parse(text) == nil)
  }

  @Test(
    arguments: [
      (Duration.zero, "0n"), (.seconds(-1), "0n"), (.nanoseconds(1), "1n"),
      (.milliseconds(1), "1000000n"), (.milliseconds(100), "100000u"), (.seconds(1), "1000000u"),
      (.seconds(100), "100000m"), (.seconds(100_000), "100000S"),
      (.seconds(200_000_000), "3333334M"), (.seconds(99_999_999 * 60 + 60), "1666667H"),
    ])
  func writtenInTheFinestUnit(_ timeout: Duration, _ expected: String) {
    #expect(Timeout.format(timeout) == expected)
  }

  @Test func whatIsWrittenIsNotShorterAndFits() throws {
    for exponent in 0..<17 {
      var base: Int64 = 1
      for _ in 0..<exponent { base *= 10 }
      for offset in [Int64(0), 1, -1] where base + offset >= 0 {
        let timeout = Duration.nanoseconds(base + offset)
        let text = Timeout.format(timeout)
        #expect(text.utf8.count <= 9)
        #expect(try #require(parse(text)) >= timeout, "\(timeout) as \(text)")
      }
    }
  }
}
