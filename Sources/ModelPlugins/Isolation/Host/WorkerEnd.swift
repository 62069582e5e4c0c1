// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Why a worker is no more.
enum WorkerEnd: Sendable, Hashable {
  /// It ended itself, or something outside of Massif ended it.
  case signalled(Int32, usedItsMemory: Bool)
  case exited(status: Int32, usedItsMemory: Bool)
  /// A call, or work on a model, took longer than allowed.
  case hung
  /// Its memory was used up and stayed so.
  case outOfMemory
  /// Its host has no more use for it.
  case stopped

  /// What the calls that were in it are told.
  var error: PluginError {
    switch self {
    case .signalled(_, usedItsMemory: true), .exited(_, usedItsMemory: true), .outOfMemory:
      PluginError(
        .resourceExhausted, "the isolated plugin used up its memory",
        reason: .outOfMemory)
    case .signalled(let signal, _):
      PluginError(
        .unavailable, "the isolated plugin crashed (\(Self.name(of: signal)))", reason: .crashed)
    case .exited(let status, _):
      PluginError(
        .unavailable, "the isolated plugin ended its process (status \(status))",
        reason: .crashed)
    case .hung:
      PluginError(
        .unavailable,
        "the isolated plugin was ended because another call of it took too long",
        reason: .restarting)
    case .stopped:
      PluginError(.unavailable, "the isolated plugin is no longer here", reason: .restarting)
    }
  }

  /// What the log says.
  var description: String {
    switch self {
    case .signalled(let signal, let usedItsMemory):
      "was killed by \(Self.name(of: signal))" + (usedItsMemory ? " with its memory used up" : "")
    case .exited(let status, let usedItsMemory):
      "ended with status \(status)" + (usedItsMemory ? " with its memory used up" : "")
    case .hung: "was ended because a call took too long"
    case .outOfMemory: "was ended because its memory was used up"
    case .stopped: "was stopped"
    }
  }

  private static func name(of signal: Int32) -> String {
    let words = strsignal(signal).map { String(cString: $0) } ?? "unknown signal"
    return "signal \(signal), \(words)"
  }
}
