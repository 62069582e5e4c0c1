// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Runtime

/// Runs any values of a graph once, gradients included.
struct GraphRun {
  var graph = Graph()
  private var inputs: [(value: Graph.Value, elements: [Float])] = []
  private var parameters: [(value: Graph.Value, elements: [Float])] = []

  /// An input whose first dimension is the batch.
  mutating func input(_ name: String, _ shape: Shape, _ elements: [Float]) throws -> Graph.Value {
    let value = try graph.input(name, shape: try Shape(Array(shape.dimensions.dropFirst())))
    inputs.append((value, elements))
    return value
  }

  /// An input of INT32 whose first dimension is the batch; in memory its bits are those of the floats.
  mutating func indices(_ name: String, _ shape: Shape, _ elements: [Int32]) throws -> Graph.Value {
    let value = try graph.input(
      name, .int32, shape: try Shape(Array(shape.dimensions.dropFirst())))
    inputs.append((value, elements.map { Float(bitPattern: UInt32(bitPattern: $0)) }))
    return value
  }

  /// The elements of an input added to the graph directly.
  mutating func set(_ input: Graph.Value, _ elements: [Float]) { inputs.append((input, elements)) }

  mutating func parameter(
    _ name: String, _ shape: Shape, _ elements: [Float], isTrainable: Bool = true
  ) throws -> Graph.Value {
    let value = try graph.parameter(name, shape: shape, .zeros, isTrainable: isTrainable)
    parameters.append((value, elements))
    return value
  }

  /// Gradients of Σ y · dy.
  mutating func gradients(
    of y: Graph.Value, along dy: [Float], for targets: [Graph.Value]
  ) throws -> [Graph.Value] {
    let weights = try input("dy of \(y.index)", try graph.type(of: y).shape.prepending(1), dy)
    let loss = try graph.add(WeightedSum(), [y, weights])[0]
    return try graph.differentiate(loss, along: targets).map { try #require($0) }
  }

  /// Gradients of the sum over several values of Σ y · dy.
  mutating func gradients(
    ofSum terms: [(y: Graph.Value, dy: [Float])], for targets: [Graph.Value]
  ) throws -> [Graph.Value] {
    var loss: Graph.Value?
    for (y, dy) in terms {
      let weights = try input(
        "dy of \(y.index)", try graph.type(of: y).shape.prepending(1), dy)
      let term = try graph.add(WeightedSum(), [y, weights])[0]
      loss = try loss.map { try graph.add($0, term) } ?? term
    }
    return try graph.differentiate(try #require(loss), along: targets).map { try #require($0) }
  }

  struct Results {
    let values: [[Float]]
    let parameters: Parameters
    let program: Program
  }

  func run(
    _ outputs: [Graph.Value], batch: Int, mode: ProgramBuilder.Mode = .training,
    instructionSet: InstructionSet, threads: Int = 1, maximumBatch: Int? = nil, step: UInt64 = 1,
    seed: UInt64 = 7
  ) throws -> Results {
    let parameters = try Parameters(graph, seed: 0, instructionSet: instructionSet)
    for (value, elements) in self.parameters {
      let name = try #require(graph.name(of: value))
      try parameters.set(name, to: elements)
    }
    let fused = graph.fused(keeping: outputs)
    var builder = ProgramBuilder(
      fused, outputs: outputs, mode: mode, maximumBatch: maximumBatch ?? batch,
      instructionSet: instructionSet, parameterOffsets: parameters.entries.map { $0.offset })
    try builder.emitNodes()
    let program = try builder.build(outputs: outputs)
    let workers = try WorkerPool(threadCount: threads)
    let memory = try ProgramMemory(
      program, workers: threads, resident: try AlignedMemory(byteCount: program.residentByteCount),
      parameters: parameters.memory, gradients: nil)
    let elements = fused.inputs.map { value in
      inputs.first { $0.value == value }?.elements ?? []
    }
    let blocks = elements.map { block in
      let copy = UnsafeMutableBufferPointer<Float>.allocate(capacity: max(1, block.count))
      _ = copy.update(fromContentsOf: block)
      return copy
    }
    defer { blocks.forEach { $0.deallocate() } }
    for (index, block) in blocks.enumerated() {
      memory.setInput(index, UnsafeMutableRawPointer(try #require(block.baseAddress)))
    }
    let frame = memory.frame(batch: batch, step: step, seed: seed)
    workers.run(program.prologue, frame)
    workers.run(program.steps, frame)
    let values = withExtendedLifetime(memory) {
      zip(outputs, program.outputs).map { value, buffer in
        let count = graph.type(of: value).elementCount(batch: batch)
        return Array(UnsafeBufferPointer(start: frame.floats(buffer), count: count))
      }
    }
    return Results(values: values, parameters: parameters, program: program)
  }
}

/// Σ a · b: a loss whose gradient along a is b, to differentiate anything along anything.
private struct WeightedSum: Operation {
  var name: String { "weighted sum" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    [TensorType(.fp32, .scalar, isBatched: false)]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let (a, b) = (try program.buffer(node.operands[0]), try program.buffer(node.operands[1]))
    let y = try program.buffer(node.results[0])
    let type = program.type(of: node.operands[0])
    program.step(name, reads: [a, b], writes: [y], tiles: { _ in 1 }) { frame, _, _ in
      var sum = 0.0
      for index in 0..<type.elementCount(batch: frame.batch) {
        sum += Double(frame.floats(a)[index]) * Double(frame.floats(b)[index])
      }
      frame.floats(y)[0] = Float(sum)
    }
  }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    guard let dloss = along[0] else { return [nil, nil] }
    return [try graph.add(Scale(), [node.operands[1], dloss])[0], nil]
  }
}
