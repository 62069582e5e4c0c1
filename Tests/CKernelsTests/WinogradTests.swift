// SPDX-License-Identifier: Apache-2.0
import CKernels
import Testing

@Suite struct WinogradTests {
  static let cases: [WindowCase] = [
    WindowCase(0, 5, 5, 3, to: 4, kernel: (3, 3)),
    WindowCase(2, 5, 5, 0, to: 4, kernel: (3, 3)),
    WindowCase(2, 5, 5, 3, to: 0, kernel: (3, 3)),
    WindowCase(1, 3, 3, 1, to: 1, kernel: (3, 3)),
    WindowCase(1, 1, 1, 2, to: 3, kernel: (3, 3), padding: (1, 1, 1, 1)),
    WindowCase(2, 7, 6, 1, to: 33, kernel: (3, 3)),
    WindowCase(3, 8, 17, 3, to: 5, kernel: (3, 3), padding: (1, 1, 1, 1)),
    WindowCase(2, 7, 7, 33, to: 40, kernel: (3, 3), padding: (1, 1, 1, 1)),
    WindowCase(1, 4, 5, 17, to: 70, kernel: (3, 3), padding: (2, 0, 0, 2)),
    // More than one block of tiles.
    WindowCase(1, 12, 14, 300, to: 3, kernel: (3, 3), padding: (1, 1, 1, 1)),
  ]

  @Test(arguments: cases)
  func forward(c: WindowCase) {
    let problem = Conv2DTests.Problem(c)
    var s = c.window
    let rows = s.n * ((s.oh + 1) / 2)
    for set in InstructionSet.all {
      let k = set.kernels
      let packed = scratch(k.winograd_packed_size(&s))
      for part in parts(of: s.o, step: k.panel_width) {
        k.winograd_pack(&s, packed.pointer, problem.w.pointer, part.lowerBound, part.upperBound)
      }
      let space = scratch(k.winograd_scratch_size(&s))
      for activation in [MK_ACTIVATION_NONE, MK_ACTIVATION_RELU, MK_ACTIVATION_TANH] {
        func run(rowStep: Int, channelStep: Int) -> Floats {
          let y = Floats(count: c.outputCount, repeating: sentinel)
          for channels in parts(of: s.o, step: channelStep) {
            for part in parts(of: rows, step: rowStep) {
              k.winograd(
                &s, problem.x.pointer, packed.pointer, problem.bias.pointer,
                mk_activation(activation), y.pointer, part.lowerBound, part.upperBound,
                channels.lowerBound, channels.upperBound, space.pointer)
            }
          }
          return y
        }
        let whole = run(rowStep: max(rows, 1), channelStep: max(s.o, 1))
        let expected = problem.y.map { activated($0, mk_activation(activation)) }
        // Twice what a direct convolution is granted.
        let tolerance = 2 * problem.tolerance(9 * s.c)
        #expect(difference(whole, expected, tolerance: tolerance) == nil, "\(set.name)")
        let split = run(rowStep: 1, channelStep: k.panel_width)
        #expect(bitDifference(whole, split) == nil, "\(set.name)")
      }
    }
  }
}
