// SPDX-License-Identifier: Apache-2.0
import Runtime

/// Points that rows are assigned to, and the products that find the nearest.
struct Centres: Sendable {
  let values: [Float]
  let columns: Int
  let count: Int
  private let squares: [Float]
  private let instructionSet: InstructionSet

  /// Rows of one product.
  static let blockRows = 256

  /// - Parameter values: (count, columns).
  init(_ values: [Float], columns: Int, instructionSet: InstructionSet) {
    self.values = values
    self.columns = columns
    self.instructionSet = instructionSet
    count = values.count / max(1, columns)
    squares = values.withUnsafeBufferPointer { values in
      (0..<(values.count / max(1, columns))).map { row in
        values.baseAddress.map { instructionSet.sumOfSquares($0 + row * columns, count: columns) }
          ?? 0
      }
    }
  }

  var memoryByteCount: Int { values.count * 4 }

  private var product: MatrixProduct {
    MatrixProduct(
      m: Self.blockRows, n: count, k: columns, aRowStride: columns, bIsTransposed: true,
      bStride: columns, instructionSet: instructionSet)
  }

  /// Floats of scratch memory that `squaredDistances` needs.
  var scratchCount: Int { product.scratchCount }

  /// Fills (rows, count) with ‖c‖² - 2 x·c, which is the squared distance less ‖x‖².
  ///
  /// - Precondition: at most `blockRows` rows.
  func relativeDistances(
    _ x: UnsafePointer<Float>, rows: Int, into out: UnsafeMutablePointer<Float>,
    scratch: UnsafeMutablePointer<Float>
  ) {
    values.withUnsafeBufferPointer { values in
      guard let base = values.baseAddress else { return }
      product.run(a: x, b: base, into: out, cStride: count, rows: rows, scratch: scratch)
    }
    for row in 0..<rows {
      let distances = out + row * count
      for index in 0..<count { distances[index] = squares[index] - 2 * distances[index] }
    }
  }

  /// The nearest centre of each row, the first of equals, with the exact squared distance.
  func nearest(
    _ x: UnsafePointer<Float>, rows: Int
  ) -> [(cluster: Int32, squaredDistance: Double)] {
    var result: [(cluster: Int32, squaredDistance: Double)] = []
    result.reserveCapacity(rows)
    withUnsafeTemporaryAllocation(
      of: Float.self, capacity: max(1, scratchCount + Self.blockRows * count)
    ) { memory in
      guard let distances = memory.baseAddress else { return }
      for start in stride(from: 0, to: rows, by: Self.blockRows) {
        let part = min(Self.blockRows, rows - start)
        relativeDistances(
          x + start * columns, rows: part, into: distances,
          scratch: distances + Self.blockRows * count)
        for row in 0..<part {
          var best = 0
          for index in 1..<max(1, count)
          where distances[row * count + index] < distances[row * count + best] {
            best = index
          }
          result.append(
            (Int32(best), squaredDistance(x + (start + row) * columns, to: best)))
        }
      }
    }
    return result
  }

  /// ‖x - c‖² in double precision.
  func squaredDistance(_ x: UnsafePointer<Float>, to centre: Int) -> Double {
    values.withUnsafeBufferPointer { values in
      guard let c = values.baseAddress.map({ $0 + centre * columns }) else { return 0 }
      return squaredDistanceOf(x, c, count: columns)
    }
  }
}

/// ‖a - b‖² in double precision: eight interleaved sums, then those in order.
func squaredDistanceOf(
  _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, count: Int
) -> Double {
  var sums = SIMD8<Double>.zero
  var index = 0
  while index &+ 8 <= count {
    let difference =
      SIMD8<Double>(UnsafeRawPointer(a + index).loadUnaligned(as: SIMD8<Float>.self))
      - SIMD8<Double>(UnsafeRawPointer(b + index).loadUnaligned(as: SIMD8<Float>.self))
    sums += difference * difference
    index &+= 8
  }
  var total = 0.0
  for lane in 0..<8 { total += sums[lane] }
  while index < count {
    let difference = Double(a[index]) - Double(b[index])
    total += difference * difference
    index &+= 1
  }
  return total
}
