// SPDX-License-Identifier: Apache-2.0
public import RPCTransport
internal import Synchronization

/// The metadata that a handler sends with its responses.
///
/// Any thread. What is set too late, because it has been sent, is without effect.
public final class ResponseMetadata: Sendable {
  private let both = Mutex((initial: Metadata(), trailing: Metadata()))

  init() {}

  /// Goes ahead of the first response.
  public var initial: Metadata {
    get { both.withLock { $0.initial } }
    set { both.withLock { $0.initial = newValue } }
  }

  /// Goes with the status, also with that of a failure.
  public var trailing: Metadata {
    get { both.withLock { $0.trailing } }
    set { both.withLock { $0.trailing = newValue } }
  }
}
