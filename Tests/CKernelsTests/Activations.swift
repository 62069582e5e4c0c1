// SPDX-License-Identifier: Apache-2.0
import CKernels
import Glibc
import Testing

/// An activation with its definition in double precision.
struct ActivationCase: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let code: mk_activation
  /// Whether its derivative is given x, not y.
  let slopeNeedsInput: Bool
  let value: @Sendable (Double) -> Double
  let slope: @Sendable (Double) -> Double

  init(
    _ name: String, _ code: Int, slopeNeedsInput: Bool = false,
    _ value: @escaping @Sendable (Double) -> Double,
    slope: @escaping @Sendable (Double) -> Double
  ) {
    testDescription = name
    self.code = mk_activation(code)
    self.slopeNeedsInput = slopeNeedsInput
    self.value = value
    self.slope = slope
  }

  static func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
  static func normal(_ x: Double) -> Double { 0.5 * erfc(-x / 2.squareRoot()) }
  static func hardSigmoid(_ x: Double) -> Double { min(max(x + 3, 0), 6) / 6 }
  static func geluArgument(_ x: Double) -> Double {
    (2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)
  }

  static let all: [ActivationCase] = [
    ActivationCase("none", MK_ACTIVATION_NONE, { $0 }, slope: { _ in 1 }),
    ActivationCase("relu", MK_ACTIVATION_RELU, { max($0, 0) }, slope: { $0 > 0 ? 1 : 0 }),
    ActivationCase(
      "sigmoid", MK_ACTIVATION_SIGMOID, sigmoid, slope: { sigmoid($0) * (1 - sigmoid($0)) }),
    ActivationCase("tanh", MK_ACTIVATION_TANH, { tanh($0) }, slope: { 1 - tanh($0) * tanh($0) }),
    ActivationCase(
      "leaky relu", MK_ACTIVATION_LEAKY_RELU, { $0 > 0 ? $0 : 0.01 * $0 },
      slope: { $0 > 0 ? 1 : 0.01 }),
    ActivationCase(
      "elu", MK_ACTIVATION_ELU, { $0 > 0 ? $0 : expm1($0) }, slope: { $0 > 0 ? 1 : exp($0) }),
    ActivationCase(
      "gelu", MK_ACTIVATION_GELU, slopeNeedsInput: true, { $0 * normal($0) },
      slope: { normal($0) + $0 * exp(-$0 * $0 / 2) / (2 * Double.pi).squareRoot() }),
    ActivationCase(
      "gelu tanh", MK_ACTIVATION_GELU_TANH, slopeNeedsInput: true,
      { $0 / 2 * (1 + tanh(geluArgument($0))) },
      slope: { x in
        let t = tanh(geluArgument(x))
        let inner = (2 / Double.pi).squareRoot() * (1 + 3 * 0.044715 * x * x)
        return (1 + t) / 2 + x / 2 * (1 - t * t) * inner
      }),
    ActivationCase(
      "silu", MK_ACTIVATION_SILU, slopeNeedsInput: true, { $0 * sigmoid($0) },
      slope: { sigmoid($0) * (1 + $0 * (1 - sigmoid($0))) }),
    ActivationCase(
      "softplus", MK_ACTIVATION_SOFTPLUS, { max($0, 0) + log1p(exp(-abs($0))) }, slope: sigmoid),
    ActivationCase(
      "relu6", MK_ACTIVATION_RELU6, { min(max($0, 0), 6) }, slope: { $0 > 0 && $0 < 6 ? 1 : 0 }),
    ActivationCase(
      "hard sigmoid", MK_ACTIVATION_HARD_SIGMOID, hardSigmoid,
      slope: { $0 > -3 && $0 < 3 ? 1.0 / 6 : 0 }),
    ActivationCase(
      "hard swish", MK_ACTIVATION_HARD_SWISH, slopeNeedsInput: true, { $0 * hardSigmoid($0) },
      slope: { $0 <= -3 ? 0 : $0 >= 3 ? 1 : $0 / 3 + 0.5 }),
    ActivationCase(
      "hard tanh", MK_ACTIVATION_HARD_TANH, { min(max($0, -1), 1) },
      slope: { abs($0) < 1 ? 1 : 0 }),
  ]
}

/// The activation in double precision.
func activated(_ x: Double, _ code: mk_activation) -> Double {
  ActivationCase.all.first { $0.code == code }?.value(x) ?? .nan
}
