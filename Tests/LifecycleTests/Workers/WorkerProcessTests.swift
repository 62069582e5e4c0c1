// SPDX-License-Identifier: Apache-2.0
import Glibc
import Testing

@testable import Lifecycle

/// Real processes, of programs that every system has.
@Suite struct WorkerProcessTests {
  private func shell(_ script: String) throws -> any Worker {
    try ProcessLauncher(executable: "/bin/sh", arguments: ["sh", "-c", script]).launch()
  }

  @Test func tellsHowItEnded() throws {
    #expect(try shell("exit 3").wait() == .exited(status: 3))
    #expect(try shell("kill -SEGV $$").wait() == .signalled(SIGSEGV))
    #expect(try shell("kill -9 $$").wait() == .signalled(SIGKILL))
  }

  @Test func isKilledWithItsChildren() throws {
    // The child holds the socket too: while it lives, the channel does not end.
    let worker = try shell("sleep 600 & wait")
    worker.kill()
    #expect(worker.wait() == .signalled(SIGKILL))
    #expect(try worker.channel.receive(Massif_V1_Worker_Event.self) == nil)
    worker.kill()
  }

  @Test func seesThatTheServerIsGone() throws {
    let worker = try shell("cat <&3 >/dev/null")
    worker.channel.disconnect()
    #expect(worker.wait() == .exited(status: 0))
  }

  @Test func speaksOnDescriptorThree() throws {
    // An Event with `checkpoint { epoch: 5 }`: field 4, two bytes; field 1, 5.
    let worker = try shell("printf '\\000\\000\\000\\004\\042\\002\\010\\005' >&3")
    let event = try worker.channel.receive(Massif_V1_Worker_Event.self)
    #expect(event?.checkpoint.epoch == 5)
    #expect(try worker.channel.receive(Massif_V1_Worker_Event.self) == nil)
    #expect(worker.wait() == .exited(status: 0))
  }

  @Test func saysThatThereIsNoProgram() {
    #expect(throws: LifecycleError.self) {
      try ProcessLauncher(executable: "/nonexistent", arguments: ["x"]).launch()
    }
  }
}
