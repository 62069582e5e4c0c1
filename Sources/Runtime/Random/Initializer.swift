// SPDX-License-Identifier: Apache-2.0

import CKernels

/// How a parameter gets its first values: a function of the seed, the parameter's position and its shape.
public enum Initializer: Sendable, Hashable {
  /// All zero.
  case zeros
  /// All one.
  case ones
  /// Uniform in ±√(6 / (fanIn + fanOut)): Glorot and Bengio, 2010.
  case glorotUniform(fanIn: Int, fanOut: Int)
  /// Normal with deviation √(2 / (fanIn + fanOut)).
  case glorotNormal(fanIn: Int, fanOut: Int)
  /// Uniform in ±√(6 / fanIn): He et al., 2015, for what a relu follows.
  case heUniform(fanIn: Int)
  /// Normal with deviation √(2 / fanIn).
  case heNormal(fanIn: Int)
  /// Uniform in ±1/√fanIn, narrower than the others: what PyTorch's layers begin with.
  case fanInUniform(fanIn: Int)
  /// Normal around zero.
  case normal(deviation: Float)
}

extension Initializer {
  /// Fills a parameter.
  ///
  /// - Parameter parameter: its position in the graph, which keys its random numbers.
  func fill(
    _ elements: UnsafeMutableBufferPointer<Float>, seed: UInt64, parameter: UInt32,
    instructionSet: InstructionSet
  ) {
    guard let start = elements.baseAddress else { return }
    let kernels = instructionSet.kernels
    var numbers = Philox(seed: seed, step: 0, stream: parameter).kernelStream
    switch self {
    case .zeros: elements.update(repeating: 0)
    case .ones: elements.update(repeating: 1)
    case .glorotUniform(let fanIn, let fanOut):
      let limit = (6 / Float(max(1, fanIn + fanOut))).squareRoot()
      kernels.pointee.random_uniform(start, &numbers, 0, -limit, limit, elements.count)
    case .glorotNormal(let fanIn, let fanOut):
      let deviation = (2 / Float(max(1, fanIn + fanOut))).squareRoot()
      kernels.pointee.random_normal(start, &numbers, 0, 0, deviation, elements.count)
    case .heUniform(let fanIn):
      let limit = (6 / Float(max(1, fanIn))).squareRoot()
      kernels.pointee.random_uniform(start, &numbers, 0, -limit, limit, elements.count)
    case .heNormal(let fanIn):
      let deviation = (2 / Float(max(1, fanIn))).squareRoot()
      kernels.pointee.random_normal(start, &numbers, 0, 0, deviation, elements.count)
    case .normal(let deviation):
      kernels.pointee.random_normal(start, &numbers, 0, 0, deviation, elements.count)
    case .fanInUniform(let fanIn):
      let limit = 1 / Float(max(1, fanIn)).squareRoot()
      kernels.pointee.random_uniform(start, &numbers, 0, -limit, limit, elements.count)
    }
  }
}
