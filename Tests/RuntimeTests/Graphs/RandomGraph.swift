// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing

@testable import Runtime

/// Numbers of a batch in double precision, (N, ...) row by row.
struct ReferenceTensor {
  var dimensions: [Int]
  var elements: [Double]

  var batch: Int { dimensions[0] }
  /// Elements of one sample.
  var count: Int { dimensions.dropFirst().reduce(1, *) }
}

/// A graph made by chance, with the slow and plain way to compute each of its values beside it.
///
/// A function of its seed. Every operation says itself what it computes, element by element from its definition,
/// and shares no code with the runtime.
struct RandomGraph {
  typealias Evaluation = ([ReferenceTensor], [String: [Double]]) -> ReferenceTensor

  private(set) var graph = Graph()
  /// Inputs first, then a value for each operation.
  private(set) var values: [Graph.Value] = []
  private var steps: [(operands: [Int], evaluate: Evaluation)] = []
  private(set) var parameters: [String: [Double]] = [:]
  /// Those that are learned.
  private(set) var trainable: [String] = []
  private let inputShapes: [[Int]]
  private var random: RandomNumbers

  /// - Parameter operationCount: how many operations; the last one uses values that none has used yet.
  init(seed: UInt64, operationCount: Int) throws {
    random = RandomNumbers(seed: seed)
    inputShapes = [[5, 6, 3], [7]]
    for (index, shape) in inputShapes.enumerated() {
      values.append(try graph.input("x\(index)", shape: Shape(shape)))
    }
    for _ in 0..<operationCount { try addOperation() }
  }

  /// Values of the graph for these inputs.
  func evaluate(_ inputs: [ReferenceTensor], _ parameters: [String: [Double]]) -> [ReferenceTensor]
  {
    var results = inputs
    for step in steps {
      results.append(step.evaluate(step.operands.map { results[$0] }, parameters))
    }
    return results
  }

  /// Inputs made by chance, exact in single precision.
  mutating func makeInputs(batch: Int) -> [ReferenceTensor] {
    inputShapes.map { shape in
      let count = batch * shape.reduce(1, *)
      return ReferenceTensor(
        dimensions: [batch] + shape, elements: (0..<count).map { _ in random.number() })
    }
  }

  /// Positions of some values of operations.
  mutating func someOutputs() -> [Int] {
    let last = values.count - 1
    let others = (0..<random.below(3)).map { _ in
      inputShapes.count + random.below(steps.count)
    }
    return Array(Set([last] + others)).sorted()
  }

  private func shape(_ value: Int) -> [Int] { graph.type(of: values[value]).shape.dimensions }

  private mutating func append(
    _ value: Graph.Value, _ operands: [Int], _ body: @escaping Evaluation
  ) {
    values.append(value)
    steps.append((operands, body))
  }

  private mutating func parameter(
    _ shape: [Int], from low: Double, to high: Double, isTrainable: Bool = true
  ) throws -> (value: Graph.Value, name: String) {
    let name = "p\(parameters.count)"
    let count = shape.reduce(1, *)
    parameters[name] = (0..<count).map { _ in
      Double(Float(low + (high - low) * (random.number() + 1) / 2))
    }
    if isTrainable { trainable.append(name) }
    let value = try graph.parameter(name, shape: Shape(shape), .zeros, isTrainable: isTrainable)
    return (value, name)
  }

  private mutating func addOperation() throws {
    // Late values more often, so that graphs grow deep and still branch.
    let operand = values.count - 1 - min(random.below(values.count), random.below(values.count))
    let rank = shape(operand).count
    switch random.below(12) {
    case 0, 1: try addActivation(operand)
    case 2: try addSum(operand)
    case 3: try addScaling(operand)
    case 4, 5: rank == 3 ? try addConvolution(operand) : try addDense(operand)
    case 6: rank == 3 ? try addPooling(operand) : try addDense(operand)
    case 7: try addNormalization(operand)
    case 8: try addRows(operand)
    case 9: try addReshape(operand)
    case 10: try addSliceAndConcatenation(operand)
    default: try addDropout(operand)
    }
  }

