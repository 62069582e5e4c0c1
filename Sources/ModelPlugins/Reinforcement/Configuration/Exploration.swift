// SPDX-License-Identifier: Apache-2.0
import Glibc

/// How often an agent tries what does not look best: `configuration.exploration`.
///
/// Sutton and Barto, "Reinforcement Learning: An Introduction", 2nd edition, sections 2.2 and 2.8.
struct Exploration: Sendable, Hashable {
  /// How a choice is made.
  enum Policy: String, Sendable, Hashable, CaseIterable {
    /// Any action with probability ε, the best one otherwise.
    case epsilonGreedy = "epsilon_greedy"
    /// Actions with probabilities in proportion to exp(Q / temperature).
    case softmax
  }

  /// How ε or the temperature goes from its initial to its final value.
  enum Schedule: String, Sendable, Hashable, CaseIterable {
    case constant
    case linear
    case exponential
  }

  var policy: Policy
  var schedule: Schedule
  /// ε or the temperature at the beginning.
  var initial: Double
  /// The same at the end.
  var final: Double
  /// The part of the training after which it has its final value.
  var fraction: Double

  /// Reads `configuration.exploration`, which may be missing.
  ///
  /// - Parameter policies: those that the family has.
  init(_ outer: FieldReader, _ list: ViolationList, policies: [Policy] = Policy.allCases) {
    let fields = FieldReader(
      outer["exploration"] ?? .object([]), path: outer.field("exploration"),
      keys: ["type", "schedule", "initial", "final", "fraction"], list: list)
    policy = fields.choice("type", default: .epsilonGreedy) ?? .epsilonGreedy
    if !policies.contains(policy) {
      fields.refuse(
        "type", "expected one of \(policies.map(\.rawValue).joined(separator: ", "))")
    }
    schedule = fields.choice("schedule", default: .linear) ?? .linear
    let isSoftmax = policy == .softmax
    let expectation = isSoftmax ? "a number above 0, at most 1000000" : "a number from 0 to 1"
    let accepts: (Double) -> Bool = {
      isSoftmax ? $0 > 0 && $0 <= 1e6 : (0...1).contains($0)
    }
    initial = fields.number("initial", expectation, default: 1, where: accepts)
    final = fields.number(
      "final", expectation, default: schedule == .constant ? initial : 0.05, where: accepts)
    fraction = fields.number("fraction", "a number above 0, at most 1", default: 0.5) {
      $0 > 0 && $0 <= 1
    }
    if schedule == .exponential, initial == 0 || final == 0 {
      fields.refuse("final", "expected an initial and a final value above 0 for exponential")
    }
  }

  /// ε or the temperature when this part of the training, from 0 to 1, is done.
  func value(at progress: Double) -> Double {
    let done = min(progress / fraction, 1)
    switch schedule {
    case .constant: return initial
    case .linear: return initial + (final - initial) * done
    case .exponential: return initial * pow(final / initial, done)
    }
  }

  static let schema = #"""
    {
      "type": "object", "additionalProperties": false, "default": {},
      "description": "epsilon_greedy: any action with probability epsilon. softmax: in proportion to exp(Q / temperature).",
      "properties": {
        "type": {"enum": ["epsilon_greedy", "softmax"], "default": "epsilon_greedy"},
        "schedule": {"enum": ["constant", "linear", "exponential"], "default": "linear"},
        "initial": {"type": "number", "minimum": 0, "default": 1},
        "final": {"type": "number", "minimum": 0, "default": 0.05},
        "fraction": {"type": "number", "exclusiveMinimum": 0, "maximum": 1, "default": 0.5,
          "description": "The part of the training after which the final value is reached."}
      }
    }
    """#
}

/// Rewards and penalties beside the environment's own: `configuration.rewards`.
///
/// They shape what is learned; returns that are reported are the environment's.
struct RewardShaping: Sendable, Hashable {
  /// The factor of the environment's reward.
  var scale: Double
  /// Taken away at every step, which makes short ways worth more.
  var stepPenalty: Double
  /// Taken away where an episode ends without a positive reward.
  var failurePenalty: Double
  /// Taken away where an episode is cut off.
  var truncationPenalty: Double

  /// Reads `configuration.rewards`, which may be missing.
  init(_ outer: FieldReader, _ list: ViolationList) {
    let fields = FieldReader(
      outer["rewards"] ?? .object([]), path: outer.field("rewards"),
      keys: ["scale", "step_penalty", "failure_penalty", "truncation_penalty"], list: list)
    func number(_ key: String, default value: Double) -> Double {
      fields.number(key, "a number from -1000000 to 1000000", default: value) { abs($0) <= 1e6 }
    }
    scale = number("scale", default: 1)
    stepPenalty = number("step_penalty", default: 0)
    failurePenalty = number("failure_penalty", default: 0)
    truncationPenalty = number("truncation_penalty", default: 0)
  }

  /// The reward to learn from.
  @inline(__always)
  func shaped(_ reward: Double, terminated: Bool, truncated: Bool) -> Double {
    var shaped = scale * reward - stepPenalty
    if terminated && reward <= 0 { shaped -= failurePenalty }
    if truncated { shaped -= truncationPenalty }
    return shaped
  }

  static let schema = #"""
    {
      "type": "object", "additionalProperties": false, "default": {},
      "description": "What is learned from: scale * reward - step_penalty, less a penalty where an episode ends without a positive reward or is cut off. Reported returns are the environment's own.",
      "properties": {
        "scale": {"$ref": "#/$defs/amount", "default": 1},
        "step_penalty": {"$ref": "#/$defs/amount", "default": 0},
        "failure_penalty": {"$ref": "#/$defs/amount", "default": 0},
        "truncation_penalty": {"$ref": "#/$defs/amount", "default": 0}
      }
    }
    """#
}
