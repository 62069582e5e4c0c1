// SPDX-License-Identifier: Apache-2.0

/// A bound on gradients, applied to all of them before the optimizer (Pascanu et al., 2013).
public enum GradientClipping: Sendable, Hashable {
  /// Each element is held within ±the value.
  case value(Float)
  /// All gradients together, as one vector, are scaled down to this Euclidean norm.
  case norm(Float)
}

/// What happens to gradients between differentiation and the optimizer: penalties are added first, then the
/// sum is clipped.
public struct GradientRules: Sendable, Hashable {
  /// Adds l1 · Σ|w| to what is minimised; not to the loss that is reported.
  public var l1: Float
  /// Adds l2 · Σw² to what is minimised; not to the loss that is reported.
  public var l2: Float
  /// A bound; `nil` for none.
  public var clipping: GradientClipping?

  /// Creates rules; by default gradients stay as they are.
  ///
  /// Penalties are for weights: parameters of two and more dimensions, so neither biases nor the scales of
  /// normalisations.
  public init(l1: Float = 0, l2: Float = 0, clipping: GradientClipping? = nil) {
    self.l1 = l1
    self.l2 = l2
    self.clipping = clipping
  }

  /// Refuses settings that are out of range.
  ///
  /// - Throws: `.invalidArgument`, with the setting's name as field.
  public func validate() throws(RuntimeError) {
    for (value, field) in [(l1, "l1"), (l2, "l2")] {
      guard value >= 0, value.isFinite else {
        throw RuntimeError(.invalidArgument, "expected 0 or more; came \(value)", field: field)
      }
    }
    switch clipping {
    case .value(let bound), .norm(let bound):
      guard bound > 0, bound.isFinite else {
        throw RuntimeError(.invalidArgument, "expected above 0; came \(bound)", field: "clipping")
      }
    case nil: break
    }
  }

  var hasPenalty: Bool { l1 > 0 || l2 > 0 }
}