  private mutating func addActivation(_ operand: Int) throws {
    let choices: [(Activation, @Sendable (Double) -> Double)] = [
      (.relu, { max($0, 0) }), (.sigmoid, { 1 / (1 + exp(-$0)) }), (.tanh, { tanh($0) }),
      (.leakyRelu, { $0 > 0 ? $0 : $0 / 100 }), (.elu, { $0 > 0 ? $0 : exp($0) - 1 }),
      (.gelu, { $0 / 2 * (1 + erf($0 / 2.0.squareRoot())) }), (.silu, { $0 / (1 + exp(-$0)) }),
      (.softplus, { log1p(exp(-abs($0))) + max($0, 0) }), (.hardTanh, { min(max($0, -1), 1) }),
    ]
    let (activation, function) = choices[random.below(choices.count)]
    append(try graph.activate(values[operand], activation), [operand]) { x, _ in
      ReferenceTensor(dimensions: x[0].dimensions, elements: x[0].elements.map(function))
    }
  }

  private mutating func addSum(_ operand: Int) throws {
    let alike = values.indices.filter { shape($0) == shape(operand) }
    let other = alike[random.below(alike.count)]
    append(try graph.add(values[operand], values[other]), [operand, other]) { x, _ in
      ReferenceTensor(
        dimensions: x[0].dimensions, elements: zip(x[0].elements, x[1].elements).map { $0 + $1 })
    }
  }

  private mutating func addScaling(_ operand: Int) throws {
    let (scale, offset) = (Float(random.number()) + 1.5, Float(random.number()))
    append(try graph.convert(values[operand], scale: scale, offset: offset), [operand]) { x, _ in
      ReferenceTensor(
        dimensions: x[0].dimensions,
        elements: x[0].elements.map { $0 * Double(scale) + Double(offset) })
    }
  }

  private mutating func addDense(_ operand: Int) throws {
    var operand = operand
    if shape(operand).count > 1 {
      try addFlatten(operand)
      operand = values.count - 1
    }
    let (inputs, units) = (shape(operand)[0], 1 + random.below(9))
    let limit = 1.5 / Double(inputs).squareRoot()
    let weights = try parameter([inputs, units], from: -limit, to: limit)
    let bias = random.below(2) == 0 ? try parameter([units], from: -0.5, to: 0.5) : nil
    let y = try graph.dense(values[operand], weights: weights.value, bias: bias?.value)
    append(y, [operand]) { x, p in
      let w = p[weights.name] ?? []
      var result = ReferenceTensor(dimensions: [x[0].batch, units], elements: [])
      for sample in 0..<x[0].batch {
        for unit in 0..<units {
          var sum = bias.flatMap { p[$0.name]?[unit] } ?? 0
          for index in 0..<inputs {
            sum += x[0].elements[sample * inputs + index] * w[index * units + unit]
          }
          result.elements.append(sum)
        }
      }
      return result
    }
  }

  private mutating func addConvolution(_ operand: Int) throws {
    let s = shape(operand)
    let kernel = 1 + random.below(min(3, s[0], s[1]))
    let (filters, stride) = (1 + random.below(6), 1 + random.below(2))
    let isSame = random.below(2) == 0
    let limit = 1.5 / Double(kernel * kernel * s[2]).squareRoot()
    let weights = try parameter([kernel, kernel, s[2], filters], from: -limit, to: limit)
    let bias = random.below(2) == 0 ? try parameter([filters], from: -0.5, to: 0.5) : nil
    let y = try graph.conv2d(
      values[operand], weights: weights.value, bias: bias?.value, stride: stride,
      padding: isSame ? .same : .valid)
    let result = graph.type(of: y).shape.dimensions
    append(y, [operand]) { x, p in
      let w = p[weights.name] ?? []
      return Self.windows(x[0], result, kernel, stride) { taps, channel in
        var sum = bias.flatMap { p[$0.name]?[channel] } ?? 0
        for (tap, pixel) in taps {
          for input in 0..<s[2] {
            sum += x[0].elements[pixel + input] * w[(tap * s[2] + input) * filters + channel]
          }
        }
        return sum
      }
    }
  }

