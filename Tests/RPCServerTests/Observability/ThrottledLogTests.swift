// SPDX-License-Identifier: Apache-2.0
import Logging
import TestSupport
import Testing

@testable import RPCServer

@Suite struct ThrottledLogTests {
  @Test func aFloodIsCountedAndNotWritten() {
    let lines = Recorder<String>()
    let start = ContinuousClock.now
    let log = ThrottledLog(
      Logger(label: "test") { _ in RecordingLogHandler(lines: lines) }, now: start)
    for number in 0..<1000 { log.notice("x", now: start, metadata: ["n": "\(number)"]) }
    #expect(lines.events.count == ThrottledLog.maxLines)
    log.notice("x", now: start + .seconds(1), metadata: [:])
    #expect(lines.events.last == "notice x lines_left_out=\(1000 - ThrottledLog.maxLines)")
    log.notice("x", now: start + .seconds(1), metadata: [:])
    #expect(lines.events.last == "notice x")
  }
}
