// SPDX-License-Identifier: Apache-2.0
import CKernels
import Testing

@Suite struct Conv2DTests {
  static let cases: [WindowCase] = [
    WindowCase(0, 5, 5, 3, to: 4, kernel: (3, 3)),
    WindowCase(2, 5, 5, 0, to: 4, kernel: (3, 3)),
    WindowCase(2, 5, 5, 3, to: 0, kernel: (3, 3)),
    WindowCase(1, 1, 1, 1, to: 1, kernel: (1, 1)),
    WindowCase(2, 7, 6, 1, to: 33, kernel: (3, 3)),
    WindowCase(3, 8, 17, 3, to: 5, kernel: (3, 3), padding: (1, 1, 1, 1)),
    WindowCase(2, 6, 31, 5, to: 16, kernel: (2, 4), padding: (0, 1, 1, 2)),
    WindowCase(2, 5, 5, 17, to: 40, kernel: (1, 1)),
    WindowCase(2, 6, 7, 9, to: 8, kernel: (1, 1), stride: (2, 2)),
    WindowCase(1, 9, 11, 4, to: 7, kernel: (3, 3), stride: (2, 2), padding: (1, 1, 1, 1)),
    WindowCase(2, 10, 9, 3, to: 6, kernel: (5, 3), stride: (2, 3), padding: (2, 0, 1, 2)),
    WindowCase(1, 9, 9, 33, to: 3, kernel: (2, 2), stride: (3, 3), padding: (1, 1, 0, 0)),
    WindowCase(1, 4, 4, 2, to: 3, kernel: (4, 4), padding: (3, 3, 3, 3)),
    WindowCase(1, 12, 12, 3, to: 4, kernel: (7, 7), stride: (2, 2), padding: (3, 3, 3, 3)),
    // More than one band of rows, with and without padding.
    WindowCase(1, 40, 40, 64, to: 1, kernel: (2, 2)),
    WindowCase(1, 20, 4, 900, to: 1, kernel: (3, 1), padding: (1, 0, 1, 0)),
    WindowCase(1, 40, 40, 1, to: 64, kernel: (2, 2), padding: (1, 1, 0, 0)),
  ]

  /// Tensors of a case and what is expected of each pass.
  struct Problem {
    let c: WindowCase
    let x, w, bias, dy, gate: Floats
    let y, dx, dw, dbias: [Double]

    init(_ c: WindowCase) {
      self.c = c
      let s = c.window
      var numbers = Numbers(seed: c.inputCount + c.outputCount)
      x = numbers.array(c.inputCount)
      w = numbers.array(c.weightCount)
      bias = numbers.array(s.o)
      dy = numbers.array(c.outputCount)
      gate = numbers.array(c.inputCount)
      var y = [Double](repeating: 0, count: c.outputCount)
      var dx = [Double](repeating: 0, count: c.inputCount)
      var dw = [Double](repeating: 0, count: c.weightCount)
      var dbias = [Double](repeating: 0, count: s.o)
      let (px, pw, pdy) = (x.pointer, w.pointer, dy.pointer)
      y.withUnsafeMutableBufferPointer { y in
        dx.withUnsafeMutableBufferPointer { dx in
          dw.withUnsafeMutableBufferPointer { dw in
            c.forEachTap { input, output, tap in
              for i in 0..<s.c {
                let at = input * s.c + i
                for o in 0..<s.o {
                  let out = output * s.o + o
                  let weight = (tap * s.c + i) * s.o + o
                  y[out] += Double(px[at]) * Double(pw[weight])
                  dx[at] += Double(pdy[out]) * Double(pw[weight])
                  dw[weight] += Double(px[at]) * Double(pdy[out])
                }
              }
            }
          }
        }
      }
      for i in 0..<c.outputCount {
        dbias[i % s.o] += Double(dy[i])
        y[i] += Double(bias[i % s.o])
      }
      (self.y, self.dx, self.dw, self.dbias) = (y, dx, dw, dbias)
    }

    func tolerance(_ terms: Int) -> Double { 1e-6 * (4 + 2 * Double(terms).squareRoot()) }
  }

