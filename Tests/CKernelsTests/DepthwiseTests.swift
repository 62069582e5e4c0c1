// SPDX-License-Identifier: Apache-2.0
import CKernels
import Testing

/// Depthwise convolution and its gradients against their definitions, on every instruction set.
@Suite struct DepthwiseTests {
  /// A window with spread taps.
  struct Case: Sendable, CustomTestStringConvertible {
    let window: mk_window
    let dilation: Int
    var testDescription: String {
      "\(window.n)x\(window.h)x\(window.w)x\(window.c), \(window.kernel_h)x\(window.kernel_w)"
        + " / \(window.stride_h), \(dilation) apart, pad \(window.pad_top)"
    }

    init(_ h: Int, _ w: Int, _ c: Int, kernel: Int, stride: Int, pad: Int, dilation: Int) {
      let span = (kernel - 1) * dilation + 1
      window = mk_window(
        n: 3, h: h, w: w, c: c, oh: (h + 2 * pad - span) / stride + 1,
        ow: (w + 2 * pad - span) / stride + 1, o: c, kernel_h: kernel, kernel_w: kernel,
        stride_h: stride, stride_w: stride, pad_top: pad, pad_left: pad)
      self.dilation = dilation
    }

    static let all = [
      Case(5, 6, 1, kernel: 3, stride: 1, pad: 1, dilation: 1),
      Case(7, 5, 17, kernel: 3, stride: 2, pad: 1, dilation: 1),
      Case(9, 8, 16, kernel: 3, stride: 1, pad: 2, dilation: 3),
      // The taps of the first output all lie outside but one, and of some outputs none inside.
      Case(4, 4, 33, kernel: 2, stride: 3, pad: 4, dilation: 5),
    ]

    /// Calls `body` with the places of x, weights and y of each product.
    func forEachProduct(_ body: (_ x: Int, _ weight: Int, _ y: Int, _ image: Int) -> Void) {
      let s = window
      for image in 0..<s.n {
        for oy in 0..<s.oh {
          for ox in 0..<s.ow {
            for ky in 0..<s.kernel_h {
              for kx in 0..<s.kernel_w {
                let iy = oy * s.stride_h + ky * dilation - s.pad_top
                let ix = ox * s.stride_w + kx * dilation - s.pad_left
                guard iy >= 0, iy < s.h, ix >= 0, ix < s.w else { continue }
                for c in 0..<s.c {
                  body(
                    ((image * s.h + iy) * s.w + ix) * s.c + c,
                    (ky * s.kernel_w + kx) * s.c + c,
                    ((image * s.oh + oy) * s.ow + ox) * s.c + c, image)
                }
              }
            }
          }
        }
      }
    }
  }

  @Test(arguments: InstructionSet.all, Case.all)
  func agreesWithTheDefinition(set: InstructionSet, test: Case) {
    var s = test.window
    let inputs = s.n * s.h * s.w * s.c
    let outputs = s.n * s.oh * s.ow * s.c
    let weightCount = s.kernel_h * s.kernel_w * s.c
    var numbers = Numbers(seed: 17)
    let (x, w) = (numbers.array(inputs), numbers.array(weightCount))
    let (bias, dy) = (numbers.array(s.c), numbers.array(outputs))
    var y = (0..<outputs).map { Double(bias[$0 % s.c]) }
    var dx = [Double](repeating: 0, count: inputs)
    var dw = [Double](repeating: 0, count: weightCount)
    test.forEachProduct { i, k, o, _ in
      y[o] += Double(x[i]) * Double(w[k])
      dx[i] += Double(dy[o]) * Double(w[k])
      dw[k] += Double(dy[o]) * Double(x[i])
    }
    var dbias = [Double](repeating: 0, count: s.c)
    for o in 0..<outputs { dbias[o % s.c] += Double(dy[o]) }

    let out = Floats(count: outputs, repeating: sentinel)
    for rows in parts(of: s.n * s.oh, step: 2) {
      set.kernels.depthwise(
        &s, test.dilation, x.pointer, w.pointer, bias.pointer, 0, out.pointer, rows.lowerBound,
        rows.upperBound)
    }
    #expect(difference(out, y, tolerance: 1e-5) == nil)
    let back = Floats(count: inputs, repeating: sentinel)
    for rows in parts(of: s.n * s.h, step: 3) {
      set.kernels.depthwise_data_gradient(
        &s, test.dilation, dy.pointer, w.pointer, back.pointer, rows.lowerBound, rows.upperBound)
    }
    #expect(difference(back, dx, tolerance: 1e-5) == nil)
    let weights = Floats(count: weightCount, repeating: sentinel)
    let sums = Floats(count: s.c, repeating: sentinel)
    set.kernels.depthwise_weight_gradient(
      &s, test.dilation, x.pointer, dy.pointer, weights.pointer, sums.pointer, 0, s.n)
    #expect(difference(weights, dw, tolerance: 1e-4) == nil)
    #expect(difference(sums, dbias, tolerance: 1e-4) == nil)
  }

  @Test(arguments: InstructionSet.all)
  func appliesTheActivation(set: InstructionSet) {
    var s = Case.all[1].window
    var numbers = Numbers(seed: 18)
    let x = numbers.array(s.n * s.h * s.w * s.c)
    let w = numbers.array(s.kernel_h * s.kernel_w * s.c)
    let outputs = s.n * s.oh * s.ow * s.c
    let (plain, gated) = (
      Floats(count: outputs, repeating: sentinel), Floats(count: outputs, repeating: sentinel)
    )
    set.kernels.depthwise(&s, 1, x.pointer, w.pointer, nil, 0, plain.pointer, 0, s.n * s.oh)
    set.kernels.depthwise(
      &s, 1, x.pointer, w.pointer, nil, mk_activation(MK_ACTIVATION_RELU), gated.pointer, 0,
      s.n * s.oh)
    #expect(gated.values == plain.values.map { max($0, 0) })
  }
}
