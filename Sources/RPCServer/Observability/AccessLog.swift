// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import Logging
internal import RPCTransport

/// Takes the lines of an access log.
public protocol AccessLogWriter: Sendable {
  /// Takes a line, without a line feed; returns at once.
  func write(_ line: String)
}

/// Writes a line of JSON for every call: who called what, how it ended, how long it took and how
/// much went either way.
///
/// No metadata is written but the call's name and its trace, and nothing of any message.
struct AccessLog: CallInterceptor {
  let writer: any AccessLogWriter
  let coversDataPlane: Bool

  func begin(_ call: Call) throws(RPCError) {}

  func end(_ call: Call, status: Status) {
    let (received, sent) = call.messageByteCounts
    var line = JSONLine()
    line.add("time", WallClock.text())
    line.add("request_id", call.requestID)
    line.add("method", call.method.name.path)
    line.add("principal", call.principal.spiffeID)
    line.add("peer", call.session.peer)
    line.add("status", status.code.description)
    line.add(
      "ms", number: "\(Double(MonotonicTime.now.since(call.arrival) / 1000) / 1000)")
    line.add("received_bytes", number: "\(received)")
    line.add("sent_bytes", number: "\(sent)")
    if let trace = TraceContext(call.metadata) {
      line.add("trace_id", trace.traceID)
      line.add("parent_id", trace.parentID)
    }
    writer.write(line.text)
  }
}

/// Hands the lines to the server's own log.
struct LoggerAccessLogWriter: AccessLogWriter {
  let log: Logger

  func write(_ line: String) { log.info("\(line)") }
}

/// A JSON object in one line, member by member.
private struct JSONLine {
  private var members = ""

  var text: String { "{\(members)}" }

  mutating func add(_ key: String, _ value: String) {
    add(key, number: "\"\(Self.escaped(value))\"")
  }

  mutating func add(_ key: String, number value: String) {
    if !members.isEmpty { members += "," }
    members += "\"\(key)\":\(value)"
  }

  private static func escaped(_ value: String) -> String {
    guard value.utf8.contains(where: { $0 < 0x20 || $0 == 0x22 || $0 == 0x5c }) else {
      return value
    }
    var escaped = ""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\"", "\\": escaped += "\\\(scalar)"
      case "\u{0}"..<" ":
        let digits = String(scalar.value, radix: 16)
        escaped += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: escaped.unicodeScalars.append(scalar)
      }
    }
    return escaped
  }
}

/// The time of day, for people and for whoever puts several logs together.
private enum WallClock {
  /// Now in UTC, to the millisecond, as RFC 3339 has it.
  static func text() -> String {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    var parts = tm()
    gmtime_r(&now.tv_sec, &parts)
    func digits(_ value: some BinaryInteger, _ count: Int) -> String {
      let text = "\(value)"
      return String(repeating: "0", count: max(count - text.utf8.count, 0)) + text
    }
    let date =
      "\(digits(parts.tm_year + 1900, 4))-\(digits(parts.tm_mon + 1, 2))-\(digits(parts.tm_mday, 2))"
    let time =
      "\(digits(parts.tm_hour, 2)):\(digits(parts.tm_min, 2)):\(digits(parts.tm_sec, 2))"
    return "\(date)T\(time).\(digits(now.tv_nsec / 1_000_000, 3))Z"
  }
}