  private mutating func addPooling(_ operand: Int) throws {
    let s = shape(operand)
    let (size, stride) = (1 + random.below(min(2, s[0], s[1])), 1 + random.below(2))
    let isMaximum = random.below(2) == 0
    let y =
      isMaximum
      ? try graph.maxPool2D(values[operand], size: size, stride: stride)
      : try graph.averagePool2D(values[operand], size: size, stride: stride)
    let result = graph.type(of: y).shape.dimensions
    append(y, [operand]) { x, _ in
      Self.windows(x[0], result, size, stride) { taps, channel in
        let numbers = taps.map { x[0].elements[$0.pixel + channel] }
        return isMaximum
          ? numbers.reduce(-.infinity, max) : numbers.reduce(0, +) / Double(numbers.count)
      }
    }
  }

  /// Calls `body` for every element of a result of windows, with the taps that lie inside the image.
  private static func windows(
    _ x: ReferenceTensor, _ shape: [Int], _ kernel: Int, _ stride: Int,
    _ body: (_ taps: [(tap: Int, pixel: Int)], _ channel: Int) -> Double
  ) -> ReferenceTensor {
    let (height, width, channels) = (x.dimensions[1], x.dimensions[2], x.dimensions[3])
    // Padding that makes the result's size is spread evenly, the odd one behind.
    let top = max(0, (shape[0] - 1) * stride + kernel - height) / 2
    let left = max(0, (shape[1] - 1) * stride + kernel - width) / 2
    var result = ReferenceTensor(dimensions: [x.batch] + shape, elements: [])
    for sample in 0..<x.batch {
      for row in 0..<shape[0] {
        for column in 0..<shape[1] {
          var taps: [(tap: Int, pixel: Int)] = []
          for i in 0..<kernel {
            for j in 0..<kernel {
              let (y, z) = (row * stride - top + i, column * stride - left + j)
              guard y >= 0, y < height, z >= 0, z < width else { continue }
              taps.append((i * kernel + j, ((sample * height + y) * width + z) * channels))
            }
          }
          for channel in 0..<shape[2] { result.elements.append(body(taps, channel)) }
        }
      }
    }
    return result
  }

  /// Batch normalisation by running statistics, or by rows.
  private mutating func addNormalization(_ operand: Int) throws {
    let channels = shape(operand).last ?? 1
    let isByRows = channels > 1 && random.below(2) == 0
    // Frozen, a batch normalisation learns nothing.
    let scale = try parameter([channels], from: 0.5, to: 1.5, isTrainable: isByRows)
    let offset = try parameter([channels], from: -0.5, to: 0.5, isTrainable: isByRows)
    if isByRows {
      let y = try graph.layerNormalization(
        values[operand], scale: scale.value, offset: offset.value)
      return append(y, [operand]) { x, p in
        Self.rows(x[0]) { row in
          let mean = row.reduce(0, +) / Double(channels)
          let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(channels)
          return row.enumerated().map { index, value in
            (value - mean) / (variance + Double(Float(1e-5))).squareRoot()
              * (p[scale.name]?[index] ?? 0) + (p[offset.name]?[index] ?? 0)
          }
        }
      }
    }
    let mean = try parameter([channels], from: -0.5, to: 0.5, isTrainable: false)
    let variance = try parameter([channels], from: 0.5, to: 2, isTrainable: false)
    let y = try graph.batchNormalization(
      values[operand], scale: scale.value, offset: offset.value, runningMean: mean.value,
      runningVariance: variance.value, isFrozen: true)
    append(y, [operand]) { x, p in
      Self.rows(x[0]) { row in
        row.enumerated().map { index, value in
          let deviation = ((p[variance.name]?[index] ?? 0) + Double(Float(1e-5))).squareRoot()
          return (value - (p[mean.name]?[index] ?? 0)) / deviation * (p[scale.name]?[index] ?? 0)
            + (p[offset.name]?[index] ?? 0)
        }
      }
    }
  }

