// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// What the server wants of a worker while it trains, seen by the training between two steps.
final class WorkerControl: Sendable {
  private let cancelled = Atomic(false)
  private let disconnected = Atomic(false)

  /// Whether the training is to stop, for whichever reason.
  var shouldStop: Bool { isCancelled || isDisconnected }
  /// Whether the server has said that the job is cancelled.
  var isCancelled: Bool { cancelled.load(ordering: .relaxed) }
  /// Whether the server is gone.
  var isDisconnected: Bool { disconnected.load(ordering: .relaxed) }

  /// Reads commands until the server is gone; on a thread of its own.
  func listen(to channel: MessageChannel) {
    while let command = try? channel.receive(Massif_V1_Worker_Command.self) {
      if case .cancel = command.command { cancelled.store(true, ordering: .relaxed) }
    }
    disconnected.store(true, ordering: .relaxed)
  }
}
