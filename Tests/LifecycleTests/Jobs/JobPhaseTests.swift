// SPDX-License-Identifier: Apache-2.0
import Store
import Testing

@testable import Lifecycle

/// Every event in every phase, against a table.
@Suite struct JobPhaseTests {
  static let exit = WorkerExit.signalled(9)
  static let events: [JobPhase.Event] = [
    .started, .prepared, .exported, .published, .publicationFailed("p"), .failed("f"), .stopped,
    .exited(exit), .cancelRequested, .serverStopping,
  ]
  static let phases: [JobPhase] = [
    .queued, .preparing, .running, .publishing, .cancelling, .ended(.cancelled),
    .ended(.succeeded), .ended(.failed),
  ]

  private struct Step: Hashable {
    var phase: JobPhase
    var event: JobPhase.Event
  }

  private static func failed(_ reason: String) -> (JobPhase, JobPhase.Action) {
    (.ended(.failed), .end(.failed, reason: reason))
  }
  private static let cancelled: (JobPhase, JobPhase.Action) = (
    .ended(.cancelled), .end(.cancelled, reason: "")
  )

  /// What is not listed leaves the phase as it is and does nothing.
  private static let table: [Step: (JobPhase, JobPhase.Action)] = {
    var table: [Step: (JobPhase, JobPhase.Action)] = [
      Step(phase: .queued, event: .started): (.preparing, .record),
      Step(phase: .queued, event: .cancelRequested): cancelled,
      Step(phase: .preparing, event: .prepared): (.running, .record),
      Step(phase: .publishing, event: .published): (.ended(.succeeded), .endPublished),
      Step(phase: .publishing, event: .publicationFailed("p")): failed("p"),
    ]
    for phase in [JobPhase.preparing, .running] {
      table[Step(phase: phase, event: .exported)] = (.publishing, .publish)
      table[Step(phase: phase, event: .failed("f"))] = failed("f")
      table[Step(phase: phase, event: .stopped)] = failed(
        "the worker process stopped without having been told to")
      table[Step(phase: phase, event: .exited(exit))] = failed(exit.description)
      table[Step(phase: phase, event: .cancelRequested)] = (.cancelling, .cancelWorker)
      table[Step(phase: phase, event: .serverStopping)] = (.queued, .requeue)
    }
    for event in [
      JobPhase.Event.stopped, .exited(exit), .failed("f"), .exported, .serverStopping,
    ] {
      table[Step(phase: .cancelling, event: event)] = cancelled
    }
    return table
  }()

  @Test(arguments: phases, events)
  func follows(_ phase: JobPhase, _ event: JobPhase.Event) {
    var found = phase
    let action = found.handle(event)
    let expected = Self.table[Step(phase: phase, event: event)] ?? (phase, .nothing)
    #expect(found == expected.0)
    #expect(action == expected.1)
  }

  @Test func coversEveryStep() {
    for step in Self.table.keys {
      #expect(Self.phases.contains(step.phase))
      #expect(Self.events.contains(step.event))
    }
  }

  @Test func canBeCancelledUntilItIsPublished() {
    for phase in [JobPhase.queued, .preparing, .running] {
      var phase = phase
      _ = phase.handle(.cancelRequested)
      _ = phase.handle(.exited(.exited(status: 0)))
      #expect(phase == .ended(.cancelled))
    }
  }

  @Test func namesStates() {
    #expect(
      Self.phases.map(\.state) == [
        .queued, .preparing, .running, .running, .cancelling, .cancelled, .succeeded, .failed,
      ])
  }

  @Test func saysHowAWorkerEnded() {
    #expect(WorkerExit.signalled(9).description.contains("signal 9 (Killed)"))
    #expect(WorkerExit.signalled(11).description.contains("signal 11 (Segmentation fault)"))
    #expect(WorkerExit.exited(status: 3).description.contains("status 3"))
  }
}
