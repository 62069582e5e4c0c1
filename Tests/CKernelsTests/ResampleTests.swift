// SPDX-License-Identifier: Apache-2.0
import CKernels
import Glibc
import Testing

@Suite struct ResampleTests {
  struct Case: Sendable {
    var height: Int
    var width: Int
    var channels: Int
  }

  static let cases = [
    Case(height: 1, width: 1, channels: 1), Case(height: 3, width: 0, channels: 1),
    Case(height: 5, width: 16, channels: 1), Case(height: 4, width: 33, channels: 1),
    Case(height: 7, width: 5, channels: 3), Case(height: 2, width: 19, channels: 2),
  ]
  static let maps = [
    mk_affine(row: 0, row_per_y: 1, row_per_x: 0, column: 0, column_per_y: 0, column_per_x: 1),
    mk_affine(row: 2, row_per_y: -1, row_per_x: 0, column: 3, column_per_y: 0, column_per_x: -1),
    mk_affine(
      row: -0.75, row_per_y: 0.875, row_per_x: 0.25, column: 1.5, column_per_y: -0.25,
      column_per_x: 0.875),
    mk_affine(
      row: -1e30, row_per_y: 1e29, row_per_x: 1, column: 1e9, column_per_y: -1e9, column_per_x: 1e3),
  ]

  /// Linear between the four pixels around, each of them `outside` where it is not in the image.
  private func reference(
    _ x: Floats, _ map: mk_affine, outside: Float, _ c: Case
  ) -> [Double] {
    var result: [Double] = []
    for y in 0..<c.height {
      for column in 0..<c.width {
        let r = Double(map.row) + Double(map.row_per_y) * Double(y)
        let row = r + Double(map.row_per_x) * Double(column)
        let q = Double(map.column) + Double(map.column_per_y) * Double(y)
        let col = q + Double(map.column_per_x) * Double(column)
        for channel in 0..<c.channels {
          var sum = 0.0
          for (dy, wy) in [(0.0, 1 - (row - floor(row))), (1, row - floor(row))] {
            for (dx, wx) in [(0.0, 1 - (col - floor(col))), (1, col - floor(col))] {
              let (i, j) = (floor(row) + dy, floor(col) + dx)
              let isInside =
                i >= 0 && i < Double(c.height) && j >= 0 && j < Double(c.width)
              let value =
                isInside
                ? x[(Int(i) * c.width + Int(j)) * c.channels + channel] : outside
              sum += wy * wx * Double(value)
            }
          }
          result.append(sum)
        }
      }
    }
    return result
  }

  @Test(arguments: cases)
  func agreesWithTheDefinitionAndWithItsParts(c: Case) {
    var numbers = Numbers(seed: 31)
    let x = numbers.array(c.height * c.width * c.channels)
    for var map in Self.maps {
      let expected = reference(x, map, outside: 0.5, c)
      for set in InstructionSet.all {
        let whole = Floats(count: x.count, repeating: sentinel)
        let split = Floats(count: x.count, repeating: sentinel)
        set.kernels.resample(
          whole.pointer, x.pointer, &map, 0.5, c.height, c.width, c.channels, 0, c.height)
        #expect(difference(whole, expected, tolerance: 2e-6) == nil, "\(set.name) \(map)")
        for rows in parts(of: c.height, step: 2) {
          set.kernels.resample(
            split.pointer, x.pointer, &map, 0.5, c.height, c.width, c.channels, rows.lowerBound,
            rows.upperBound)
        }
        #expect(bitDifference(whole, split) == nil, "\(set.name)")
      }
    }
  }
}
