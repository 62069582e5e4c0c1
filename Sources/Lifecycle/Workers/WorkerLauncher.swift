// SPDX-License-Identifier: Apache-2.0

/// Starts workers.
///
/// The way to do it is a parameter, so that tests need no executable.
protocol WorkerLauncher: Sendable {
  /// Starts a worker that waits for its first command on the channel.
  ///
  /// - Throws: `.system` when the operating system refuses.
  func launch() throws(LifecycleError) -> any Worker
}

/// A running worker.
protocol Worker: Sendable {
  /// The way to talk to it.
  ///
  /// It ends when it sees that the other end is gone.
  var channel: MessageChannel { get }

  /// Ends it without asking.
  ///
  /// Does nothing when it has ended.
  func kill()

  /// Waits until it has ended.
  ///
  /// Called once.
  func wait() -> WorkerExit
}
