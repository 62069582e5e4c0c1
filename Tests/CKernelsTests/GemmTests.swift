// SPDX-License-Identifier: Apache-2.0
import CKernels
import Testing

/// A product with everything that may vary.
struct GemmCase: Sendable, CustomTestStringConvertible {
  var m: Int
  var n: Int
  var k: Int
  var transposedA = false
  var form = MK_OPERAND_ROWS
  var packs = MK_OPERAND_ROWS
  var hasBias = false
  var activation = MK_ACTIVATION_NONE
  var accumulates = false
  var hasGate = false
  /// Elements between the rows' ends, in A, B and C.
  var gap = 0

  var testDescription: String {
    "\(m)x\(n)x\(k) a\(transposedA ? "T" : "") form \(form)/\(packs) act \(activation) "
      + "bias \(hasBias) acc \(accumulates) gate \(hasGate) gap \(gap)"
  }

  /// Shapes around the tile, the panel and the blocks; each with every form of B, and the epilogues in turn.
  static let all: [GemmCase] = {
    let shapes = [
      (0, 5, 3), (5, 0, 3), (3, 5, 0), (1, 1, 1), (1, 33, 17), (2, 7, 5), (3, 64, 400), (4, 8, 9),
      (6, 16, 31), (7, 31, 12), (13, 65, 33), (14, 32, 16), (15, 33, 385), (29, 100, 21),
      (57, 17, 64), (170, 41, 3), (16, 490, 5), (17, 130, 512),
    ]
    let activations = [
      MK_ACTIVATION_NONE, MK_ACTIVATION_RELU, MK_ACTIVATION_SIGMOID, MK_ACTIVATION_TANH,
    ]
    var cases: [GemmCase] = []
    for (m, n, k) in shapes {
      for form in 0..<4 {
        let index = cases.count
        var c = GemmCase(m: m, n: n, k: k)
        c.form =
          [
            MK_OPERAND_ROWS, MK_OPERAND_TRANSPOSED, MK_OPERAND_PACKED, MK_OPERAND_PACKED,
          ][form]
        c.packs = form == 3 ? MK_OPERAND_TRANSPOSED : MK_OPERAND_ROWS
        c.transposedA = (index / 3) % 2 == 1
        c.hasBias = index % 2 == 0
        c.activation = activations[(index / 2) % 4]
        c.accumulates = index % 3 == 0
        c.hasGate = index % 5 == 0 && c.activation <= MK_ACTIVATION_RELU
        c.gap = index % 4
        cases.append(c)
      }
    }
    return cases
  }()
}

@Suite struct GemmTests {
  /// The operands of a case and its expected result.
  struct Problem {
    let c: GemmCase
    let a, b, bias, gate, initial: Floats
    let aStrides: (row: Int, column: Int)
    let bStride, cStride: Int
    let expected: [Double]

    init(_ c: GemmCase) {
      self.c = c
      var numbers = Numbers(seed: c.m * 7919 + c.n * 31 + c.k)
      let lda = (c.transposedA ? c.m : c.k) + c.gap
      aStrides = c.transposedA ? (1, lda) : (lda, 1)
      let isTransposed = c.form == MK_OPERAND_TRANSPOSED || c.packs == MK_OPERAND_TRANSPOSED
      bStride = (isTransposed ? c.k : c.n) + c.gap
      cStride = c.n + c.gap
      func length(_ rows: Int, _ columns: Int) -> Int {
        rows == 0 || columns == 0 ? 0 : (rows - 1) * (columns + c.gap) + columns
      }
      a = numbers.array(c.transposedA ? length(c.k, c.m) : length(c.m, c.k))
      b = numbers.array(isTransposed ? length(c.n, c.k) : length(c.k, c.n))
      bias = numbers.array(c.n)
      gate = numbers.array(length(c.m, c.n))
      initial = numbers.array(length(c.m, c.n))
      let bStrides = isTransposed ? (row: 1, column: bStride) : (row: bStride, column: 1)
      var expected = initial.values.map(Double.init)
      for i in 0..<c.m {
        for j in 0..<c.n {
          var sum = 0.0
          for p in 0..<c.k {
            sum +=
              Double(a.pointer[i * aStrides.row + p * aStrides.column])
              * Double(b.pointer[p * bStrides.row + j * bStrides.column])
          }
          let at = i * cStride + j
          if c.accumulates { sum += Double(initial.pointer[at]) }
          if c.hasBias { sum += Double(bias.pointer[j]) }
          sum = activated(sum, mk_activation(c.activation))
          expected[at] = c.hasGate && gate.pointer[at] <= 0 ? 0 : sum
        }
      }
      self.expected = expected
    }

    /// Computes the product, the ranges of M and N in the order given.
    func run(_ set: InstructionSet, _ ranges: [(m: Range<Int>, n: Range<Int>)]) -> Floats {
      let kernels = set.kernels
      let out = Floats(initial.values)
      let packed = scratch(kernels.gemm_packed_size(c.k, c.n))
      if c.form == MK_OPERAND_PACKED {
        for part in parts(of: c.n, step: kernels.panel_width) {
          kernels.gemm_pack(
            packed.pointer, b.pointer, mk_operand_form(c.packs), bStride, c.k, c.n,
            part.lowerBound, part.upperBound)
        }
      }
      var g = mk_gemm(
        m: c.m, n: c.n, k: c.k, a: a.pointer, a_row_stride: aStrides.row,
        a_column_stride: aStrides.column,
        b: c.form == MK_OPERAND_PACKED ? packed.pointer : b.pointer,
        b_form: mk_operand_form(c.form), b_stride: bStride, c: out.pointer, c_stride: cStride,
        bias: c.hasBias ? UnsafePointer(bias.pointer) : nil,
        activation: mk_activation(c.activation), accumulate: c.accumulates ? 1 : 0,
        gate: c.hasGate ? UnsafePointer(gate.pointer) : nil, gate_stride: cStride)
      let space = scratch(kernels.gemm_scratch_size(&g))
      for range in ranges {
        kernels.gemm(
          &g, range.m.lowerBound, range.m.upperBound, range.n.lowerBound, range.n.upperBound,
          space.pointer)
      }
      return out
    }
  }

  @Test(arguments: GemmCase.all)
  func agreesWithDoublePrecisionHoweverItIsSplit(c: GemmCase) {
    let problem = Problem(c)
    for set in InstructionSet.all {
      let whole = problem.run(set, [(0..<c.m, 0..<c.n)])
      let tolerance = 1e-6 * (4 + Double(c.k).squareRoot() * 2)
      #expect(difference(whole, problem.expected, tolerance: tolerance) == nil, "\(set.name)")
      var ranges: [(m: Range<Int>, n: Range<Int>)] = []
      for n in parts(of: c.n, step: set.kernels.panel_width) {
        for m in parts(of: c.m, step: 5) { ranges.append((m, n)) }
      }
      #expect(bitDifference(whole, problem.run(set, ranges)) == nil, "\(set.name)")
    }
  }
}
