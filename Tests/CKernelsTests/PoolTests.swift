// SPDX-License-Identifier: Apache-2.0
import CKernels
import Testing

@Suite struct PoolTests {
  static let cases: [WindowCase] = [
    WindowCase(0, 4, 4, 3, kernel: (2, 2), stride: (2, 2)),
    WindowCase(2, 4, 4, 0, kernel: (2, 2), stride: (2, 2)),
    WindowCase(1, 1, 1, 1, kernel: (1, 1)),
    WindowCase(2, 4, 6, 16, kernel: (2, 2), stride: (2, 2)),
    WindowCase(3, 5, 7, 33, kernel: (2, 2), stride: (2, 2)),
    WindowCase(2, 7, 7, 5, kernel: (3, 3), stride: (2, 2), padding: (1, 1, 1, 1)),
    WindowCase(1, 6, 9, 17, kernel: (3, 2)),
    WindowCase(2, 9, 8, 4, kernel: (2, 3), stride: (3, 4)),
    WindowCase(1, 5, 5, 8, kernel: (3, 3), padding: (2, 1, 0, 2)),
    WindowCase(1, 6, 5, 20, kernel: (6, 5)),
  ]

  private func outputs(_ c: WindowCase) -> Int {
    c.window.n * c.window.oh * c.window.ow * c.window.c
  }

  @Test(arguments: cases)
  func maximumAndItsGradient(c: WindowCase) {
    var s = c.window
    var numbers = Numbers(seed: 11)
    let x = numbers.array(c.inputCount)
    // Equal values: the first one must be taken.
    for i in stride(from: 0, to: x.count, by: 3) { x[i] = 0.5 }
    let dy = numbers.array(outputs(c))
    var best = [Double](repeating: -.infinity, count: outputs(c))
    var taps = [Int](repeating: -1, count: outputs(c))
    var sources = [Int](repeating: 0, count: outputs(c))
    c.forEachTap { input, output, tap in
      for i in 0..<s.c where Double(x[input * s.c + i]) > best[output * s.c + i] {
        best[output * s.c + i] = Double(x[input * s.c + i])
        taps[output * s.c + i] = tap
        sources[output * s.c + i] = input * s.c + i
      }
    }
    for set in InstructionSet.all {
      let k = set.kernels
      let y = Floats(count: outputs(c), repeating: sentinel)
      let found = GuardedArray<UInt16>(count: outputs(c), repeating: 9999)
      for part in parts(of: s.n * s.oh, step: 2) {
        k.max_pool(
          &s, x.pointer, y.pointer, found.pointer, part.lowerBound, part.upperBound)
      }
      #expect(difference(y, best, tolerance: 0) == nil, "\(set.name)")
      #expect(found.values.map(Int.init) == taps, "\(set.name)")
      let alone = Floats(count: outputs(c), repeating: sentinel)
      k.max_pool(&s, x.pointer, alone.pointer, nil, 0, s.n * s.oh)
      #expect(bitDifference(y, alone) == nil, "\(set.name)")

      for gated in [false, true] {
        var expected = [Double](repeating: 0, count: c.inputCount)
        for i in 0..<outputs(c) where !gated || best[i] > 0 {
          expected[sources[i]] += Double(dy[i])
        }
        func run(step: Int) -> Floats {
          let dx = Floats(count: c.inputCount, repeating: sentinel)
          for part in parts(of: s.n * s.h, step: step) {
            k.max_pool_gradient(
              &s, dy.pointer, found.pointer, gated ? UnsafePointer(y.pointer) : nil, dx.pointer,
              part.lowerBound, part.upperBound)
          }
          return dx
        }
        let whole = run(step: max(1, s.n * s.h))
        #expect(difference(whole, expected, tolerance: 2e-6) == nil, "\(set.name)")
        #expect(bitDifference(whole, run(step: 1)) == nil, "\(set.name)")
      }
    }
  }

  @Test(arguments: InstructionSet.all)
  func maximumPropagatesNaN(set: InstructionSet) {
    var s = WindowCase(1, 2, 2, 5, kernel: (2, 2)).window
    for position in 0..<4 {
      let x = Floats(count: 20, repeating: 1)
      x[position * 5 + 3] = .nan
      let y = Floats(count: 5, repeating: 0)
      let taps = GuardedArray<UInt16>(count: 5, repeating: 0)
      set.kernels.max_pool(&s, x.pointer, y.pointer, taps.pointer, 0, 1)
      #expect(y[3].isNaN && y[2] == 1)
      #expect(taps[3] == UInt16(position) && taps[2] == 0)
    }
  }

  @Test(arguments: cases, [true, false])
  func averageAndItsGradient(c: WindowCase, countsPadding: Bool) {
    var s = c.window
    var numbers = Numbers(seed: 12)
    let x = numbers.array(c.inputCount)
    let dy = numbers.array(outputs(c))
    var insideCount = [Int](repeating: 0, count: s.n * s.oh * s.ow)
    c.forEachTap { _, output, _ in insideCount[output] += 1 }
    var y = [Double](repeating: 0, count: outputs(c))
    var dx = [Double](repeating: 0, count: c.inputCount)
    c.forEachTap { input, output, _ in
      let weight = 1 / Double(countsPadding ? s.kernel_h * s.kernel_w : insideCount[output])
      for i in 0..<s.c {
        y[output * s.c + i] += weight * Double(x[input * s.c + i])
        dx[input * s.c + i] += weight * Double(dy[output * s.c + i])
      }
    }
    for set in InstructionSet.all {
      func forward(step: Int) -> Floats {
        let out = Floats(count: outputs(c), repeating: sentinel)
        for part in parts(of: s.n * s.oh, step: step) {
          set.kernels.average_pool(
            &s, x.pointer, out.pointer, countsPadding ? 1 : 0, part.lowerBound, part.upperBound)
        }
        return out
      }
      func gradient(step: Int) -> Floats {
        let out = Floats(count: c.inputCount, repeating: sentinel)
        for part in parts(of: s.n * s.h, step: step) {
          set.kernels.average_pool_gradient(
            &s, dy.pointer, out.pointer, countsPadding ? 1 : 0, part.lowerBound, part.upperBound)
        }
        return out
      }
      let wholeY = forward(step: max(1, s.n * s.oh)), wholeDX = gradient(step: max(1, s.n * s.h))
      #expect(difference(wholeY, y, tolerance: 2e-6) == nil, "\(set.name)")
      #expect(difference(wholeDX, dx, tolerance: 2e-6) == nil, "\(set.name)")
      #expect(bitDifference(wholeY, forward(step: 1)) == nil, "\(set.name)")
      #expect(bitDifference(wholeDX, gradient(step: 1)) == nil, "\(set.name)")
    }
  }
}
