// SPDX-License-Identifier: Apache-2.0
import Logging
import Synchronization

/// A logger that remembers what was audited.
final class AuditLog: Sendable {
  private let lines = Mutex<[String]>([])

  /// The audited events, oldest first.
  var audits: [String] { lines.withLock { $0 } }

  var logger: Logger { Logger(label: "audit") { _ in Handler(log: self) } }

  private struct Handler: LogHandler {
    let log: AuditLog
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.debug

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      guard let audit = event.metadata?["audit"] else { return }
      log.lines.withLock { $0.append("\(audit)") }
    }
  }
}
