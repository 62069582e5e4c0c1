// SPDX-License-Identifier: Apache-2.0
import CKernels
import Glibc
import Testing

@Suite struct RowTests {
  static let shapes = [
    (0, 3), (3, 0), (1, 1), (5, 2), (4, 10), (3, 16), (2, 17), (7, 33), (2, 100),
  ]

  /// Softmax of each row in double precision.
  private func softmax(_ x: Floats, _ rows: Int, _ columns: Int) -> [Double] {
    (0..<rows).flatMap { r -> [Double] in
      let row = (0..<columns).map { Double(x[r * columns + $0]) }
      let shift = row.max() ?? 0
      let sum = row.reduce(0) { $0 + exp($1 - shift) }
      return row.map { exp($0 - shift) / sum }
    }
  }

  private func logits(_ count: Int) -> Floats {
    var numbers = Numbers(seed: count)
    let x = numbers.array(count)
    for i in 0..<count { x[i] *= 20 }
    return x
  }

  @Test(arguments: shapes)
  func softmaxAndLogSoftmax(rows: Int, columns: Int) {
    let count = rows * columns
    let x = logits(count)
    let expected = softmax(x, rows, columns)
    for set in InstructionSet.all {
      let y = Floats(count: count, repeating: sentinel), inPlace = Floats(x.values)
      set.kernels.softmax(y.pointer, x.pointer, rows, columns)
      set.kernels.softmax(inPlace.pointer, inPlace.pointer, rows, columns)
      #expect(difference(y, expected, tolerance: 1e-6) == nil, "\(set.name)")
      #expect(bitDifference(y, inPlace) == nil, "\(set.name)")
      set.kernels.log_softmax(y.pointer, x.pointer, rows, columns)
      #expect(difference(y, expected.map { log($0) }, tolerance: 1e-5) == nil, "\(set.name)")
    }
  }

  @Test(arguments: InstructionSet.all)
  func softmaxOfLargeLogitsIsFiniteAndOfNaNIsNaN(set: InstructionSet) {
    let y = Floats(count: 3, repeating: 0)
    let large = Floats([1e30, 0, -1e30])
    set.kernels.softmax(y.pointer, large.pointer, 1, 3)
    #expect(y.values == [1, 0, 0])
    let undefined = Floats([1, .nan, 0])
    set.kernels.softmax(y.pointer, undefined.pointer, 1, 3)
    #expect(y.values.allSatisfy { $0.isNaN })
  }

  @Test(arguments: shapes)
  func softmaxGradient(rows: Int, columns: Int) {
    let count = rows * columns
    var numbers = Numbers(seed: 5)
    let y = numbers.array(count), dy = numbers.array(count)
    let expected = (0..<count).map { i -> Double in
      let row = i / columns * columns
      let dot = (0..<columns).reduce(0.0) { $0 + Double(y[row + $1]) * Double(dy[row + $1]) }
      return Double(y[i]) * (Double(dy[i]) - dot)
    }
    for set in InstructionSet.all {
      let dx = Floats(count: count, repeating: sentinel)
      set.kernels.softmax_gradient(dx.pointer, dy.pointer, y.pointer, rows, columns)
      #expect(difference(dx, expected, tolerance: 1e-5) == nil, "\(set.name)")
    }
  }

  @Test(arguments: shapes)
  func softmaxCrossEntropy(rows: Int, columns: Int) {
    let count = rows * columns
    let x = logits(count)
    // The last row's label is out of range: the row is ignored.
    let labels = GuardedArray<Int32>(
      (0..<rows).map {
        $0 == rows - 1 ? ($0 % 2 == 0 ? -1 : Int32(columns)) : Int32($0 % max(1, columns))
      })
    let probabilities = softmax(x, rows, columns)
    var losses = [Double](repeating: 0, count: rows)
    var gradient = [Double](repeating: 0, count: count)
    for r in 0..<rows where labels[r] >= 0 && labels[r] < Int32(columns) {
      losses[r] = -log(probabilities[r * columns + Int(labels[r])])
      for j in 0..<columns {
        gradient[r * columns + j] =
          0.25 * (probabilities[r * columns + j] - (j == labels[r] ? 1 : 0))
      }
    }
    for set in InstructionSet.all {
      let found = Floats(count: rows, repeating: sentinel)
      let dx = Floats(count: count, repeating: sentinel), inPlace = Floats(x.values)
      let k = set.kernels
      k.softmax_cross_entropy(
        found.pointer, dx.pointer, x.pointer, labels.pointer, 0.25, rows, columns)
      #expect(difference(found, losses, tolerance: 1e-5) == nil, "\(set.name)")
      #expect(difference(dx, gradient, tolerance: 1e-6) == nil, "\(set.name)")
      let alone = Floats(count: rows, repeating: sentinel)
      k.softmax_cross_entropy(alone.pointer, nil, x.pointer, labels.pointer, 0.25, rows, columns)
      #expect(bitDifference(found, alone) == nil, "\(set.name)")
      k.softmax_cross_entropy(
        alone.pointer, inPlace.pointer, inPlace.pointer, labels.pointer, 0.25, rows, columns)
      #expect(bitDifference(found, alone) == nil, "\(set.name)")
      #expect(bitDifference(dx, inPlace) == nil, "\(set.name)")
    }
  }

