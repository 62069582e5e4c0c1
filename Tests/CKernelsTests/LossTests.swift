// SPDX-License-Identifier: Apache-2.0
import CKernels
import Glibc
import Testing

/// A loss between elements with its definition in double precision.
struct LossCase: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let code: Int
  let parameter: Double
  /// Makes a target of a number in [-1, 1).
  let target: @Sendable (Float) -> Float
  let value: @Sendable (_ x: Double, _ t: Double) -> (loss: Double, slope: Double)

  static let all = [
    LossCase(testDescription: "squared", code: MK_LOSS_SQUARED, parameter: 0, target: { $0 }) {
      (($0 - $1) * ($0 - $1), 2 * ($0 - $1))
    },
    LossCase(testDescription: "absolute", code: MK_LOSS_ABSOLUTE, parameter: 0, target: { $0 }) {
      (abs($0 - $1), $0 > $1 ? 1 : $0 < $1 ? -1 : 0)
    },
    LossCase(testDescription: "huber", code: MK_LOSS_HUBER, parameter: 0.5, target: { $0 }) {
      let d = $0 - $1
      return abs(d) <= 0.5 ? (d * d / 2, d) : (0.5 * (abs(d) - 0.25), d > 0 ? 0.5 : -0.5)
    },
    LossCase(
      testDescription: "binary", code: MK_LOSS_BINARY_CROSS_ENTROPY, parameter: 3,
      target: { ($0 + 1) / 2 }
    ) {
      let p = 1 / (1 + exp(-$0))
      return (-3 * $1 * log(p) - (1 - $1) * log(1 - p), -3 * $1 * (1 - p) + (1 - $1) * p)
    },
    LossCase(
      testDescription: "hinge", code: MK_LOSS_HINGE, parameter: 0, target: { $0 < 0 ? -1 : 1 }
    ) {
      $0 * $1 < 1 ? (1 - $0 * $1, -$1) : (0, 0)
    },
    LossCase(
      testDescription: "kullback leibler", code: MK_LOSS_KULLBACK_LEIBLER, parameter: 0,
      target: { max(0, $0) }
    ) {
      ($1 > 0 ? $1 * (log($1) - $0) : 0, -$1)
    },
  ]
}

@Suite struct LossTests {
  @Test(arguments: LossCase.all, RowTests.shapes)
  func agreesWithItsDefinition(loss: LossCase, shape: (rows: Int, columns: Int)) {
    let (rows, columns) = shape
    let count = rows * columns
    var numbers = Numbers(seed: 6)
    let x = numbers.array(count), target = numbers.array(count)
    for i in 0..<count { (x[i], target[i]) = (2 * x[i], loss.target(target[i])) }
    let values = (0..<count).map { loss.value(Double(x[$0]), Double(target[$0])) }
    let losses = (0..<rows).map { r in
      (0..<columns).reduce(0.0) { $0 + values[r * columns + $1].loss }
    }
    let parameter = Float(loss.parameter)
    for set in InstructionSet.all {
      let found = Floats(count: rows, repeating: sentinel)
      let alone = Floats(count: rows, repeating: sentinel)
      let dx = Floats(count: count, repeating: sentinel)
      set.kernels.pointwise_loss(
        found.pointer, dx.pointer, x.pointer, target.pointer, mk_loss(loss.code), parameter, 0.5,
        rows, columns)
      #expect(difference(found, losses, tolerance: 4e-5) == nil, "\(set.name)")
      #expect(difference(dx, values.map { $0.slope / 2 }, tolerance: 1e-6) == nil, "\(set.name)")
      set.kernels.pointwise_loss(
        alone.pointer, nil, x.pointer, target.pointer, mk_loss(loss.code), parameter, 0.5, rows,
        columns)
      #expect(bitDifference(found, alone) == nil, "\(set.name)")
    }
  }

  @Test(arguments: InstructionSet.all)
  func largeLogitsAreExactAndNaNStays(set: InstructionSet) {
    let x = Floats([100, -100, 200, -200, .nan]), t = Floats([1, 0, 0, 1, 1])
    let losses = Floats(count: 5, repeating: sentinel), dx = Floats(count: 5, repeating: sentinel)
    set.kernels.pointwise_loss(
      losses.pointer, dx.pointer, x.pointer, t.pointer, mk_loss(MK_LOSS_BINARY_CROSS_ENTROPY), 1,
      1, 5, 1)
    #expect(losses[0] < 1e-30 && losses[1] < 1e-30)
    #expect(losses[2] == 200 && losses[3] == 200)
    #expect(losses[4].isNaN)
    #expect(dx[2] == 1 && dx[3] == -1 && dx[4].isNaN)
  }
}
