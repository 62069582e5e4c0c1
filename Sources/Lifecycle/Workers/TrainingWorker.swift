// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import MassifAPI
import ModelPlugins
import Store
import SwiftProtobuf

/// What `massif worker` runs: one training job, told and reported over a socket.
public enum TrainingWorker {
  /// Waits for the command to train, trains, reports, and returns when all is said.
  ///
  /// When the server is gone there is nobody to train for: the job goes on later, in another worker,
  /// from the last checkpoint.
  ///
  /// - Parameters:
  ///   - descriptor: the socket; closed at the end.
  ///   - onDisconnect: called on another thread when the server is gone; nil ends the
  ///     process at once, even if a plugin never looks whether it should stop.
  public static func run(descriptor: Int32, onDisconnect: (@Sendable () -> Void)? = nil) {
    let channel = MessageChannel(descriptor: descriptor)
    // Nothing that a plugin starts may keep the socket open after this process.
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    defer { channel.disconnect() }
    guard let command = try? channel.receive(Massif_V1_Worker_Command.self),
      case .train(let train) = command.command
    else { return }

    let control = WorkerControl()
    Thread.detachNewThread {
      control.listen(to: channel)
      if let onDisconnect { onDisconnect() } else { _exit(EXIT_SUCCESS) }
    }
    do {
      try TrainingRun(train, channel: channel, control: control).run()
    } catch  where control.isDisconnected {
      return
    } catch  where control.isCancelled {
      channel.send(Massif_V1_Worker_Event.with { $0.cancelled = .init() })
    } catch {
      channel.send(
        Massif_V1_Worker_Event.with { $0.failed.message = Self.message(for: error) })
    }
  }

  /// What the owner of the job reads: no path and nothing of the inside.
  private static func message(for error: any Error) -> String {
    switch error {
    case let error as PluginError: error.message
    case let error as StoreError: error.message
    case let error as LifecycleError: error.message
    default: "the training failed"
    }
  }
}
