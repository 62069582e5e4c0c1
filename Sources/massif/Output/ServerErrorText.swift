// SPDX-License-Identifier: Apache-2.0
internal import MassifClient

/// What a failed call looks like on the command line: the server's words, its field violations, and
/// what to do.
enum ServerErrorText {
  static func text(_ error: MassifError) -> String {
    var lines = [error.message.isEmpty ? "\(error.code)" : error.message]
    for violation in error.fieldViolations
    where
      !(error.message.contains(violation.field) && error.message.contains(violation.description))
    {
      lines.append("  \(violation.field): \(violation.description)")
    }
    if let hint = hint(error) { lines.append("  hint: \(hint)") }
    return lines.joined(separator: "\n")
  }

  private static func hint(_ error: MassifError) -> String? {
    switch error.code {
    case .unavailable where error.message.contains("isolated plugin"):
      "the server starts the plugin again by itself; its log says what happened"
    case .unavailable:
      "is `massif serve` running at that address, and do the certificates fit? "
        + "`massif config explain` shows both"
    case .unauthenticated:
      "the certificate must name exactly one spiffe://DOMAIN/team/TEAM/NAME; choose one with --as"
    // Signatures are refused with this code too, and no certificate helps there.
    case .permissionDenied where error.message.contains(" may not "):
      "the certificate given with --as decides who you are; administrators may do more"
    case .notFound where error.message.hasPrefix("plugin "): "`massif plugins list` shows them"
    case .notFound:
      "`massif models list`, `massif jobs list` and `massif data list` show what there is"
    case .deadlineExceeded: "allow more time with --timeout SECONDS"
    case .resourceExhausted:
      error.retryDelay.map { "try again after \($0)" }
    case .unimplemented: "the server is older or newer than this program"
    case .internal:
      "the server's log has more under the id in this message"
    default: nil
    }
  }
}