  @Test(arguments: shapes)
  func logSoftmaxGradient(rows: Int, columns: Int) {
    let count = rows * columns
    let x = logits(count)
    let probabilities = softmax(x, rows, columns)
    var numbers = Numbers(seed: 6)
    let dy = numbers.array(count)
    let expected = (0..<count).map { i -> Double in
      let row = i / columns * columns
      let sum = (0..<columns).reduce(0.0) { $0 + Double(dy[row + $1]) }
      return Double(dy[i]) - probabilities[i] * sum
    }
    for set in InstructionSet.all {
      let y = Floats(probabilities.map { Float(log($0)) })
      let dx = Floats(count: count, repeating: sentinel)
      set.kernels.log_softmax_gradient(dx.pointer, dy.pointer, y.pointer, rows, columns)
      #expect(difference(dx, expected, tolerance: 1e-5) == nil, "\(set.name)")
    }
  }

  @Test(arguments: shapes, [false, true])
  func smoothedCrossEntropy(shape: (rows: Int, columns: Int), isWeighted: Bool) {
    let (rows, columns) = shape
    let count = rows * columns
    let x = logits(count)
    var numbers = Numbers(seed: 9)
    let weights = numbers.array(columns)
    for c in 0..<columns { weights[c] = isWeighted ? abs(weights[c]) : 1 }
    let labels = GuardedArray<Int32>(
      (0..<rows).map { $0 == rows - 1 ? -1 : Int32($0 % max(1, columns)) })
    let probabilities = softmax(x, rows, columns)
    var losses = [Double](repeating: 0, count: rows)
    var gradient = [Double](repeating: 0, count: count)
    for r in 0..<rows where labels[r] >= 0 {
      let shares = (0..<columns).map {
        Double(weights[$0]) * (($0 == labels[r] ? 0.7 : 0) + 0.3 / Double(columns))
      }
      let total = shares.reduce(0, +)
      for (c, share) in shares.enumerated() {
        losses[r] -= share * log(probabilities[r * columns + c])
        gradient[r * columns + c] = 0.25 * (total * probabilities[r * columns + c] - share)
      }
    }
    for set in InstructionSet.all {
      let found = Floats(count: rows, repeating: sentinel)
      let dx = Floats(count: count, repeating: sentinel)
      set.kernels.smoothed_cross_entropy(
        found.pointer, dx.pointer, x.pointer, labels.pointer, isWeighted ? weights.pointer : nil,
        0.3, 0.25, rows, columns)
      #expect(difference(found, losses, tolerance: 4e-5) == nil, "\(set.name)")
      #expect(difference(dx, gradient, tolerance: 1e-6) == nil, "\(set.name)")
      let alone = Floats(count: rows, repeating: sentinel)
      set.kernels.smoothed_cross_entropy(
        alone.pointer, nil, x.pointer, labels.pointer, isWeighted ? weights.pointer : nil, 0.3,
        0.25, rows, columns)
      #expect(bitDifference(found, alone) == nil, "\(set.name)")
    }
  }

