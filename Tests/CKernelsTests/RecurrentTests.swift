// SPDX-License-Identifier: Apache-2.0
import CKernels
import Glibc
import Testing

@Suite struct RecurrentTests {
  private static let rows = 3

  private func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }

  @Test(arguments: ElementwiseTests.counts)
  func longShortTermMemory(units u: Int) {
    let rows = Self.rows
    var numbers = Numbers(seed: u)
    let before = numbers.array(rows * 4 * u), previous = numbers.array(rows * u)
    let dh = numbers.array(rows * u), dc = numbers.array(rows * u)
    var gates = [Double](repeating: 0, count: rows * 4 * u), cell: [Double] = []
    var hidden: [Double] = [], dgates = gates, dprevious: [Double] = []
    for row in 0..<rows {
      for j in 0..<u {
        let at = row * 4 * u + j
        func gate(_ index: Int) -> Double { Double(before[at + index * u]) }
        let (i, f, g, o) = (sigmoid(gate(0)), sigmoid(gate(1)), tanh(gate(2)), sigmoid(gate(3)))
        let p = Double(previous[row * u + j]), c = f * p + i * g, t = tanh(c)
        let h = Double(dh[row * u + j]), d = Double(dc[row * u + j]) + h * o * (1 - t * t)
        for (index, (value, slope)) in [
          (i, d * g * i * (1 - i)), (f, d * p * f * (1 - f)), (g, d * i * (1 - g * g)),
          (o, h * t * o * (1 - o)),
        ].enumerated() {
          gates[at + index * u] = value
          dgates[at + index * u] = slope
        }
        cell.append(c)
        hidden.append(o * t)
        dprevious.append(d * f)
      }
    }
    for set in InstructionSet.all {
      let k = set.kernels
      let working = Floats(before.values), out = Floats(count: rows * u, repeating: sentinel)
      let state = Floats(count: rows * u, repeating: sentinel)
      k.lstm_cell(working.pointer, state.pointer, out.pointer, previous.pointer, rows, u)
      #expect(difference(working, gates, tolerance: 1e-6) == nil, "\(set.name)")
      #expect(difference(state, cell, tolerance: 1e-6) == nil, "\(set.name)")
      #expect(difference(out, hidden, tolerance: 1e-6) == nil, "\(set.name)")
      let d = Floats(count: rows * 4 * u, repeating: sentinel)
      let (dcell, dhidden) = (Floats(dc.values), Floats(dh.values))
      k.lstm_cell_gradient(
        d.pointer, dcell.pointer, dhidden.pointer, working.pointer, state.pointer,
        previous.pointer, rows, u)
      #expect(difference(d, dgates, tolerance: 2e-6) == nil, "\(set.name)")
      #expect(difference(dcell, dprevious, tolerance: 2e-6) == nil, "\(set.name)")
      #expect(dhidden.values.allSatisfy { $0 == 0 })
      // A row by itself, in place of the previous state.
      let alone = Floats(Array(before.values.prefix(4 * u)))
      let inPlace = Floats(Array(previous.values.prefix(u)))
      k.lstm_cell(alone.pointer, inPlace.pointer, out.pointer, inPlace.pointer, 1, u)
      #expect(inPlace.values == Array(state.values.prefix(u)))
    }
  }

  @Test(arguments: ElementwiseTests.counts)
  func gatedRecurrentUnit(units u: Int) {
    let rows = Self.rows
    var numbers = Numbers(seed: u)
    let before = numbers.array(rows * 4 * u), previous = numbers.array(rows * u)
    let dh = numbers.array(rows * u)
    var gates = [Double](repeating: 0, count: rows * 4 * u), dgates = gates
    var hidden: [Double] = [], carried: [Double] = []
    for row in 0..<rows {
      for j in 0..<u {
        let at = row * 4 * u + j
        func gate(_ index: Int) -> Double { Double(before[at + index * u]) }
        let (r, z, m) = (sigmoid(gate(0)), sigmoid(gate(1)), gate(3))
        let n = tanh(gate(2) + r * m), p = Double(previous[row * u + j])
        let h = Double(dh[row * u + j]), dn = h * (1 - z) * (1 - n * n)
        for (index, (value, slope)) in [
          (r, dn * m * r * (1 - r)), (z, h * (p - n) * z * (1 - z)), (n, dn), (m, dn * r),
        ].enumerated() {
          gates[at + index * u] = value
          dgates[at + index * u] = slope
        }
        hidden.append((1 - z) * n + z * p)
        carried.append(h * z)
      }
    }
    for set in InstructionSet.all {
      let k = set.kernels
      let working = Floats(before.values), out = Floats(count: rows * u, repeating: sentinel)
      k.gru_cell(working.pointer, out.pointer, previous.pointer, rows, u)
      #expect(difference(working, gates, tolerance: 1e-6) == nil, "\(set.name)")
      #expect(difference(out, hidden, tolerance: 1e-6) == nil, "\(set.name)")
      let d = Floats(count: rows * 4 * u, repeating: sentinel), dhidden = Floats(dh.values)
      k.gru_cell_gradient(d.pointer, dhidden.pointer, working.pointer, previous.pointer, rows, u)
      #expect(difference(d, dgates, tolerance: 2e-6) == nil, "\(set.name)")
      #expect(difference(dhidden, carried, tolerance: 2e-6) == nil, "\(set.name)")
    }
  }
}
