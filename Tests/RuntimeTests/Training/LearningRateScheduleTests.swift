// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Runtime

struct LearningRateScheduleTests {
  static let schedules: [(golden: String, schedule: LearningRateSchedule)] = [
    ("step", LearningRateSchedule(.step(epochs: 2, factor: 0.5))),
    ("exponential", LearningRateSchedule(.exponential(factor: 0.8))),
    ("cosine", LearningRateSchedule(.cosine(minimum: 0.01))),
    ("one-cycle", LearningRateSchedule(.oneCycle())),
    ("plateau", LearningRateSchedule(.reduceOnPlateau(factor: 0.5, patience: 1, threshold: 0.01))),
    // PyTorch's begins at a fifth and is whole after four steps, ours at the first fifth of five.
    ("warm-up", LearningRateSchedule(.constant, warmUpSteps: 5)),
  ]

  @Test(arguments: schedules)
  func agreesWithPyTorch(_ variant: (golden: String, schedule: LearningRateSchedule)) throws {
    let golden = try Golden("schedules")
    let losses = try golden.floats("losses").map(Double.init)
    for (step, expected) in try golden.floats(variant.golden).enumerated() {
      let rate = variant.schedule.rate(
        base: 0.1, step: step, stepsPerEpoch: 4, totalSteps: 20,
        losses: Array(losses.prefix(step / 4)))
      #expect(abs(rate - Double(expected)) < 1e-8, "step \(step)")
    }
  }

  @Test func aCourseBeginsAfterTheWarmUp() {
    let schedule = LearningRateSchedule(.cosine(), warmUpSteps: 4)
    func rate(_ step: Int) -> Double {
      schedule.rate(base: 1, step: step, stepsPerEpoch: 5, totalSteps: 14, losses: [])
    }
    #expect((0..<5).map(rate) == [0.25, 0.5, 0.75, 1, 1])
    #expect(abs(rate(9) - 0.5) < 1e-12)
    #expect(abs(rate(14)) < 1e-12)
  }

  @Test func earlyStoppingCountsEpochsWithoutANewBest() {
    let rule = EarlyStopping(patience: 2, minimumDelta: 0.1)
    #expect(rule.bestEpoch(of: []) == nil)
    #expect(!rule.isOver([]))
    #expect(!rule.isOver([1, 0.95]))
    #expect(rule.isOver([1, 0.95, 0.92]))
    #expect(rule.bestEpoch(of: [1, 0.95, 0.92]) == 0)
    #expect(!rule.isOver([1, 0.95, 0.85, 0.84]))
    #expect(rule.bestEpoch(of: [1, 0.95, 0.85, 0.84]) == 2)
    #expect(rule.isOver([.nan, .nan, .nan]))
    #expect(rule.bestEpoch(of: [.nan, 3]) == 1)
  }
}
