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
}
