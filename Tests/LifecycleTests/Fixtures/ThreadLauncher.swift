// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization

@testable import Lifecycle

/// Workers that are threads of this process and run the code of `massif worker`.
struct ThreadLauncher: WorkerLauncher {
  func launch() throws(LifecycleError) -> any Worker {
    let (ours, theirs) = try MessageChannel.makePair()
    let worker = ThreadWorker(channel: MessageChannel(descriptor: ours))
    Thread.detachNewThread {
      TrainingWorker.run(descriptor: theirs, onDisconnect: {})
      worker.ended.signal()
    }
    return worker
  }
}

private final class ThreadWorker: Worker {
  let channel: MessageChannel
  let ended = DispatchSemaphore(value: 0)

  init(channel: MessageChannel) { self.channel = channel }

  /// A thread cannot be killed; it ends because nobody listens any more.
  func kill() { channel.disconnect() }

  func wait() -> WorkerExit {
    ended.wait()
    return .exited(status: 0)
  }
}

/// Workers that do not start before the test lets them.
final class GatedLauncher: WorkerLauncher {
  private let gate = DispatchSemaphore(value: 0)

  func open() { gate.signal() }

  func launch() throws(LifecycleError) -> any Worker {
    gate.wait()
    gate.signal()
    return try ThreadLauncher().launch()
  }
}

/// An operating system that starts no process.
struct FailingLauncher: WorkerLauncher {
  func launch() throws(LifecycleError) -> any Worker {
    throw .system("posix_spawn", "starting a worker process failed", number: EAGAIN)
  }
}
