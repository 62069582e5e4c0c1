// SPDX-License-Identifier: Apache-2.0
// U units; gates are blocks of U columns.

import CKernels

/// What a recurrent layer computes in each step of a sequence; definitions are PyTorch's.
public enum RecurrentCell: Sendable, Hashable {
  /// Long short-term memory; gates in the order input, forget, cell, output.
  case lstm
  /// Gated recurrent unit, the reset gate applied after the product; gates in the order reset, update,
  /// new.
  case gru
  /// h = f(x W + h U + b); the function's derivative must follow from its result.
  case simple(Activation)

  /// Blocks of units in the columns of its weights.
  public var gateCount: Int {
    switch self {
    case .lstm: 4
    case .gru: 3
    case .simple: 1
    }
  }

  /// Whether it keeps a cell state beside the hidden state.
  public var hasCellState: Bool { self == .lstm }

  /// Whether the products with the hidden state have a bias of their own.
  public var hasRecurrentBias: Bool { self == .gru }
}

/// A range of gates that one product gives: where it lies in the working memory and in the weights.
struct GateRange: Sendable, Hashable {
  /// The first block in the working memory of a step.
  let gate: Int
  /// The first block in the columns of the weights.
  let column: Int
  /// Blocks.
  let count: Int
  /// Whether it is added to what is there.
  var accumulates = false
}

extension RecurrentCell {
  var name: String {
    switch self {
    case .lstm: "lstm"
    case .gru: "gru"
    case .simple: "rnn"
    }
  }

  /// Blocks of units of working memory in each step; a GRU keeps its two parts of `new` apart.
  var workingGates: Int { self == .gru ? 4 : gateCount }

  /// The products with the input.
  var inputRanges: [GateRange] { [GateRange(gate: 0, column: 0, count: gateCount)] }

  /// The products with the hidden state.
  var recurrentRanges: [GateRange] {
    guard self == .gru else {
      return [GateRange(gate: 0, column: 0, count: gateCount, accumulates: true)]
    }
    return [
      GateRange(gate: 0, column: 0, count: 2, accumulates: true),
      GateRange(gate: 3, column: 2, count: 1),
    ]
  }

  /// Applies the functions to `rows` samples of a step: the gates become what the gradient needs.
  func apply(
    _ isa: InstructionSet, gates: UnsafeMutablePointer<Float>, hidden: UnsafeMutablePointer<Float>,
    previousHidden: UnsafePointer<Float>, cell: UnsafeMutablePointer<Float>?,
    previousCell: UnsafePointer<Float>?, rows: Int, units: Int
  ) {
    let kernels = isa.kernels
    switch self {
    case .lstm:
      guard let cell, let previousCell else { preconditionFailure("an LSTM has a cell state") }
      kernels.pointee.lstm_cell(gates, cell, hidden, previousCell, rows, units)
    case .gru: kernels.pointee.gru_cell(gates, hidden, previousHidden, rows, units)
    case .simple(let activation):
      kernels.pointee.activate(hidden, gates, activation.code, rows * units)
      gates.update(from: hidden, count: rows * units)
    }
  }

  /// The gradient along the gates before their functions.
  ///
  /// What flows to the previous states past the gates stays in `dhidden` and `dcell`.
  func applyGradient(
    _ isa: InstructionSet, dgates: UnsafeMutablePointer<Float>,
    dhidden: UnsafeMutablePointer<Float>, dcell: UnsafeMutablePointer<Float>?,
    gates: UnsafePointer<Float>, previousHidden: UnsafePointer<Float>,
    cell: UnsafePointer<Float>?, previousCell: UnsafePointer<Float>?, rows: Int, units: Int
  ) {
    let kernels = isa.kernels
    switch self {
    case .lstm:
      guard let dcell, let cell, let previousCell else {
        preconditionFailure("an LSTM has a cell state")
      }
      kernels.pointee.lstm_cell_gradient(
        dgates, dcell, dhidden, gates, cell, previousCell, rows, units)
    case .gru:
      kernels.pointee.gru_cell_gradient(dgates, dhidden, gates, previousHidden, rows, units)
    case .simple(let activation):
      kernels.pointee.activation_gradient(dgates, dhidden, gates, activation.code, rows * units)
      kernels.pointee.fill(dhidden, 0, rows * units)
    }
  }
}