  private static func rows(
    _ x: ReferenceTensor, _ body: ([Double]) -> [Double]
  ) -> ReferenceTensor {
    let columns = x.dimensions.last ?? 1
    var result = x
    result.elements = stride(from: 0, to: x.elements.count, by: columns).flatMap {
      body(Array(x.elements[$0..<($0 + columns)]))
    }
    return result
  }

  /// Softmax of rows, or the mean of each channel.
  private mutating func addRows(_ operand: Int) throws {
    if shape(operand).count > 1, random.below(2) == 0 {
      let y = try graph.globalAveragePool(values[operand])
      return append(y, [operand]) { x, _ in
        let channels = x[0].dimensions.last ?? 1
        let pixels = x[0].count / channels
        var result = ReferenceTensor(dimensions: [x[0].batch, channels], elements: [])
        for sample in 0..<x[0].batch {
          for channel in 0..<channels {
            let sum = (0..<pixels).reduce(0) {
              $0 + x[0].elements[sample * x[0].count + $1 * channels + channel]
            }
            result.elements.append(sum / Double(pixels))
          }
        }
        return result
      }
    }
    guard shape(operand).count == 1 else { return try addActivation(operand) }
    append(try graph.softmax(values[operand]), [operand]) { x, _ in
      Self.rows(x[0]) { row in
        let top = row.reduce(-.infinity, max)
        let powers = row.map { exp($0 - top) }
        let sum = powers.reduce(0, +)
        return powers.map { $0 / sum }
      }
    }
  }

  private mutating func addFlatten(_ operand: Int) throws {
    append(try graph.flatten(values[operand]), [operand]) { x, _ in
      ReferenceTensor(dimensions: [x[0].batch, x[0].count], elements: x[0].elements)
    }
  }

  private mutating func addReshape(_ operand: Int) throws {
    guard shape(operand).count == 3, random.below(2) == 0 else { return try addFlatten(operand) }
    let s = shape(operand)
    let turned = [s[0] * s[1], 1, s[2]]
    append(try graph.reshape(values[operand], to: Shape(turned)), [operand]) { x, _ in
      ReferenceTensor(dimensions: [x[0].batch] + turned, elements: x[0].elements)
    }
  }

  /// The upper part of the last dimension behind all of it.
  private mutating func addSliceAndConcatenation(_ operand: Int) throws {
    let columns = shape(operand).last ?? 1
    let start = random.below(columns)
    let part = try graph.slice(values[operand], axis: -1, start..<columns)
    append(part, [operand]) { x, _ in
      var result = Self.rows(x[0]) { Array($0[start...]) }
      result.dimensions[result.dimensions.count - 1] = columns - start
      return result
    }
    let whole = [operand, values.count - 1]
    append(try graph.concatenate(whole.map { values[$0] }, axis: -1), whole) { x, _ in
      var result = x[0]
      result.dimensions[result.dimensions.count - 1] += columns - start
      let (a, b) = (columns, columns - start)
      result.elements = []
      for row in 0..<(x[0].elements.count / a) {
        result.elements += x[0].elements[(row * a)..<(row * a + a)]
        result.elements += x[1].elements[(row * b)..<(row * b + b)]
      }
      return result
    }
  }

  /// Nothing, but where a step of training is: a rate of zero keeps it so there.
  private mutating func addDropout(_ operand: Int) throws {
    append(try graph.dropout(values[operand], rate: 0), [operand]) { x, _ in x[0] }
  }
}

/// Numbers by chance, one after the other.
struct RandomNumbers {
  private let stream: Philox
  private var position: UInt64 = 0

  init(seed: UInt64) { stream = Philox(key: seed, stream: 99) }

  mutating func below(_ bound: Int) -> Int {
    position += 1
    return stream.integer(at: position, below: bound)
  }

  /// In -1..<1, exact in single precision.
  mutating func number() -> Double { Double(below(1 << 20)) / Double(1 << 19) - 1 }
}
