// SPDX-License-Identifier: Apache-2.0
// O output channels, the last dimension of weights.

import CKernels

/// Weights and bias with a batch normalisation's running statistics in them: (w · x + b - mean) · f + offset =
/// (w f) · x + (b - mean) f + offset, with f = scale / √(variance + ε).
struct FoldedNormalization {
  /// Laid out as the weights.
  let weights: Buffer
  /// One number for each output channel.
  let bias: Buffer

  /// Adds what the prologue computes; `nil` where nothing is folded.
  ///
  /// - Parameter epsilon: the operation's `foldedEpsilon`.
  init?(
    _ node: Graph.Node, _ epsilon: Float?, bias: Graph.Value?, in program: inout ProgramBuilder
  ) throws(RuntimeError) {
    guard let epsilon else { return nil }
    let parameters = Array(node.operands.suffix(4))
    let (isa, shape) = (program.instructionSet, program.type(of: node.operands[1]).shape)
    let outputs = shape.innermost
    let rows = shape.elementCount / max(1, outputs)
    let offset = try program.buffer(parameters[1])
    let (mean, variance) = (try program.buffer(parameters[2]), try program.buffer(parameters[3]))
    let original = try program.bias(nil, or: bias)
    let key = "\(parameters) \(epsilon)"
    // The factors, then the bias.
    let affine = try program.packed(
      parameters[0], layout: "folded bias \(node.operands) \(epsilon)", floats: 2 * outputs
    ) { scale, affine in
      Step(name: "fold", tiles: { _ in 1 }) { frame, _, _ in
        let out = frame.floats(affine)
        for channel in 0..<outputs {
          let deviation = (frame.floats(variance)[channel] + epsilon).squareRoot()
          let before = original.map { frame.floats($0)[channel] } ?? 0
          out[channel] = frame.floats(scale)[channel] / deviation
          out[outputs + channel] =
            frame.floats(offset)[channel] + (before - frame.floats(mean)[channel]) * out[channel]
        }
      }
    }
    weights = try program.packed(
      node.operands[1], layout: "folded \(key)", floats: shape.elementCount
    ) { source, folded in
      Step(name: "fold", tiles: { _ in 1 }) { frame, _, _ in
        for row in 0..<rows {
          isa.kernels.pointee.multiply(
            frame.floats(folded) + row * outputs, frame.floats(source) + row * outputs,
            frame.floats(affine), outputs)
        }
      }
    }
    // The kernels take a bias that begins a buffer.
    self.bias = try program.packed(
      parameters[1], layout: "folded offset \(node.operands) \(epsilon)", floats: outputs
    ) { _, bias in
      Step(name: "fold", tiles: { _ in 1 }) { frame, _, _ in
        frame.floats(bias).update(from: frame.floats(affine) + outputs, count: outputs)
      }
    }
  }
}

extension ProgramBuilder {
  /// The bias of a folded normalisation, or an operation's own where nothing is folded.
  mutating func bias(
    _ folded: FoldedNormalization?, or own: Graph.Value?
  ) throws(RuntimeError) -> Buffer? {
    if let folded { return folded.bias }
    guard let own else { return nil }
    return try buffer(own)
  }
}
