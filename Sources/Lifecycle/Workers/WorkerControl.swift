// SPDX-License-Identifier: Apache-2.0
import MassifAPI
import Synchronization

/// What the server wants of a worker while it trains, seen by the training between two steps.
final class WorkerControl: Sendable {
  private let cancelled = Atomic(false)
  private let disconnected = Atomic(false)
  /// What the environments of a client answer.
  let mailbox = EnvironmentMailbox()

  /// Whether the training is to stop, for whichever reason.
  var shouldStop: Bool { isCancelled || isDisconnected }
  /// Whether the server has said that the job is cancelled.
  var isCancelled: Bool { cancelled.load(ordering: .relaxed) }
  /// Whether the server is gone.
  var isDisconnected: Bool { disconnected.load(ordering: .relaxed) }

  /// Reads commands until the server is gone; on a thread of its own.
  func listen(to channel: MessageChannel) {
    while let command = try? channel.receive(Massif_V1_Worker_Command.self) {
      switch command.command {
      case .cancel:
        cancelled.store(true, ordering: .relaxed)
        mailbox.stop()
      case .environmentResults(let results): mailbox.deliver(results.results)
      case .environmentsPresence(let presence):
        mailbox.setAttached(presence.attached, areReplaced: presence.replaced)
      case .train, nil: break
      }
    }
    disconnected.store(true, ordering: .relaxed)
    mailbox.stop()
  }
}
