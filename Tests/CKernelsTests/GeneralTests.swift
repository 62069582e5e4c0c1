// SPDX-License-Identifier: Apache-2.0
import CKernels
import Glibc
import Testing

/// The kernels of general graphs on every instruction set, around every vector length, with every step.
@Suite struct GeneralTests {
  static let counts = [0, 1, 3, 7, 8, 9, 15, 16, 17, 33]

  private func numbers(_ count: Int, seed: Int) -> [Float] {
    var numbers = Numbers(seed: seed)
    return (0..<count).map { _ in 2 * numbers.next() }
  }

  @Test(arguments: InstructionSet.all)
  func functionsOfTwoNumbers(set: InstructionSet) {
    let definitions: [(Int, (Double, Double) -> Double)] = [
      (MK_BINARY_ADD, { $0 + $1 }), (MK_BINARY_SUBTRACT, { $0 - $1 }),
      (MK_BINARY_MULTIPLY, { $0 * $1 }), (MK_BINARY_DIVIDE, { $0 / $1 }),
      (MK_BINARY_POWER, { pow($0, $1) }), (MK_BINARY_MINIMUM, { min($0, $1) }),
      (MK_BINARY_MAXIMUM, { max($0, $1) }),
    ]
    for (code, definition) in definitions {
      for count in Self.counts {
        for (aStep, bStep) in [(1, 1), (1, 0), (0, 1), (0, 0)] {
          let a = GuardedArray(numbers(aStep == 0 ? 1 : count, seed: count).map { abs($0) + 0.25 })
          let b = GuardedArray(numbers(bStep == 0 ? 1 : count, seed: count + 1).map { $0 + 4 })
          let out = GuardedArray<Float>(count: count, repeating: 0)
          set.kernels.binary(
            out.pointer, a.pointer, aStep, b.pointer, bStep, mk_binary(code), count)
          for i in 0..<count {
            let expected = definition(Double(a[i * aStep]), Double(b[i * bStep]))
            #expect(abs(Double(out[i]) - expected) <= 2e-7 * abs(expected), "\(code) at \(i)")
          }
        }
      }
    }
  }

  @Test(arguments: InstructionSet.all)
  func functionsOfOneNumber(set: InstructionSet) {
    let definitions: [(Int, (Double) -> Double)] = [
      (MK_UNARY_NEGATE, { -$0 }), (MK_UNARY_ABSOLUTE, { abs($0) }),
      (MK_UNARY_EXPONENTIAL, { exp($0) }), (MK_UNARY_LOGARITHM, { log($0) }),
      (MK_UNARY_SQUARE, { $0 * $0 }), (MK_UNARY_RECIPROCAL, { 1 / $0 }),
      (MK_UNARY_SQUARE_ROOT, { $0.squareRoot() }),
      (MK_UNARY_RECIPROCAL_SQUARE_ROOT, { 1 / $0.squareRoot() }),
      (MK_UNARY_SIGN, { $0 > 0 ? 1 : $0 < 0 ? -1 : $0 }), (MK_UNARY_FLOOR, { floor($0) }),
      (MK_UNARY_CEILING, { ceil($0) }), (MK_UNARY_ROUND, { rint($0) }),
      (MK_UNARY_SINE, { sin($0) }), (MK_UNARY_COSINE, { cos($0) }),
      (MK_UNARY_ERROR_FUNCTION, { erf($0) }),
      (MK_UNARY_LOGARITHM_OF_ONE_PLUS, { log1p($0) }),
      (MK_UNARY_EXPONENTIAL_LESS_ONE, { expm1($0) }),
    ]
    // Denormals, the ends of the range and what is no number too.
    let denormal = Float(bitPattern: 714)
    let special: [Float] = [
      0, -0.0, denormal, -denormal, .leastNormalMagnitude, 3.3e38, .infinity, -.infinity, .nan, 0.5,
      1.5, -2.5, 1e-20,
    ]
    for (code, definition) in definitions {
      for count in Self.counts + [-1] {
        let x = GuardedArray(count < 0 ? special : numbers(count, seed: count))
        let out = GuardedArray<Float>(count: x.count, repeating: 0)
        set.kernels.unary(out.pointer, x.pointer, mk_unary(code), x.count)
        for i in 0..<x.count {
          let expected = Float(definition(Double(x[i])))
          let isClose =
            out[i] == expected || (out[i].isNaN && expected.isNaN)
            || abs(out[i] - expected) <= 2 * expected.ulp + 8 * .leastNonzeroMagnitude
          #expect(isClose, "\(code) of \(x[i]) is \(out[i]), not \(expected)")
        }
      }
    }
  }

