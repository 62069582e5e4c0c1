// SPDX-License-Identifier: Apache-2.0

/// How parameters follow their gradients.
///
/// Definitions are those of PyTorch's `torch.optim`.
public enum Optimizer: Sendable, Hashable {
  /// Stochastic gradient descent; `weightDecay` is added to the gradient as L2.
  case sgd(learningRate: Float, momentum: Float = 0, nesterov: Bool = false, weightDecay: Float = 0)
  /// Adam (Kingma and Ba, 2015); `weightDecay` is added to the gradient as L2.
  case adam(
    learningRate: Float = 1e-3, beta1: Float = 0.9, beta2: Float = 0.999, epsilon: Float = 1e-8,
    weightDecay: Float = 0)
  /// Adam with decoupled weight decay (Loshchilov and Hutter, 2019).
  case adamW(
    learningRate: Float = 1e-3, beta1: Float = 0.9, beta2: Float = 0.999, epsilon: Float = 1e-8,
    weightDecay: Float = 1e-2)

  /// The step size that it begins with.
  public var learningRate: Float {
    switch self {
    case .sgd(let rate, _, _, _), .adam(let rate, _, _, _, _), .adamW(let rate, _, _, _, _): rate
    }
  }

  /// The name in specifications: `sgd`, `adam`, `adamw`.
  public var name: String {
    switch self {
    case .sgd: "sgd"
    case .adam: "adam"
    case .adamW: "adamw"
    }
  }

  /// Names of the tensors that it keeps for each parameter.
  var slots: [String] {
    switch self {
    case .sgd(_, let momentum, _, _): momentum == 0 ? [] : ["momentum"]
    case .adam, .adamW: ["first_moment", "second_moment"]
    }
  }

  /// Refuses settings that are out of range.
  ///
  /// - Throws: `.invalidArgument`, with the setting's name as field.
  public func validate() throws(RuntimeError) {
    try check(learningRate > 0 && learningRate.isFinite, learningRate, "above 0", "learning_rate")
    switch self {
    case .sgd(_, let momentum, let nesterov, let decay):
      try check(momentum >= 0 && momentum < 1, momentum, "at least 0 and less than 1", "momentum")
      try check(!nesterov || momentum > 0, momentum, "above 0, because nesterov is set", "momentum")
      try check(decay >= 0 && decay.isFinite, decay, "0 or more", "weight_decay")
    case .adam(_, let beta1, let beta2, let epsilon, let decay),
      .adamW(_, let beta1, let beta2, let epsilon, let decay):
      try check(beta1 >= 0 && beta1 < 1, beta1, "at least 0 and less than 1", "beta1")
      try check(beta2 >= 0 && beta2 < 1, beta2, "at least 0 and less than 1", "beta2")
      try check(epsilon > 0 && epsilon.isFinite, epsilon, "above 0", "epsilon")
      try check(decay >= 0 && decay.isFinite, decay, "0 or more", "weight_decay")
    }
  }

  private func check(
    _ holds: Bool, _ value: Float, _ expected: String, _ field: String
  ) throws(RuntimeError) {
    guard holds else {
      throw RuntimeError(
        .invalidArgument, "expected \(expected); came \(value)", operation: name, field: field)
    }
  }
}
