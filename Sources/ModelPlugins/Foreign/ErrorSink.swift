// SPDX-License-Identifier: Apache-2.0
import CPluginABI

/// The `msf_error` of one call: collects what the plugin says and makes a `PluginError` of it.
final class ErrorSink {
  /// A plugin's text goes to a client, in headers of bounded size.
  static let maxTextByteCount = 2048
  private static let maxViolationCount = 32

  private var message: String?
  private var violations: [FieldViolation] = []

  /// Calls a function of the plugin.
  ///
  /// - Throws: what the plugin reported when the status that `body` returns is not `MSF_OK`.
  static func call(
    _ plugin: String, _ function: String, _ body: (UnsafeMutablePointer<msf_error>) -> msf_status
  ) throws(PluginError) {
    let sink = ErrorSink()
    var table = msf_error(
      struct_size: UInt32(MemoryLayout<msf_error>.size), reserved: 0,
      context: Unmanaged.passUnretained(sink).toOpaque(),
      set_message: { error, message in
        ErrorSink.of(error)?.message = String(message, limit: ErrorSink.maxTextByteCount)
      },
      add_violation: { error, field, description in
        ErrorSink.of(error)?.add(field, description)
      })
    let status = withExtendedLifetime(sink) { body(&table) }
    guard status != msf_status(MSF_OK) else { return }
    throw sink.error(status, plugin, function)
  }

  private static func of(_ error: UnsafeMutablePointer<msf_error>?) -> ErrorSink? {
    // SAFETY: `call` keeps the sink alive for as long as it lends the table.
    error?.pointee.context.map { Unmanaged<ErrorSink>.fromOpaque($0).takeUnretainedValue() }
  }

  private func add(_ field: msf_string, _ description: msf_string) {
    guard violations.count < Self.maxViolationCount else { return }
    violations.append(
      FieldViolation(
        field: String(field, limit: 256) ?? "configuration",
        description: String(description, limit: Self.maxTextByteCount) ?? "is invalid"))
  }

  private func error(_ status: msf_status, _ plugin: String, _ function: String) -> PluginError {
    let text =
      message
      ?? (violations.isEmpty
        ? "plugin \(plugin) failed in \(function) with status \(status) and said no more"
        : violations.map { "\($0.field): \($0.description)" }.joined(separator: "; "))
    return PluginError(PluginError.Code(status: status), text, violations: violations)
  }
}