  @Test(arguments: InstructionSet.all)
  func comparisonsAndChoices(set: InstructionSet) {
    let definitions: [(Int, (Float, Float) -> Bool)] = [
      (MK_COMPARISON_EQUAL, { $0 == $1 }), (MK_COMPARISON_NOT_EQUAL, { $0 != $1 }),
      (MK_COMPARISON_LESS, { $0 < $1 }), (MK_COMPARISON_LESS_OR_EQUAL, { $0 <= $1 }),
      (MK_COMPARISON_GREATER, { $0 > $1 }), (MK_COMPARISON_GREATER_OR_EQUAL, { $0 >= $1 }),
    ]
    for count in Self.counts {
      for (aStep, bStep) in [(1, 1), (1, 0), (0, 1), (0, 0)] {
        let a = GuardedArray(numbers(aStep == 0 ? 1 : count, seed: 3).map { ($0 * 2).rounded() })
        let b = GuardedArray(numbers(bStep == 0 ? 1 : count, seed: 4).map { ($0 * 2).rounded() })
        if count > 5, aStep == 1 { a[5] = .nan }
        let integers = [a, b].map { GuardedArray($0.values.map { Int32($0.isNaN ? 9 : $0) }) }
        let out = GuardedArray<UInt8>(count: count, repeating: 7)
        for (code, definition) in definitions {
          set.kernels.compare(
            out.pointer, a.pointer, aStep, b.pointer, bStep, mk_comparison(code), count)
          for i in 0..<count {
            #expect(out[i] == (definition(a[i * aStep], b[i * bStep]) ? 1 : 0))
          }
          set.kernels.compare_i32(
            out.pointer, integers[0].pointer, aStep, integers[1].pointer, bStep,
            mk_comparison(code), count)
          for i in 0..<count {
            let (x, y) = (Float(integers[0][i * aStep]), Float(integers[1][i * bStep]))
            #expect(out[i] == (definition(x, y) ? 1 : 0))
          }
        }
        for conditionStep in [0, 1] {
          let condition = GuardedArray(
            (0..<(conditionStep == 0 ? 1 : count)).map { UInt8($0 % 3 == 0 ? 0 : $0 % 255) })
          let chosen = GuardedArray<UInt32>(count: count, repeating: 0)
          let words = [a, b].map { GuardedArray($0.values.map(\.bitPattern)) }
          set.kernels.select(
            chosen.pointer, condition.pointer, conditionStep, words[0].pointer, aStep,
            words[1].pointer, bStep, count)
          for i in 0..<count {
            let holds = condition[i * conditionStep] != 0
            #expect(chosen[i] == (holds ? words[0][i * aStep] : words[1][i * bStep]))
          }
        }
      }
    }
  }

  @Test(arguments: InstructionSet.all)
  func reductionsOfAFlatArray(set: InstructionSet) {
    for count in Self.counts {
      let x = GuardedArray(numbers(count, seed: 9))
      let values = x.values.map(Double.init)
      let expected: [(Int, Double)] = [
        (MK_BINARY_ADD, values.reduce(0, +)), (MK_BINARY_MULTIPLY, values.reduce(1, *)),
        (MK_BINARY_MINIMUM, values.min() ?? .infinity),
        (MK_BINARY_MAXIMUM, values.max() ?? -.infinity),
      ]
      for (code, value) in expected {
        let result = Double(set.kernels.reduce(x.pointer, mk_binary(code), count))
        #expect(result == value || abs(result - value) < 1e-5, "\(code) of \(count)")
      }
      guard count > 0 else { continue }
      x[count / 2] = .nan
      for code in [MK_BINARY_MINIMUM, MK_BINARY_MAXIMUM] {
        #expect(set.kernels.reduce(x.pointer, mk_binary(code), count).isNaN)
      }
    }
  }
}
