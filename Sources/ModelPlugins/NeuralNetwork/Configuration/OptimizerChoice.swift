// SPDX-License-Identifier: Apache-2.0
import Runtime

/// An optimizer with its settings; those that its type does not have stay at their defaults.
struct OptimizerChoice: Sendable, Hashable {
  var type = OptimizerType.adam
  var learningRate = 0.001
  var momentum = 0.0
  var nesterov = false
  var beta1 = 0.9
  var beta2 = 0.999
  var decay = 0.99
  var epsilon = 1e-8
  var weightDecay = 0.0

  enum OptimizerType: String, Sendable, Hashable, CaseIterable {
    case sgd
    case adam
    case adamW = "adamw"
    case adagrad
    case rmsProp = "rmsprop"
    case lamb
  }

  /// The optimizer of the runtime.
  var optimizer: Optimizer {
    let (rate, weightDecay, epsilon) = (Float(learningRate), Float(weightDecay), Float(epsilon))
    let (beta1, beta2, momentum) = (Float(beta1), Float(beta2), Float(momentum))
    return switch type {
    case .sgd:
      .sgd(learningRate: rate, momentum: momentum, nesterov: nesterov, weightDecay: weightDecay)
    case .adam:
      .adam(
        learningRate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: weightDecay)
    case .adamW:
      .adamW(
        learningRate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: weightDecay)
    case .adagrad: .adagrad(learningRate: rate, epsilon: epsilon, weightDecay: weightDecay)
    case .rmsProp:
      .rmsProp(
        learningRate: rate, decay: Float(decay), momentum: momentum, epsilon: epsilon,
        weightDecay: weightDecay)
    case .lamb:
      .lamb(
        learningRate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: weightDecay)
    }
  }
}

extension OptimizerChoice {
  /// Reads the settings that the type has.
  init(_ json: JSONValue?, path: String, list: ViolationList) {
    // The type decides which of the other keys are known, so it is read on its own first.
    let open = FieldReader(json, path: path, keys: Self.allKeys, list: ViolationList())
    let named = open["type"].flatMap { value in
      if case .string(let name) = value { OptimizerType(rawValue: name) } else { nil }
    }
    let fields = FieldReader(
      json, path: path, keys: Self.common + Self.settings(of: named ?? .adam), list: list)
    type = fields.choice("type", default: .adam) ?? .adam
    let unit = "a number from 0 to below 1"
    learningRate = fields.number(
      "learning_rate", "a number above 0", default: Self.defaultRate(of: type)
    ) { Float($0) > 0 }
    weightDecay = fields.number(
      "weight_decay", "a number of 0 or more", default: Self.defaultDecay(of: type)
    ) { $0 >= 0 }
    momentum = fields.number("momentum", unit, default: 0) { $0 >= 0 && Float($0) < 1 }
    nesterov = fields.bool("nesterov", default: false)
    beta1 = fields.number("beta1", unit, default: beta1) { $0 >= 0 && Float($0) < 1 }
    beta2 = fields.number("beta2", unit, default: beta2) { $0 >= 0 && Float($0) < 1 }
    decay = fields.number("decay", unit, default: decay) { $0 >= 0 && Float($0) < 1 }
    epsilon = fields.number(
      "epsilon", "a number above 0", default: Self.defaultEpsilon(of: type)
    ) { Float($0) > 0 }
    if nesterov, momentum == 0 {
      fields.refuse("nesterov", "expected a momentum above 0 beside it")
    }
  }

  /// The settings that the type has, as JSON.
  var canonicalText: String {
    let common =
      #""type":"\#(type.rawValue)","learning_rate":\#(learningRate),"weight_decay":\#(weightDecay)"#
    return switch type {
    case .sgd: #"{\#(common),"momentum":\#(momentum),"nesterov":\#(nesterov)}"#
    case .adam, .adamW, .lamb:
      #"{\#(common),"beta1":\#(beta1),"beta2":\#(beta2),"epsilon":\#(epsilon)}"#
    case .adagrad: #"{\#(common),"epsilon":\#(epsilon)}"#
    case .rmsProp:
      #"{\#(common),"decay":\#(decay),"momentum":\#(momentum),"epsilon":\#(epsilon)}"#
    }
  }

  private static let common = ["type", "learning_rate", "weight_decay"]
  private static let allKeys =
    common + ["momentum", "nesterov", "beta1", "beta2", "decay", "epsilon"]

  private static func settings(of type: OptimizerType) -> [String] {
    switch type {
    case .sgd: ["momentum", "nesterov"]
    case .adam, .adamW, .lamb: ["beta1", "beta2", "epsilon"]
    case .adagrad: ["epsilon"]
    case .rmsProp: ["decay", "momentum", "epsilon"]
    }
  }

  private static func defaultRate(of type: OptimizerType) -> Double {
    switch type {
    case .sgd, .adagrad, .rmsProp: 0.01
    case .adam, .adamW, .lamb: 0.001
    }
  }

  private static func defaultDecay(of type: OptimizerType) -> Double {
    switch type {
    case .adamW, .lamb: 0.01
    case .sgd, .adam, .adagrad, .rmsProp: 0
    }
  }

  private static func defaultEpsilon(of type: OptimizerType) -> Double {
    switch type {
    case .adagrad: 1e-10
    case .lamb: 1e-6
    case .sgd, .adam, .adamW, .rmsProp: 1e-8
    }
  }
}
