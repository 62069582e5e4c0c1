// SPDX-License-Identifier: Apache-2.0
import CKernels
import Glibc
import Testing

/// A flat function of up to two inputs, with its definition.
struct FlatFunction: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let run:
    @Sendable (mk_kernels, _ out: Floats, _ a: Floats, _ b: Floats, _ range: Range<Int>) -> Void
  let reference: @Sendable (_ out: Double, _ a: Double, _ b: Double) -> Double

  static let all: [FlatFunction] =
    [
      FlatFunction(testDescription: "fill") { k, out, _, _, r in
        k.fill(out.pointer + r.lowerBound, 2.5, r.count)
      } reference: { _, _, _ in
        2.5
      },
      FlatFunction(testDescription: "add") { k, out, a, b, r in
        k.add(
          out.pointer + r.lowerBound, a.pointer + r.lowerBound, b.pointer + r.lowerBound, r.count)
      } reference: { _, a, b in
        a + b
      },
      FlatFunction(testDescription: "subtract") { k, out, a, b, r in
        k.subtract(
          out.pointer + r.lowerBound, a.pointer + r.lowerBound, b.pointer + r.lowerBound, r.count)
      } reference: { _, a, b in
        a - b
      },
      FlatFunction(testDescription: "multiply") { k, out, a, b, r in
        k.multiply(
          out.pointer + r.lowerBound, a.pointer + r.lowerBound, b.pointer + r.lowerBound, r.count)
      } reference: { _, a, b in
        a * b
      },
      FlatFunction(testDescription: "scale") { k, out, a, _, r in
        k.scale(out.pointer + r.lowerBound, a.pointer + r.lowerBound, 1.75, -0.5, r.count)
      } reference: { _, a, _ in
        1.75 * a - 0.5
      },
      FlatFunction(testDescription: "axpy") { k, out, a, _, r in
        k.axpy(out.pointer + r.lowerBound, a.pointer + r.lowerBound, -1.25, r.count)
      } reference: { out, a, _ in
        out - 1.25 * a
      },
      FlatFunction(testDescription: "clamp") { k, out, a, _, r in
        k.clamp(out.pointer + r.lowerBound, a.pointer + r.lowerBound, -0.5, 0.25, r.count)
      } reference: { _, a, _ in
        min(max(a, -0.5), 0.25)
      },
      FlatFunction(testDescription: "exponential") { k, out, a, _, r in
        k.exponential(out.pointer + r.lowerBound, a.pointer + r.lowerBound, r.count)
      } reference: { _, a, _ in
        exp(a)
      },
    ]
    + ActivationCase.all.map { activation in
      FlatFunction(testDescription: "activate \(activation.testDescription)") { k, out, a, _, r in
        k.activate(
          out.pointer + r.lowerBound, a.pointer + r.lowerBound, activation.code, r.count)
      } reference: { _, a, _ in
        activation.value(a)
      }
    }
}

