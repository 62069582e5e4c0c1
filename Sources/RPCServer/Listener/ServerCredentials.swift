// SPDX-License-Identifier: Apache-2.0
internal import RPCTransport
internal import Synchronization

/// The TLS context that new connections get, made anew when its files change.
///
/// A new context has new keys for session tickets, so no ticket outlives the trust that it was given
/// under: a client whose certificate has been revoked cannot come back with an old session.
final class ServerCredentials: Sendable {
  /// What a look at the files came to.
  enum Change {
    case none
    /// New connections get this context; those that are open are to be checked with it.
    case reloaded(TLSContext)
    /// The new files cannot be used, and those before stay in force.
    case failed(TransportError)
  }

  private struct State {
    var context: TLSContext
    /// The files that were last tried, good or bad.
    var tried: CertificateFileStamp
    var made: ContinuousClock.Instant
  }

  private let configuration: TLSConfiguration
  private let state: Mutex<State>

  /// Tickets are good for an hour, and the keys that made them are gone after this time.
  private static let maxAge = Duration.seconds(8 * 3600)

  /// Reads the files.
  ///
  /// - Throws: `.certificate` with the file that cannot be used.
  init(_ configuration: TLSConfiguration) throws(TransportError) {
    self.configuration = configuration
    let stamp = CertificateFileStamp(configuration)
    state = Mutex(
      State(context: try TLSContext.server(configuration), tried: stamp, made: .now))
  }

  /// The context of new connections.
  var context: TLSContext { state.withLock { $0.context } }

  /// Reads the files again where they have changed, the ticket keys are old, or `always`.
  ///
  /// Reads files, so not on an event loop.
  func reload(always: Bool = false, now: ContinuousClock.Instant = .now) -> Change {
    // Before the files are read: what changes meanwhile is seen the next time.
    let stamp = CertificateFileStamp(configuration)
    let isDue = state.withLock { state in
      let isDue = always || stamp != state.tried || state.made + Self.maxAge <= now
      if isDue { state.tried = stamp }
      return isDue
    }
    guard isDue else { return .none }
    do throws(TransportError) {
      let context = try TLSContext.server(configuration)
      state.withLock { state in
        state.context = context
        state.made = now
      }
      return .reloaded(context)
    } catch {
      return .failed(error)
    }
  }
}
