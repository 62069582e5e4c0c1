// SPDX-License-Identifier: Apache-2.0
import CKernels
import Glibc
import Testing

@Suite struct OptimizerTests {
  struct State {
    var p, m, v, g: Floats

    init(_ count: Int) {
      var numbers = Numbers(seed: count)
      (p, m, g) = (numbers.array(count), numbers.array(count), numbers.array(count))
      v = numbers.array(count)
      for i in 0..<count { v[i] *= v[i] }
    }
  }

  @Test(arguments: ElementwiseTests.counts, [false, true])
  func adam(count: Int, decoupled: Bool) {
    var options = mk_adam(
      learning_rate: 0.05, beta1: 0.9, beta2: 0.99, epsilon: 1e-3, weight_decay: 0.1,
      decoupled: decoupled ? 1 : 0, correction1: 0.271, correction2: 0.0297, gradient_scale: 0.5)
    let start = State(count)
    var p: [Double] = [], m: [Double] = [], v: [Double] = []
    for i in 0..<count {
      var parameter = Double(start.p[i])
      var g = Double(start.g[i]) * 0.5
      if decoupled { parameter *= 1 - 0.05 * 0.1 } else { g += 0.1 * parameter }
      m.append(0.9 * Double(start.m[i]) + 0.1 * g)
      v.append(0.99 * Double(start.v[i]) + 0.01 * g * g)
      p.append(parameter - 0.05 / 0.271 * m[i] / (sqrt(v[i] / 0.0297) + 1e-3))
    }
    for set in InstructionSet.all {
      func run(step: Int) -> State {
        let s = State(count)
        for r in parts(of: count, step: step) {
          let at = r.lowerBound
          set.kernels.adam(
            &options, s.p.pointer + at, s.m.pointer + at, s.v.pointer + at, s.g.pointer + at,
            r.count)
        }
        return s
      }
      let whole = run(step: max(1, count)), split = run(step: 3)
      #expect(difference(whole.p, p, tolerance: 2e-6) == nil, "\(set.name)")
      #expect(difference(whole.m, m, tolerance: 1e-6) == nil, "\(set.name)")
      #expect(difference(whole.v, v, tolerance: 1e-6) == nil, "\(set.name)")
      #expect(bitDifference(whole.p, split.p) == nil, "\(set.name)")
      #expect(bitDifference(whole.v, split.v) == nil, "\(set.name)")
    }
  }

  @Test(arguments: ElementwiseTests.counts, [false, true])
  func momentum(count: Int, nesterov: Bool) {
    var options = mk_sgd(
      learning_rate: 0.1, momentum: 0.9, weight_decay: 0.01, nesterov: nesterov ? 1 : 0,
      gradient_scale: 2)
    let start = State(count)
    var p: [Double] = [], u: [Double] = []
    for i in 0..<count {
      let g = Double(start.g[i]) * 2 + 0.01 * Double(start.p[i])
      u.append(0.9 * Double(start.m[i]) + g)
      p.append(Double(start.p[i]) - 0.1 * (nesterov ? g + 0.9 * u[i] : u[i]))
    }
    for set in InstructionSet.all {
      let s = State(count)
      set.kernels.sgd(&options, s.p.pointer, s.m.pointer, s.g.pointer, count)
      #expect(difference(s.p, p, tolerance: 2e-6) == nil, "\(set.name)")
      #expect(difference(s.m, u, tolerance: 2e-6) == nil, "\(set.name)")
    }
  }

  @Test(arguments: InstructionSet.all)
  func plainDescentNeedsNoVelocity(set: InstructionSet) {
    var options = mk_sgd(
      learning_rate: 0.5, momentum: 0, weight_decay: 0, nesterov: 0, gradient_scale: 1)
    let p = Floats([1, 2, 3]), g = Floats([2, 2, -2])
    set.kernels.sgd(&options, p.pointer, nil, g.pointer, 3)
    #expect(p.values == [0, 1, 4])
  }

