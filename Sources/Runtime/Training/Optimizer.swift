// SPDX-License-Identifier: Apache-2.0

/// How parameters follow their gradients.
///
/// Definitions are those of PyTorch's `torch.optim`; LAMB's is its paper's.
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
  /// Adagrad (Duchi et al., 2011); `weightDecay` is added to the gradient as L2.
  case adagrad(learningRate: Float = 1e-2, epsilon: Float = 1e-10, weightDecay: Float = 0)
  /// RMSProp (Tieleman and Hinton, 2012); `weightDecay` is added to the gradient as L2.
  ///
  /// - `decay`: of the mean of squares, PyTorch's alpha.
  case rmsProp(
    learningRate: Float = 1e-2, decay: Float = 0.99, momentum: Float = 0, epsilon: Float = 1e-8,
    weightDecay: Float = 0)
  /// LAMB (You et al., 2020, algorithm 2): Adam's step, decay included, scaled for each parameter by the
  /// ratio of the parameter's norm to the step's.
  case lamb(
    learningRate: Float = 1e-3, beta1: Float = 0.9, beta2: Float = 0.999, epsilon: Float = 1e-6,
    weightDecay: Float = 1e-2)

  /// The step size that it begins with.
  public var learningRate: Float {
    switch self {
    case .sgd(let rate, _, _, _), .adam(let rate, _, _, _, _), .adamW(let rate, _, _, _, _),
      .adagrad(let rate, _, _), .rmsProp(let rate, _, _, _, _), .lamb(let rate, _, _, _, _):
      rate
    }
  }

  /// The name in specifications: `sgd`, `adam`, `adamw`, `adagrad`, `rmsprop`, `lamb`.
  public var name: String {
    switch self {
    case .sgd: "sgd"
    case .adam: "adam"
    case .adamW: "adamw"
    case .adagrad: "adagrad"
    case .rmsProp: "rmsprop"
    case .lamb: "lamb"
    }
  }

  /// Names of the tensors that it keeps for each parameter.
  var slots: [String] {
    switch self {
    case .sgd(_, let momentum, _, _): momentum == 0 ? [] : ["momentum"]
    case .adam, .adamW, .lamb: ["first_moment", "second_moment"]
    case .adagrad: ["squares"]
    case .rmsProp(_, _, let momentum, _, _): momentum == 0 ? ["squares"] : ["squares", "momentum"]
    }
  }

  /// Refuses settings that are out of range.
  ///
  /// - Throws: `.invalidArgument`, with the setting's name as field.
  public func validate() throws(RuntimeError) {
    try checkPositive(learningRate, "learning_rate")
    switch self {
    case .sgd(_, let momentum, let nesterov, let decay):
      try checkFraction(momentum, "momentum")
      try check(!nesterov || momentum > 0, momentum, "above 0, because nesterov is set", "momentum")
      try checkDecay(decay)
    case .adam(_, let beta1, let beta2, let epsilon, let decay),
      .adamW(_, let beta1, let beta2, let epsilon, let decay),
      .lamb(_, let beta1, let beta2, let epsilon, let decay):
      try checkFraction(beta1, "beta1")
      try checkFraction(beta2, "beta2")
      try checkPositive(epsilon, "epsilon")
      try checkDecay(decay)
    case .adagrad(_, let epsilon, let decay):
      try checkPositive(epsilon, "epsilon")
      try checkDecay(decay)
    case .rmsProp(_, let squares, let momentum, let epsilon, let decay):
      try checkFraction(squares, "decay")
      try checkFraction(momentum, "momentum")
      try checkPositive(epsilon, "epsilon")
      try checkDecay(decay)
    }
  }

  private func checkPositive(_ value: Float, _ field: String) throws(RuntimeError) {
    try check(value > 0 && value.isFinite, value, "above 0", field)
  }

  private func checkFraction(_ value: Float, _ field: String) throws(RuntimeError) {
    try check(value >= 0 && value < 1, value, "at least 0 and less than 1", field)
  }

  private func checkDecay(_ value: Float) throws(RuntimeError) {
    try check(value >= 0 && value.isFinite, value, "0 or more", "weight_decay")
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
