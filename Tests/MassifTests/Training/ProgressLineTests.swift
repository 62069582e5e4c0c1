// SPDX-License-Identifier: Apache-2.0
import MassifAPI
import SwiftProtobuf
import Testing

@testable import massif

struct ProgressLineTests {
  private func job(
    done: UInt64 = 31_200, samples: UInt64 = 60_000, rate: Double = 3312.4, left: Double = 34
  ) -> Massif_V1_Job {
    .with {
      $0.state = .running
      $0.progress.epoch = 2
      $0.progress.epochs = 3
      $0.progress.samplesDone = done
      $0.progress.samples = samples
      $0.progress.samplesPerSecond = rate
      $0.progress.secondsLeft = left
      $0.progress.metrics = [
        .with {
          $0.name = "loss"
          $0.value = 0.23119
        },
        .with {
          $0.name = "accuracy"
          $0.value = 0.914
        },
      ]
    }
  }

  @Test func showsEverythingWhereThereIsRoom() {
    #expect(
      ProgressLine.render(job(), width: 120)
        == "epoch 2/3 [==============>             ]  52 %  loss 0.2312  accuracy 0.9140"
        + "  3,312 samples/s  0:34 left")
  }

  @Test func leavesOutWhatDoesNotFit() {
    #expect(
      ProgressLine.render(job(), width: 80)
        == "epoch 2/3 [==========>          ]  52 %  loss 0.2312  accuracy 0.9140  0:34 left")
    #expect(
      ProgressLine.render(job(), width: 50)
        == "epoch 2/3 [==========>          ]  52 %  0:34 left")
    #expect(ProgressLine.render(job(), width: 20) == "epoch 2/3   52 %")
    #expect(ProgressLine.render(job(), width: 10) == "epoch 2/3 ")
  }

  @Test func isNeverWiderThanTheTerminal() {
    for width in 1...150 {
      for done: UInt64 in [0, 1, 30_000, 60_000, 70_000] {
        let line = ProgressLine.render(job(done: done), width: width)
        #expect(line.count <= width)
        if width >= 16 { #expect(line.contains(" %")) }
      }
    }
  }

  @Test func barsAreExactlyAsWideAsAsked() {
    for width in 2...40 {
      for fraction in [0, 0.001, 0.5, 0.999, 1] {
        let bar = ProgressLine.bar(fraction, width: width)
        #expect(bar.count == width)
        #expect(bar.contains(">") == (fraction < 1 && width > 2))
      }
    }
  }

  @Test func survivesNumbersThatCannotBe() {
    for value in [Double.nan, .infinity, -.infinity, 1e300, -1] {
      let line = ProgressLine.render(job(rate: value, left: value), width: 120)
      #expect(line.hasPrefix("epoch 2/3 ["))
      #expect(!line.contains("samples/s"))
    }
    #expect(ProgressLine.render(job(samples: 0), width: 120).contains("  0 %"))
  }

  @Test func saysTheStateBeforeThereIsProgress() {
    let job = Massif_V1_Job.with { $0.state = .queued }
    #expect(ProgressLine.render(job, width: 80) == "queued…")
  }
}

struct JobLinesTests {
  private func job(
    _ state: Massif_V1_JobState, epochs: Int = 0, done: UInt64 = 0
  ) -> Massif_V1_Job {
    .with {
      $0.id = "j1"
      $0.state = state
      $0.specification.model = "vision/m"
      $0.version = 4
      $0.error = "the worker was killed by signal 9"
      $0.progress.epoch = UInt32(epochs) + 1
      $0.progress.epochs = 2
      $0.progress.samplesDone = done
      $0.progress.samples = 100
      $0.epochs = (0..<epochs).map { index in
        .with {
          $0.epoch = UInt32(index) + 1
          $0.seconds = 2
          $0.samplesPerSecond = 50
        }
      }
    }
  }

  @Test func tellsEveryChangeOnce() {
    var lines = JobLines()
    #expect(lines.new(in: job(.queued), isLive: true) == ["job j1: model vision/m", "queued"])
    #expect(lines.new(in: job(.queued), isLive: true) == [])
    #expect(lines.new(in: job(.running), isLive: true) == ["running"])
    #expect(lines.new(in: job(.running, done: 50), isLive: true) == [])
    #expect(
      lines.new(in: job(.running, epochs: 1), isLive: true)
        == ["epoch 1:   50 samples/s  2.0 s"])
    // An event that was thinned out brings two things at once.
    #expect(
      lines.new(in: job(.succeeded, epochs: 2), isLive: true)
        == ["epoch 2:   50 samples/s  2.0 s", "succeeded: vision/m@4"])
  }

  @Test func tellsProgressInTenthsWhereThereIsNoBar() {
    var lines = JobLines()
    _ = lines.new(in: job(.running), isLive: false)
    var count = 0
    for done in 0...100 {
      count += lines.new(in: job(.running, done: UInt64(done)), isLive: false).count
    }
    #expect(count == 9)
    var over = job(.running, epochs: 1, done: 99)
    over.progress.epoch = 1
    #expect(lines.new(in: over, isLive: false) == ["epoch 1:   50 samples/s  2.0 s"])
    #expect(lines.new(in: job(.running, epochs: 1, done: 10), isLive: false).count == 1)
  }

  @Test func tellsWhyAJobFailed() {
    var lines = JobLines()
    _ = lines.new(in: job(.running), isLive: true)
    #expect(
      lines.new(in: job(.failed), isLive: true) == ["failed: the worker was killed by signal 9"])
  }
}
