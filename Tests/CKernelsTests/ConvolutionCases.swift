// SPDX-License-Identifier: Apache-2.0
import CKernels
import Testing

/// A window's geometry with a readable name.
struct WindowCase: Sendable, CustomTestStringConvertible {
  let window: mk_window

  init(
    _ n: Int, _ h: Int, _ w: Int, _ c: Int, to o: Int = 0, kernel: (Int, Int),
    stride: (Int, Int) = (1, 1),
    padding: (top: Int, left: Int, bottom: Int, right: Int) = (0, 0, 0, 0)
  ) {
    window = mk_window(
      n: n, h: h, w: w, c: c, oh: (h + padding.top + padding.bottom - kernel.0) / stride.0 + 1,
      ow: (w + padding.left + padding.right - kernel.1) / stride.1 + 1, o: o, kernel_h: kernel.0,
      kernel_w: kernel.1, stride_h: stride.0, stride_w: stride.1, pad_top: padding.top,
      pad_left: padding.left)
  }

  var testDescription: String {
    let s = window
    return
      "\(s.n)x\(s.h)x\(s.w)x\(s.c) to \(s.oh)x\(s.ow)x\(s.o) kernel \(s.kernel_h)x\(s.kernel_w) "
      + "stride \(s.stride_h),\(s.stride_w) padding \(s.pad_top),\(s.pad_left)"
  }

  /// Input elements, output elements, weights.
  var inputCount: Int { window.n * window.h * window.w * window.c }
  var outputCount: Int { window.n * window.oh * window.ow * window.o }
  var weightCount: Int { window.kernel_h * window.kernel_w * window.c * window.o }

  /// Calls `body` with the input pixel, the output pixel and the tap of every pair that meet.
  func forEachTap(_ body: (_ input: Int, _ output: Int, _ tap: Int) -> Void) {
    let s = window
    for image in 0..<s.n {
      for oy in 0..<s.oh {
        for ox in 0..<s.ow {
          for ky in 0..<s.kernel_h {
            for kx in 0..<s.kernel_w {
              let y = oy * s.stride_h + ky - s.pad_top
              let x = ox * s.stride_w + kx - s.pad_left
              guard y >= 0, y < s.h, x >= 0, x < s.w else { continue }
              body(
                (image * s.h + y) * s.w + x, (image * s.oh + oy) * s.ow + ox,
                ky * s.kernel_w + kx)
            }
          }
        }
      }
    }
  }
}
