// SPDX-License-Identifier: Apache-2.0
import CKernels
import Testing

@Suite struct NarrowConv2DTests {
  /// Runs of whole words and of parts of one, read in place and copied, flat, strided, padded.
  static let windows = [
    WindowCase(
      2, 5, 6, 1, to: 5, kernel: (3, 3), padding: (top: 1, left: 1, bottom: 1, right: 1)),
    WindowCase(1, 6, 7, 4, to: 33, kernel: (3, 3)),
    WindowCase(2, 4, 5, 8, to: 70, kernel: (1, 1)),
    WindowCase(
      1, 9, 9, 3, to: 8, kernel: (5, 5), stride: (2, 2),
      padding: (top: 2, left: 2, bottom: 2, right: 2)),
    WindowCase(2, 5, 18, 4, to: 12, kernel: (1, 1), stride: (2, 2)),
    WindowCase(
      1, 4, 17, 6, to: 36, kernel: (2, 3), stride: (1, 2),
      padding: (top: 0, left: 1, bottom: 1, right: 2)),
  ].map(\.window)

  @Test(arguments: NarrowType.allCases, windows.indices)
  func agreesWithExactSums(type: NarrowType, index: Int) {
    let window = Self.windows[index]
    let epilogue = NarrowEpilogue.all[index % NarrowEpilogue.all.count]
    let zeroPoint: Int32 = type == .u8 ? 9 : 0
    let x = NarrowArray(type, count: window.n * window.h * window.w * window.c, seed: index)
    let weights = NarrowWeights(
      type, runs: window.kernel_h, length: window.kernel_w * window.c, columns: window.o,
      seed: index + 50)
    let sums = Self.sums(window, x, weights, padding: Double(zeroPoint))
    let expectation = NarrowExpectation(
      epilogue, weights, zeroPoint: zeroPoint, count: sums.count, seed: index)
    let depth = window.kernel_h * window.kernel_w * window.c
    for set in NarrowKernels.all {
      let kernels = type.kernels(set)
      let packed = weights.packed(set)
      func run(rows: Int, columns: Int) -> GuardedArray<UInt8> {
        let out = expectation.output(count: sums.count)
        var shape = window
        var result = expectation.result(type, before: nil)
        let space = GuardedArray<UInt8>(count: kernels.conv2d_scratch_size(&shape), repeating: 0xff)
        for column in parts(of: window.o, step: columns) {
          for row in parts(of: window.n * window.oh, step: rows) {
            kernels.conv2d(
              &shape, x.bytes.pointer, zeroPoint, packed.pointer, &result, out.pointer,
              row.lowerBound, row.upperBound, column.lowerBound, column.upperBound, space.pointer)
          }
        }
        return out
      }
      let whole = run(rows: window.n * window.oh, columns: window.o)
      #expect(expectation.difference(type, whole, sums, depth: depth) == nil, "\(set.name)")
      let split = run(rows: 1, columns: set.kernels.panel_width)
      #expect(whole.values == split.values, "\(set.name)")
    }
  }

  /// The products' sums from the definition; the padding has the value given.
  private static func sums(
    _ s: mk_window, _ x: NarrowArray, _ weights: NarrowWeights, padding: Double
  ) -> [Double] {
    var sums: [Double] = []
    for n in 0..<s.n {
      for oy in 0..<s.oh {
        for ox in 0..<s.ow {
          for o in 0..<s.o {
            var sum = 0.0
            for ky in 0..<s.kernel_h {
              for kx in 0..<s.kernel_w {
                let y = oy * s.stride_h + ky - s.pad_top, column = ox * s.stride_w + kx - s.pad_left
                let isInside = y >= 0 && y < s.h && column >= 0 && column < s.w
                for c in 0..<s.c {
                  let value =
                    isInside ? x.values[((n * s.h + y) * s.w + column) * s.c + c] : padding
                  sum += value * weights.values[((ky * s.kernel_w + kx) * s.c + c) * s.o + o]
                }
              }
            }
            sums.append(sum)
          }
        }
      }
    }
    return sums
  }

  @Test(arguments: NarrowType.allCases, windows.indices)
  func poolingTakesTheLargest(type: NarrowType, index: Int) {
    let s = Self.windows[index]
    let x = NarrowArray(type, count: s.n * s.h * s.w * s.c, seed: index + 9)
    for set in NarrowKernels.all {
      let out = GuardedArray<UInt8>(count: s.n * s.oh * s.ow * s.c * type.size, repeating: 0)
      var shape = s
      for row in parts(of: s.n * s.oh, step: 2) {
        type.kernels(set).max_pool(
          &shape, x.bytes.pointer, out.pointer, row.lowerBound, row.upperBound)
      }
      var wrong = 0
      for position in 0..<s.n * s.oh * s.ow * s.c {
        let (c, ox) = (position % s.c, position / s.c % s.ow)
        let (oy, n) = (position / (s.c * s.ow) % s.oh, position / (s.c * s.ow * s.oh))
        var best = -Double.infinity
        for y in oy * s.stride_h - s.pad_top..<oy * s.stride_h - s.pad_top + s.kernel_h
        where y >= 0 && y < s.h {
          for column in ox * s.stride_w - s.pad_left..<ox * s.stride_w - s.pad_left + s.kernel_w
          where column >= 0 && column < s.w {
            best = max(best, x.values[((n * s.h + y) * s.w + column) * s.c + c])
          }
        }
        let ours =
          type == .u8
          ? Double(out[position])
          : Double(float(UInt16(out[2 * position]) | UInt16(out[2 * position + 1]) << 8))
        if ours != best { wrong += 1 }
      }
      #expect(wrong == 0, "\(set.name)")
    }
  }
}