  @Test(arguments: shapes.filter { $0.1 > 0 }, [false, true])
  func layerNormalisation(shape: (rows: Int, columns: Int), isCentered: Bool) {
    let (rows, columns) = shape
    let count = rows * columns
    var numbers = Numbers(seed: 11)
    let x = numbers.array(count), dy = numbers.array(count)
    let scale = numbers.array(columns), offset = numbers.array(columns)
    var y: [Double] = [], dx: [Double] = [], statistics: [Double] = []
    var dscale = [Double](repeating: 0, count: columns), doffset = dscale
    for r in 0..<rows {
      let row = (0..<columns).map { Double(x[r * columns + $0]) }
      let mean = isCentered ? row.reduce(0, +) / Double(columns) : 0
      let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(columns)
      let inverse = 1 / sqrt(variance + 0.25)
      let normal = row.map { ($0 - mean) * inverse }
      let g = (0..<columns).map { Double(dy[r * columns + $0]) * Double(scale[$0]) }
      let shift = isCentered ? g.reduce(0, +) / Double(columns) : 0
      let slope = zip(g, normal).reduce(0) { $0 + $1.0 * $1.1 } / Double(columns)
      for j in 0..<columns {
        y.append(normal[j] * Double(scale[j]) + (isCentered ? Double(offset[j]) : 0))
        dx.append(inverse * (g[j] - shift - normal[j] * slope))
        dscale[j] += Double(dy[r * columns + j]) * normal[j]
        doffset[j] += Double(dy[r * columns + j])
      }
      statistics += [mean, inverse]
    }
    for set in InstructionSet.all {
      let k = set.kernels
      let out = Floats(x.values), kept = Floats(count: 2 * rows, repeating: sentinel)
      k.layer_norm(
        out.pointer, kept.pointer, out.pointer, scale.pointer, isCentered ? offset.pointer : nil,
        0.25, isCentered ? 1 : 0, rows, columns)
      #expect(difference(out, y, tolerance: 2e-6) == nil, "\(set.name)")
      #expect(difference(kept, statistics, tolerance: 2e-6) == nil, "\(set.name)")
      let d = Floats(dy.values)
      k.layer_norm_gradient(
        d.pointer, d.pointer, x.pointer, kept.pointer, scale.pointer, isCentered ? 1 : 0, rows,
        columns)
      #expect(difference(d, dx, tolerance: 4e-6) == nil, "\(set.name)")
      let (s, o) = (
        Floats(count: columns, repeating: sentinel), Floats(count: columns, repeating: sentinel)
      )
      k.layer_norm_gradient_sums(
        s.pointer, o.pointer, dy.pointer, x.pointer, kept.pointer, rows, columns)
      #expect(difference(s, dscale, tolerance: 1e-5) == nil, "\(set.name)")
      #expect(difference(o, doffset, tolerance: 1e-5) == nil, "\(set.name)")
    }
  }

  @Test(arguments: shapes)
  func biasAndActivation(rows: Int, columns: Int) {
    let count = rows * columns
    var numbers = Numbers(seed: 7)
    let x = numbers.array(count), bias = numbers.array(columns)
    for activation in ActivationCase.all {
      let expected = (0..<count).map {
        activation.value(Double(x[$0]) + Double(bias[$0 % columns]))
      }
      for set in InstructionSet.all {
        let out = Floats(x.values)
        set.kernels.add_bias(
          out.pointer, out.pointer, bias.pointer, activation.code, rows, columns)
        #expect(difference(out, expected, tolerance: 1e-6) == nil, "\(set.name)")
      }
    }
  }

  @Test(arguments: InstructionSet.all)
  func argmaxTakesTheFirstOfEqualsAndNaN(set: InstructionSet) {
    let x = Floats([1, 3, 3, -1, -1, -2, 0, .nan, 5])
    let out = GuardedArray<Int32>(count: 3, repeating: 77)
    set.kernels.row_argmax(out.pointer, x.pointer, 3, 3)
    #expect(out.values == [1, 0, 1])
    set.kernels.row_argmax(out.pointer, x.pointer, 3, 0)
    #expect(out.values == [-1, -1, -1])
  }

  @Test(arguments: [(0, 3), (3, 0), (1, 1), (4, 4), (5, 17), (16, 16), (33, 40), (70, 9)])
  func transposes(rows: Int, columns: Int) {
    let gap = 2
    var numbers = Numbers(seed: 8)
    let count = rows == 0 ? 0 : (rows - 1) * (columns + gap) + columns
    let x = numbers.array(columns == 0 ? 0 : count)
    let outCount = columns == 0 || rows == 0 ? 0 : (columns - 1) * (rows + gap) + rows
    for set in InstructionSet.all {
      let out = Floats(count: outCount, repeating: sentinel)
      for part in parts(of: rows, step: 7) {
        set.kernels.transpose(
          out.pointer, rows + gap, x.pointer, columns + gap, part.lowerBound, part.upperBound,
          columns)
      }
      for i in 0..<outCount {
        let (j, r) = (i / (rows + gap), i % (rows + gap))
        let expected = r < rows ? x[r * (columns + gap) + j] : sentinel
        guard out[i] == expected else {
          Issue.record("\(set.name): [\(j), \(r)] is \(out[i]), expected \(expected)")
          return
        }
      }
    }
  }
}
