// SPDX-License-Identifier: Apache-2.0
import CKernels
import Testing

struct GramTests {
  @Test(
    "Upper triangle of a shifted, weighted Gram matrix, on every instruction set",
    arguments: InstructionSet.all,
    [(rows: 1, columns: 1), (5, 3), (130, 17), (300, 33), (7, 16)])
  func matchesDefinition(_ isa: InstructionSet, _ size: (rows: Int, columns: Int)) {
    let (rows, columns) = size
    let kernels = isa.kernels
    let width = kernels.gram_panel_width
    let padded = (columns + width - 1) / width * width
    let x = (0..<rows * columns).map { Float(($0 * 37) % 101) / 50 - 1 }
    let shift = (0..<columns).map { Double($0) / 7 }
    let weights = (0..<rows).map { 1 + Double($0 % 3) }
    var packed = [Double](repeating: .nan, count: rows * padded)
    var out = [Double](repeating: 0, count: padded * padded)
    // Rows are packed in two parts, as two tiles would.
    let first = rows / 2
    packed.withUnsafeMutableBufferPointer { packed in
      guard let base = packed.baseAddress else { return }
      for (start, count) in [(0, first), (first, rows - first)] as [(Int, Int)] {
        x.withUnsafeBufferPointer { x in
          weights.withUnsafeBufferPointer { weights in
            guard let x = x.baseAddress, let weights = weights.baseAddress else { return }
            kernels.gram_pack(
              base + start * width, rows, x + start * columns, columns, shift, weights + start,
              count, columns)
          }
        }
      }
      for panel in 0..<padded / width {
        kernels.gram(&out, padded, base, rows, rows, columns, panel)
      }
    }
    for i in 0..<columns {
      for j in i..<columns {
        var expected = 0.0
        for row in 0..<rows {
          let a = (Double(x[row * columns + i]) - shift[i]) * weights[row]
          let b = (Double(x[row * columns + j]) - shift[j]) * weights[row]
          expected += a * b
        }
        #expect(abs(out[i * padded + j] - expected) <= 1e-9 * max(1, abs(expected)))
      }
    }
  }
}