@Suite struct ElementwiseTests {
  /// Around every vector length.
  static let counts = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 100]

  @Test(arguments: FlatFunction.all)
  func agreesWithItsDefinition(function: FlatFunction) {
    for set in InstructionSet.all {
      for count in Self.counts {
        var numbers = Numbers(seed: count)
        let a = numbers.array(count), b = numbers.array(count), initial = numbers.array(count)
        let expected = (0..<count).map {
          function.reference(Double(initial[$0]), Double(a[$0]), Double(b[$0]))
        }
        let whole = Floats(initial.values)
        function.run(set.kernels, whole, a, b, 0..<count)
        #expect(difference(whole, expected, tolerance: 5e-7) == nil, "\(set.name) \(count)")
        let split = Floats(initial.values)
        for part in parts(of: count, step: 5) { function.run(set.kernels, split, a, b, part) }
        #expect(bitDifference(whole, split) == nil, "\(set.name) \(count)")
      }
    }
  }

  @Test(arguments: FlatFunction.all)
  func worksInPlace(function: FlatFunction) {
    for set in InstructionSet.all {
      var numbers = Numbers(seed: 3)
      let a = numbers.array(37), b = numbers.array(37)
      let apart = Floats(a.values), inPlace = Floats(a.values)
      function.run(set.kernels, apart, a, b, 0..<37)
      function.run(set.kernels, inPlace, inPlace, b, 0..<37)
      // axpy with out = x is (1 + factor) * x either way: `apart` began as a copy of `a`.
      #expect(bitDifference(apart, inPlace) == nil, "\(set.name)")
    }
  }

  /// On a grid that crosses every corner, and beyond where functions are flat.
  @Test(arguments: ActivationCase.all, InstructionSet.all)
  func slopesOfActivations(activation: ActivationCase, set: InstructionSet) {
    let x = Floats((-120...120).map { Float($0) / 8 + 1e-3 } + [-60, 60, -1e4, 1e4])
    let dy = Floats((0..<x.count).map { Float($0 % 7) - 3 })
    let known = Floats(
      activation.slopeNeedsInput ? x.values : x.values.map { Float(activation.value(Double($0))) })
    let expected = (0..<x.count).map { Double(dy[$0]) * activation.slope(Double(x[$0])) }
    let dx = Floats(count: x.count, repeating: sentinel), inPlace = Floats(dy.values)
    set.kernels.activation_gradient(
      dx.pointer, dy.pointer, known.pointer, activation.code, x.count)
    set.kernels.activation_gradient(
      inPlace.pointer, inPlace.pointer, known.pointer, activation.code, x.count)
    #expect(difference(dx, expected, tolerance: 3e-6) == nil)
    #expect(bitDifference(dx, inPlace) == nil)
    let y = Floats(count: x.count, repeating: sentinel)
    set.kernels.activate(y.pointer, x.pointer, activation.code, x.count)
    for i in 0..<x.count {
      let value = activation.value(Double(x[i]))
      #expect(abs(Double(y[i]) - value) <= 4e-7 * max(1, abs(value)), "at \(x[i])")
    }
  }

  /// The largest error in units in the last place over a grid.
  private func worstError(
    from low: Float, to high: Float, _ run: (Floats, Floats) -> Void,
    reference: (Double) -> Double
  ) -> Double {
    let count = 20_000
    let x = Floats(count: count, repeating: 0), y = Floats(count: count, repeating: 0)
    for i in 0..<count { x[i] = low + (high - low) * Float(i) / Float(count - 1) }
    run(y, x)
    var worst = 0.0
    for i in 0..<count {
      let expected = reference(Double(x[i]))
      worst = max(worst, abs(Double(y[i]) - expected) / Double(Float(expected).ulp))
    }
    return worst
  }

  @Test(arguments: InstructionSet.all)
  func elementaryFunctionsAreAccurate(set: InstructionSet) {
    let k = set.kernels
    for (low, high) in [(-87, 88.5), (-1, 1)] as [(Float, Float)] {
      let error = worstError(from: low, to: high) { y, x in
        k.exponential(y.pointer, x.pointer, x.count)
      } reference: {
        exp($0)
      }
      #expect(error <= 2, "exp in \(low)...\(high)")
    }
    for (low, high) in [(-10, 10), (-0.01, 0.01), (-1, 1)] as [(Float, Float)] {
      let error = worstError(from: low, to: high) { y, x in
        k.activate(y.pointer, x.pointer, mk_activation(MK_ACTIVATION_TANH), x.count)
      } reference: {
        tanh($0)
      }
      #expect(error <= 2, "tanh in \(low)...\(high)")
    }
    for (low, high, bound) in [(-1, 0, 2.5), (0, 9, 2.5), (-6, -1, 1000)]
      as [(Float, Float, Double)]
    {
      let error = worstError(from: low, to: high) { y, x in
        k.activate(y.pointer, x.pointer, mk_activation(MK_ACTIVATION_GELU), x.count)
      } reference: {
        ActivationCase.normal($0) * $0
      }
      #expect(error <= bound, "gelu in \(low)...\(high)")
    }
    let error = worstError(from: -80, to: 30) { y, x in
      k.activate(y.pointer, x.pointer, mk_activation(MK_ACTIVATION_SIGMOID), x.count)
    } reference: {
      1 / (1 + exp(-$0))
    }
    #expect(error <= 2.5, "sigmoid")
    for name in ["softplus", "elu", "silu"] {
      guard let activation = ActivationCase.all.first(where: { $0.testDescription == name }) else {
        Issue.record("no activation \(name)")
        continue
      }
      let error = worstError(from: -30, to: 30) { y, x in
        k.activate(y.pointer, x.pointer, activation.code, x.count)
      } reference: {
        activation.value($0)
      }
      #expect(error <= 4, "\(name)")
    }
  }

  @Test(arguments: InstructionSet.all)
  func extremesAreWhatTheyAreInTheLimit(set: InstructionSet) {
    let x = Floats([.nan, .infinity, -.infinity, 1e30, -1e30, 89, -110, 0, -0.0])
    func apply(_ run: (mk_kernels, Floats) -> Void) -> [Float] {
      let y = Floats(count: x.count, repeating: sentinel)
      run(set.kernels, y)
      return y.values
    }
    let e = apply { $0.exponential($1.pointer, x.pointer, x.count) }
    #expect(e[0].isNaN)
    #expect(Array(e[1...]) == [.infinity, 0, .infinity, 0, .infinity, 0, 1, 1])
    func activate(_ activation: Int) -> [Float] {
      apply { $0.activate($1.pointer, x.pointer, mk_activation(activation), x.count) }
    }
    let relu = activate(MK_ACTIVATION_RELU)
    #expect(relu[0].isNaN)
    #expect(Array(relu[1...]) == [.infinity, 0, 1e30, 0, 89, 0, 0, 0])
    let sigmoid = activate(MK_ACTIVATION_SIGMOID)
    #expect(sigmoid[0].isNaN)
    #expect(Array(sigmoid[1...]) == [1, 0, 1, 0, 1, 0, 0.5, 0.5])
    let tangent = activate(MK_ACTIVATION_TANH)
    #expect(tangent[0].isNaN)
    #expect(Array(tangent[1...]) == [1, -1, 1, -1, 1, -1, 0, 0])
    #expect(tangent[8].sign == .minus)
  }

  @Test(arguments: InstructionSet.all)
  func bytesAreConverted(set: InstructionSet) {
    for count in Self.counts {
      let bytes = GuardedArray<UInt8>(
        (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 200) })
      let out = Floats(count: count, repeating: sentinel)
      set.kernels.convert_u8(out.pointer, bytes.pointer, 1.0 / 255, -0.5, count)
      let expected = bytes.values.map { Double($0) / 255 - 0.5 }
      #expect(difference(out, expected, tolerance: 1e-7) == nil)
    }
  }
}