  @Test(arguments: cases)
  func forward(c: WindowCase) {
    let problem = Problem(c)
    var s = c.window
    let rows = s.n * s.oh
    for set in InstructionSet.all {
      let k = set.kernels
      let packed = scratch(k.conv2d_packed_size(&s))
      for part in parts(of: s.o, step: k.panel_width) {
        k.conv2d_pack(&s, packed.pointer, problem.w.pointer, part.lowerBound, part.upperBound)
      }
      let space = scratch(k.conv2d_scratch_size(&s))
      for activation in [MK_ACTIVATION_NONE, MK_ACTIVATION_RELU, MK_ACTIVATION_TANH] {
        func run(rowStep: Int, channelStep: Int) -> Floats {
          let y = Floats(count: c.outputCount, repeating: sentinel)
          for channels in parts(of: s.o, step: channelStep) {
            for part in parts(of: rows, step: rowStep) {
              k.conv2d(
                &s, problem.x.pointer, packed.pointer, problem.bias.pointer,
                mk_activation(activation), y.pointer, part.lowerBound, part.upperBound,
                channels.lowerBound, channels.upperBound, space.pointer)
            }
          }
          return y
        }
        let whole = run(rowStep: max(rows, 1), channelStep: max(s.o, 1))
        let expected = problem.y.map { activated($0, mk_activation(activation)) }
        let tolerance = problem.tolerance(s.kernel_h * s.kernel_w * s.c)
        #expect(difference(whole, expected, tolerance: tolerance) == nil, "\(set.name)")
        let split = run(rowStep: 3, channelStep: k.panel_width)
        #expect(bitDifference(whole, split) == nil, "\(set.name)")
      }
    }
  }

  @Test(arguments: cases)
  func dataGradient(c: WindowCase) {
    let problem = Problem(c)
    var s = c.window
    let rows = s.n * s.h
    for set in InstructionSet.all {
      let k = set.kernels
      let packed = scratch(k.conv2d_data_gradient_packed_size(&s))
      for part in parts(of: s.c, step: k.panel_width) {
        k.conv2d_data_gradient_pack(
          &s, packed.pointer, problem.w.pointer, part.lowerBound, part.upperBound)
      }
      let space = scratch(k.conv2d_data_gradient_scratch_size(&s))
      for (gated, accumulates) in [(false, false), (true, false), (true, true)] {
        func run(rowStep: Int, channelStep: Int) -> Floats {
          let dx = Floats(accumulates ? problem.x.values : problem.gate.values)
          for channels in parts(of: s.c, step: channelStep) {
            for part in parts(of: rows, step: rowStep) {
              k.conv2d_data_gradient(
                &s, problem.dy.pointer, packed.pointer,
                gated ? UnsafePointer(problem.gate.pointer) : nil, accumulates ? 1 : 0,
                dx.pointer, part.lowerBound, part.upperBound, channels.lowerBound,
                channels.upperBound, space.pointer)
            }
          }
          return dx
        }
        let whole = run(rowStep: max(rows, 1), channelStep: max(s.c, 1))
        let expected = (0..<c.inputCount).map { i in
          gated && problem.gate[i] <= 0
            ? 0 : problem.dx[i] + (accumulates ? Double(problem.x[i]) : 0)
        }
        let tolerance = problem.tolerance(s.kernel_h * s.kernel_w * s.o)
        #expect(difference(whole, expected, tolerance: tolerance) == nil, "\(set.name)")
        let split = run(rowStep: 3, channelStep: k.panel_width)
        #expect(bitDifference(whole, split) == nil, "\(set.name)")
      }
    }
  }

  @Test(arguments: cases)
  func weightGradient(c: WindowCase) {
    let problem = Problem(c)
    var s = c.window
    for set in InstructionSet.all {
      let k = set.kernels
      let units = k.conv2d_weight_gradient_units(&s)
      let space = scratch(k.conv2d_weight_gradient_scratch_size(&s))
      func run(unitStep: Int, imageStep: Int) -> (dw: Floats, dbias: Floats) {
        let dw = Floats(count: c.weightCount, repeating: sentinel)
        let dbias = Floats(count: s.o, repeating: sentinel)
        var images = parts(of: s.n, step: imageStep)
        if images.isEmpty { images = [0..<0] }
        for (i, part) in images.reversed().enumerated() {
          for unit in parts(of: units, step: unitStep) {
            k.conv2d_weight_gradient(
              &s, problem.x.pointer, problem.dy.pointer, i > 0 ? 1 : 0, dw.pointer,
              dbias.pointer, part.lowerBound, part.upperBound, unit.lowerBound, unit.upperBound,
              space.pointer)
          }
        }
        return (dw, dbias)
      }
      let whole = run(unitStep: max(units, 1), imageStep: max(s.n, 1))
      let tolerance = problem.tolerance(s.n * s.oh * s.ow)
      #expect(difference(whole.dw, problem.dw, tolerance: tolerance) == nil, "\(set.name)")
      #expect(difference(whole.dbias, problem.dbias, tolerance: tolerance) == nil, "\(set.name)")
      // Image by image is the same order of summation: only the units and the calls are split.
      let split = run(unitStep: 1, imageStep: 1)
      #expect(bitDifference(whole.dw, split.dw) == nil, "\(set.name)")
      #expect(bitDifference(whole.dbias, split.dbias) == nil, "\(set.name)")
    }
  }
}