  @Test(arguments: ElementwiseTests.counts)
  func adagrad(count: Int) {
    var options = mk_adagrad(
      learning_rate: 0.1, epsilon: 1e-3, weight_decay: 0.1, gradient_scale: 0.5)
    let start = State(count)
    var p: [Double] = [], squares: [Double] = []
    for i in 0..<count {
      let g = Double(start.g[i]) * 0.5 + 0.1 * Double(start.p[i])
      squares.append(Double(start.v[i]) + g * g)
      p.append(Double(start.p[i]) - 0.1 * g / (sqrt(squares[i]) + 1e-3))
    }
    for set in InstructionSet.all {
      let s = State(count)
      set.kernels.adagrad(&options, s.p.pointer, s.v.pointer, s.g.pointer, count)
      #expect(difference(s.p, p, tolerance: 2e-6) == nil, "\(set.name)")
      #expect(difference(s.v, squares, tolerance: 1e-6) == nil, "\(set.name)")
    }
  }

  @Test(arguments: ElementwiseTests.counts, [Float(0), 0.7])
  func rootMeanSquare(count: Int, momentum: Float) {
    var options = mk_rmsprop(
      learning_rate: 0.01, decay: 0.9, momentum: momentum, epsilon: 1e-2, weight_decay: 0.1,
      gradient_scale: 2)
    let start = State(count)
    var p: [Double] = [], squares: [Double] = [], u: [Double] = []
    for i in 0..<count {
      let g = Double(start.g[i]) * 2 + 0.1 * Double(start.p[i])
      squares.append(0.9 * Double(start.v[i]) + 0.1 * g * g)
      let step = g / (sqrt(squares[i]) + 1e-2)
      u.append(momentum == 0 ? step : Double(momentum) * Double(start.m[i]) + step)
      p.append(Double(start.p[i]) - 0.01 * u[i])
    }
    for set in InstructionSet.all {
      let s = State(count)
      set.kernels.rmsprop(
        &options, s.p.pointer, s.v.pointer, momentum == 0 ? nil : s.m.pointer, s.g.pointer, count)
      #expect(difference(s.p, p, tolerance: 3e-6) == nil, "\(set.name)")
      #expect(difference(s.v, squares, tolerance: 1e-6) == nil, "\(set.name)")
      let velocity = momentum == 0 ? start.m.values.map(Double.init) : u
      #expect(difference(s.m, velocity, tolerance: 2e-5) == nil, "\(set.name)")
    }
  }

  @Test(arguments: ElementwiseTests.counts)
  func directionOfLAMB(count: Int) {
    var options = mk_adam(
      learning_rate: 0, beta1: 0.9, beta2: 0.99, epsilon: 1e-2, weight_decay: 0.1, decoupled: 0,
      correction1: 0.271, correction2: 0.0297, gradient_scale: 0.5)
    let start = State(count)
    let expected = (0..<count).map { i -> Double in
      let g = Double(start.g[i]) * 0.5
      let m = 0.9 * Double(start.m[i]) + 0.1 * g
      let v = 0.99 * Double(start.v[i]) + 0.01 * g * g
      return m / 0.271 / (sqrt(v / 0.0297) + 1e-2) + 0.1 * Double(start.p[i])
    }
    for set in InstructionSet.all {
      let s = State(count)
      set.kernels.lamb_direction(
        &options, s.p.pointer, s.m.pointer, s.v.pointer, s.g.pointer, count)
      #expect(difference(s.g, expected, tolerance: 2e-5) == nil, "\(set.name)")
      #expect(bitDifference(s.p, start.p) == nil, "\(set.name)")
    }
  }

  @Test(arguments: InstructionSet.all)
  func penalties(set: InstructionSet) {
    let p = Floats([2, -2, 0, 0.5, -0.0]), g = Floats([1, 1, 1, 1, 1])
    set.kernels.penalize(g.pointer, p.pointer, 0.25, 0.5, 5)
    #expect(g.values == [3.25, -1.25, 1, 1.75, 1])
  }
}
