// SPDX-License-Identifier: Apache-2.0

/// Limited-memory BFGS (Liu and Nocedal, "On the limited memory BFGS method for large scale
/// optimization", 1989), and with an l1 penalty its orthant-wise form (Andrew and Gao, "Scalable
/// training of l1-regularized log-linear models", 2007: OWL-QN).
///
/// One call of `step` is one iteration; everything between two calls is in `State`.
struct QuasiNewton {
  /// A point, what is known there, and the last steps.
  struct State {
    var point: [Double]
    /// Of the smooth part.
    var gradient: [Double] = []
    /// With the l1 penalty.
    var value = Double.infinity
    /// The newest last.
    var steps: [(s: [Double], y: [Double])] = []
    var hasConverged = false
  }

  /// Steps remembered.
  static let memory = 10
  private static let maxTrials = 40

  /// The weight of each coordinate's absolute value; empty without an l1 penalty.
  var l1: [Double] = []
  /// The largest component of the (pseudo-)gradient at which it is done.
  var tolerance: Double

  /// Takes one step along the quasi-Newton direction, to a point that meets Armijo's condition and,
  /// without l1, Wolfe's.
  ///
  /// - Parameter evaluate: the smooth part and its gradient.
  func step(_ state: inout State, _ evaluate: ([Double]) -> (value: Double, gradient: [Double])) {
    if state.gradient.isEmpty {
      let first = evaluate(state.point)
      state.gradient = first.gradient
      state.value = first.value + penalty(state.point)
    }
    let slope = pseudoGradient(state.point, state.gradient)
    guard slope.contains(where: { abs($0) > tolerance }) else {
      state.hasConverged = true
      return
    }
    var direction = self.direction(slope, state.steps)
    if !l1.isEmpty {
      // Components that would leave the descent's orthant are dropped.
      for index in direction.indices where direction[index] * slope[index] >= 0 {
        direction[index] = 0
      }
    }
    var descent = Self.product(direction, slope)
    if !(descent < 0) {
      state.steps = []
      direction = slope.map { -$0 }
      descent = -Self.product(slope, slope)
    }
    let length =
      state.steps.isEmpty ? min(1, 1 / slope.reduce(0) { $0 + abs($1) }) : 1
    guard let next = search(state, slope, direction, descent, from: length, evaluate) else {
      // No lower point in reach of rounding.
      state.hasConverged = true
      return
    }
    let s = zip(next.point, state.point).map { $0 - $1 }
    let y = zip(next.gradient, state.gradient).map { $0 - $1 }
    if Self.product(s, y) > 1e-12 * Self.product(y, y) {
      state.steps.append((s, y))
      if state.steps.count > Self.memory { state.steps.removeFirst() }
    }
    state.point = next.point
    state.gradient = next.gradient
    state.value = next.value
    state.hasConverged =
      !pseudoGradient(next.point, next.gradient).contains { abs($0) > tolerance }
  }

  private struct Trial {
    var point: [Double]
    var value: Double
    var gradient: [Double]
  }

  /// Bisection between too long and too short (Lewis and Overton, "Nonsmooth optimization via
  /// quasi-Newton methods", 2013); with l1 only towards shorter ones.
  private func search(
    _ state: State, _ slope: [Double], _ direction: [Double], _ descent: Double, from first: Double,
    _ evaluate: ([Double]) -> (value: Double, gradient: [Double])
  ) -> Trial? {
    var (low, high, length) = (0.0, Double.infinity, first)
    var best: Trial?
    for _ in 0..<Self.maxTrials {
      var point = state.point
      for index in point.indices { point[index] += length * direction[index] }
      if !l1.isEmpty { project(&point, onto: state.point, slope) }
      let (smooth, gradient) = evaluate(point)
      let trial = Trial(point: point, value: smooth + penalty(point), gradient: gradient)
      let decrease =
        l1.isEmpty
        ? length * descent
        : zip(zip(point, state.point), slope).reduce(0) { $0 + ($1.0.0 - $1.0.1) * $1.1 }
      if !(trial.value <= state.value + 1e-4 * decrease) {
        high = length
      } else if l1.isEmpty, Self.product(gradient, direction) < 0.9 * descent {
        best = trial
        low = length
      } else {
        return trial
      }
      length = high.isFinite ? (low + high) / 2 : 2 * low
      if high.isFinite, high - low < 1e-14 * high { break }
    }
    return best
  }

  private func penalty(_ point: [Double]) -> Double {
    zip(l1, point).reduce(0) { $0 + $1.0 * abs($1.1) }
  }

  /// The direction of steepest ascent where the l1 penalty has a kink.
  private func pseudoGradient(_ point: [Double], _ gradient: [Double]) -> [Double] {
    guard !l1.isEmpty else { return gradient }
    return gradient.indices.map { index in
      let (g, weight) = (gradient[index], l1[index])
      if point[index] > 0 { return g + weight }
      if point[index] < 0 { return g - weight }
      if g + weight < 0 { return g + weight }
      return g - weight > 0 ? g - weight : 0
    }
  }

  /// Coordinates that cross zero stay at it.
  private func project(_ point: inout [Double], onto from: [Double], _ slope: [Double]) {
    for index in point.indices where l1[index] > 0 {
      let sign = from[index] != 0 ? from[index] : -slope[index]
      if point[index] * sign <= 0 { point[index] = 0 }
    }
  }

  /// Two-loop recursion: -H · slope.
  private func direction(_ slope: [Double], _ steps: [(s: [Double], y: [Double])]) -> [Double] {
    var q = slope
    var alphas: [Double] = []
    for (s, y) in steps.reversed() {
      let alpha = Self.product(s, q) / Self.product(s, y)
      alphas.append(alpha)
      for index in q.indices { q[index] -= alpha * y[index] }
    }
    if let (s, y) = steps.last {
      let scale = Self.product(s, y) / Self.product(y, y)
      for index in q.indices { q[index] *= scale }
    }
    for ((s, y), alpha) in zip(steps, alphas.reversed()) {
      let beta = Self.product(y, q) / Self.product(s, y)
      for index in q.indices { q[index] += (alpha - beta) * s[index] }
    }
    return q.map { -$0 }
  }

  private static func product(_ a: [Double], _ b: [Double]) -> Double {
    a.withUnsafeBufferPointer { a in
      b.withUnsafeBufferPointer { b in
        var sum = 0.0
        for index in 0..<min(a.count, b.count) { sum += a[index] * b[index] }
        return sum
      }
    }
  }
}
