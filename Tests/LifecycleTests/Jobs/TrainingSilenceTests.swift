// SPDX-License-Identifier: Apache-2.0
import Foundation
import MassifAPI
import Synchronization
import Testing

@testable import Lifecycle

/// A plugin that hangs in training.
@Suite struct TrainingSilenceTests {
  @Test func aWorkerThatSaysNothingIsStoppedAndTheJobSaysWhy() async throws {
    let launcher = SilentLauncher()
    let fixture = try ControlPlaneFixture(launcher: launcher) {
      $0.maxTrainingSilence = .milliseconds(50)
    }
    try await fixture.upload(TestData.file())
    let job = try await fixture.submit()
    let ended = try await fixture.end(of: job.id)
    #expect(ended.state == .failed)
    #expect(ended.error.contains("has not reported for"), "\(ended.error)")
    #expect(launcher.killed.load(ordering: .relaxed) >= 1)
    try await fixture.stop()
  }
}

/// Workers that take their command and never answer.
private final class SilentLauncher: WorkerLauncher {
  let killed = Atomic(0)

  func launch() throws(LifecycleError) -> any Worker {
    let (ours, theirs) = try MessageChannel.makePair()
    return SilentWorker(
      channel: MessageChannel(descriptor: ours), other: MessageChannel(descriptor: theirs),
      launcher: self)
  }

  private final class SilentWorker: Worker {
    let channel: MessageChannel
    let other: MessageChannel
    let launcher: SilentLauncher

    init(channel: MessageChannel, other: MessageChannel, launcher: SilentLauncher) {
      self.channel = channel
      self.other = other
      self.launcher = launcher
    }

    func kill() {
      launcher.killed.add(1, ordering: .relaxed)
      other.disconnect()
    }

    func wait() -> WorkerExit { .signalled(SIGKILL) }
  }
}
