// SPDX-License-Identifier: Apache-2.0

import Glibc

/// How the step size changes while a run goes on; definitions are those of `torch.optim.lr_scheduler`.
///
/// A rate is a function of the position in the run and of the losses of the epochs before it, so a run that
/// is taken up again goes on with the same rates.
public struct LearningRateSchedule: Sendable, Hashable {
  /// The course after the warm-up.
  public enum Course: Sendable, Hashable {
    /// The optimizer's rate throughout.
    case constant
    /// Multiplied by `factor` each time that so many epochs are done.
    case step(epochs: Int, factor: Double = 0.1)
    /// Multiplied by `factor` after every epoch.
    case exponential(factor: Double)
    /// Half a cosine wave from the optimizer's rate down to `minimum`, step by step (Loshchilov and Hutter,
    /// 2017).
    case cosine(minimum: Double = 0)
    /// From rate / `initialDivisor` up to the rate, then down to rate / `initialDivisor` / `finalDivisor`,
    /// both along half a cosine wave, step by step (Smith and Topin, 2018).
    case oneCycle(
      risingFraction: Double = 0.3, initialDivisor: Double = 25, finalDivisor: Double = 10_000)
    /// Multiplied by `factor` when the loss has not fallen by the part `threshold` in more than `patience`
    /// epochs, but not below `minimum`.
    case reduceOnPlateau(
      factor: Double = 0.1, patience: Int = 10, threshold: Double = 1e-4, minimum: Double = 0)
  }

  /// The course after the warm-up.
  public var course: Course
  /// Steps in which the rate rises in equal parts to where the course begins.
  public var warmUpSteps: Int

  /// Creates a schedule; by default the rate stays as it is.
  public init(_ course: Course = .constant, warmUpSteps: Int = 0) {
    self.course = course
    self.warmUpSteps = warmUpSteps
  }

  /// The rate of a step.
  ///
  /// - Parameters:
  ///   - base: the optimizer's rate.
  ///   - step: steps done before it.
  ///   - stepsPerEpoch: one or more.
  ///   - totalSteps: of the whole run.
  ///   - losses: of the epochs that are done.
  public func rate(
    base: Double, step: Int, stepsPerEpoch: Int, totalSteps: Int, losses: [Double]
  ) -> Double {
    if step < warmUpSteps {
      let start = courseRate(base, 0, stepsPerEpoch, totalSteps - warmUpSteps, losses)
      return start * Double(step + 1) / Double(warmUpSteps)
    }
    return courseRate(
      base, step - warmUpSteps, stepsPerEpoch, totalSteps - warmUpSteps, losses)
  }

  private func courseRate(
    _ base: Double, _ step: Int, _ stepsPerEpoch: Int, _ totalSteps: Int, _ losses: [Double]
  ) -> Double {
    switch course {
    case .constant: return base
    case .step(let epochs, let factor):
      return base * pow(factor, Double(step / max(1, stepsPerEpoch) / max(1, epochs)))
    case .exponential(let factor):
      return base * pow(factor, Double(step / max(1, stepsPerEpoch)))
    case .cosine(let minimum):
      let done = min(1, Double(step) / Double(max(1, totalSteps)))
      return minimum + (base - minimum) * (1 + cos(.pi * done)) / 2
    case .oneCycle(let rising, let initialDivisor, let finalDivisor):
      let start = base / initialDivisor
      let peak = rising * Double(totalSteps) - 1
      if Double(step) <= peak {
        return Self.annealed(from: start, to: base, Double(step) / peak)
      }
      let done = (Double(step) - peak) / max(1, Double(totalSteps) - 1 - peak)
      return Self.annealed(from: base, to: start / finalDivisor, min(1, done))
    case .reduceOnPlateau(let factor, let patience, let threshold, let minimum):
      var (rate, best, waited) = (base, Double.infinity, 0)
      for loss in losses {
        if loss < best * (1 - threshold) {
          (best, waited) = (loss, 0)
        } else {
          waited += 1
        }
        if waited > patience { (rate, waited) = (max(minimum, rate * factor), 0) }
      }
      return rate
    }
  }

  private static func annealed(from start: Double, to end: Double, _ part: Double) -> Double {
    end + (start - end) / 2 * (1 + cos(.pi * part))
  }
}

/// Ends a run when the loss has not fallen for some epochs.
public struct EarlyStopping: Sendable, Hashable {
  /// Epochs without a new best loss after which the run ends.
  public var patience: Int
  /// By how much a loss must be below the best one to be the new best.
  public var minimumDelta: Double

  /// Creates a rule.
  public init(patience: Int, minimumDelta: Double = 0) {
    self.patience = patience
    self.minimumDelta = minimumDelta
  }

  /// Which of the epochs done was the best, counted from 0; `nil` before the first.
  public func bestEpoch(of losses: [Double]) -> Int? {
    var best: Int?
    for (epoch, loss) in losses.enumerated() where isBetter(loss, than: best.map { losses[$0] }) {
      best = epoch
    }
    return best
  }

  /// Whether the run ends after these epochs.
  public func isOver(_ losses: [Double]) -> Bool {
    guard let best = bestEpoch(of: losses) else { return losses.count > patience }
    return losses.count - 1 - best >= patience
  }

  private func isBetter(_ loss: Double, than best: Double?) -> Bool {
    guard let best else { return !loss.isNaN }
    return loss < best - minimumDelta
  }
}
