// SPDX-License-Identifier: Apache-2.0

/// The tensors that a recurrent layer learns.
public struct RecurrentParameters: Sendable {
  /// [features, gates · units], for the products with the input.
  public var weights: Graph.Value
  /// [units, gates · units], for the products with the hidden state.
  public var recurrentWeights: Graph.Value
  /// [gates · units].
  public var bias: Graph.Value
  /// [gates · units], for the products with the hidden state; of a GRU only.
  public var recurrentBias: Graph.Value?

  /// Names the tensors.
  public init(
    weights: Graph.Value, recurrentWeights: Graph.Value, bias: Graph.Value,
    recurrentBias: Graph.Value? = nil
  ) {
    self.weights = weights
    self.recurrentWeights = recurrentWeights
    self.bias = bias
    self.recurrentBias = recurrentBias
  }
}

/// The state of a recurrent layer between two steps, batched [units] each.
public struct RecurrentState: Sendable {
  /// The hidden state.
  public var hidden: Graph.Value
  /// The cell state; of an LSTM only.
  public var cell: Graph.Value?

  /// Names the tensors.
  public init(hidden: Graph.Value, cell: Graph.Value? = nil) {
    self.hidden = hidden
    self.cell = cell
  }
}

extension Graph {
  /// Runs a recurrent cell over sequences, in one layer and one direction.
  ///
  /// - Parameters:
  ///   - x: batched [steps, features].
  ///   - initial: the state before the first step; `nil` for zeros.
  ///   - lengths: an input of batched INT32 scalars, the steps that each sequence has, from 0 to all; `nil`
  ///     where all are whole. Beyond its length a sequence's outputs are zero and its state stays.
  ///   - isReversed: goes from a sequence's last step to its first; outputs stay in the order of x.
  /// - Returns: the hidden states of all steps, batched [steps, units], and the state after the last.
  /// - Throws: `.shapeMismatch` naming the argument that does not fit.
  public mutating func recurrent(
    _ cell: RecurrentCell, _ x: Value, _ parameters: RecurrentParameters,
    initial: RecurrentState? = nil, lengths: Value? = nil, isReversed: Bool = false
  ) throws(RuntimeError) -> (outputs: Value, state: RecurrentState) {
    var operands = [x, parameters.weights, parameters.recurrentWeights, parameters.bias]
    if let bias = parameters.recurrentBias { operands.append(bias) }
    if let initial { operands += [initial.hidden] + (initial.cell.map { [$0] } ?? []) }
    if let lengths { operands.append(lengths) }
    let operation = Recurrence(
      cell: cell, hasRecurrentBias: parameters.recurrentBias != nil,
      hasState: initial != nil, hasCell: initial?.cell != nil, hasLengths: lengths != nil,
      isReversed: isReversed)
    let results = try add(operation, operands)
    return (
      results[0], RecurrentState(hidden: results[1], cell: cell.hasCellState ? results[2] : nil)
    )
  }

  /// Runs a recurrent cell over sequences in both directions.
  ///
  /// - Parameter initial: the states before the first step of each direction; `nil` for zeros.
  /// - Returns: outputs and states of both, side by side: batched [steps, 2 · units] and [2 · units].
  /// - Throws: `.shapeMismatch` naming the argument that does not fit.
  public mutating func bidirectional(
    _ cell: RecurrentCell, _ x: Value, forward: RecurrentParameters, backward: RecurrentParameters,
    initial: (forward: RecurrentState, backward: RecurrentState)? = nil, lengths: Value? = nil
  ) throws(RuntimeError) -> (outputs: Value, state: RecurrentState) {
    let (a, first) = try recurrent(
      cell, x, forward, initial: initial?.forward, lengths: lengths)
    let (b, second) = try recurrent(
      cell, x, backward, initial: initial?.backward, lengths: lengths, isReversed: true)
    var state = RecurrentState(hidden: try concatenate([first.hidden, second.hidden], axis: 0))
    if let left = first.cell, let right = second.cell {
      state.cell = try concatenate([left, right], axis: 0)
    }
    return (try concatenate([a, b], axis: 1), state)
  }
}
