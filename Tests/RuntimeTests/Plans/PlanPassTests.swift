// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing

@testable import Runtime

/// Each pass of compilation: that it happened, and that answers are those of the operations one by one.
struct PlanPassTests {
  /// A graph, what it computes, and numbers for its parameters.
  private struct Network {
    var graph = Graph()
    var elements: [String: [Float]] = [:]
    private var count: UInt64 = 0

    mutating func numbers(_ count: Int) -> [Float] {
      self.count += 1
      let random = Philox(key: 11, stream: self.count)
      return (0..<count).map { Float(random.word(at: UInt64($0)) >> 8) / Float(1 << 23) - 1 }
    }

    mutating func parameter(_ shape: [Int]) throws -> Graph.Value {
      let name = "p\(elements.count)"
      elements[name] = numbers(shape.reduce(1, *)).map { $0 / 2 }
      return try graph.parameter(name, shape: Shape(shape), .zeros)
    }

    func parameters(_ isa: InstructionSet) throws -> Parameters {
      let parameters = try Parameters(graph, seed: 0, instructionSet: isa)
      for (name, values) in elements { try parameters.set(name, to: values) }
      return parameters
    }

    func plan(
      _ outputs: [Graph.Value], maximumBatch: Int = 5, _ isa: InstructionSet
    ) throws -> Plan {
      try Plan(
        graph, outputs: outputs, parameters: parameters(isa), maximumBatch: maximumBatch,
        instructionSet: isa)
    }

    /// The outputs of a plan.
    func run(_ plan: Plan, _ x: [Float], batch: Int, threads: Int = 2) throws -> [[Float]] {
      let execution = try plan.makeExecution(workers: WorkerPool(threadCount: threads))
      return try x.withUnsafeBytes { bytes in
        try execution.run([bytes], batch: batch)
        return withExtendedLifetime(execution) {
          plan.outputs.indices.map {
            Array(execution.output($0).assumingMemoryBound(to: Float.self))
          }
        }
      }
    }

    /// Outputs of the graph's nodes run one by one, nothing merged and nothing left out.
    func runApart(
      _ outputs: [Graph.Value], _ x: [Float], batch: Int, _ isa: InstructionSet
    ) throws -> [[Float]] {
      let parameters = try parameters(isa)
      var builder = ProgramBuilder(
        graph, outputs: outputs, mode: .inference, maximumBatch: batch, instructionSet: isa,
        parameterOffsets: parameters.entries.map { $0.offset })
      try builder.emitNodes()
      let program = try builder.build(outputs: outputs)
      let memory = try ProgramMemory(
        program, workers: 1, resident: AlignedMemory(byteCount: program.residentByteCount),
        parameters: parameters.memory, gradients: nil)
      var x = x
      return try x.withUnsafeMutableBytes { bytes in
        memory.setInput(0, try #require(bytes.baseAddress))
        let workers = try WorkerPool(threadCount: 1)
        workers.run(program.prologue, memory.frame(batch: batch))
        workers.run(program.steps, memory.frame(batch: batch))
        return withExtendedLifetime(memory) {
          zip(outputs, program.outputs).map { value, buffer in
            let count = graph.type(of: value).elementCount(batch: batch)
            return Array(
              UnsafeBufferPointer(start: memory.frame(batch: 1).floats(buffer), count: count))
          }
        }
      }
    }

    /// Checks that a plan's answers are those of the nodes one by one, and gives its explanation.
    mutating func explained(
      _ outputs: [Graph.Value], _ isa: InstructionSet, tolerance: Float = 1e-5
    ) throws -> PlanExplanation {
      let plan = try plan(outputs, isa)
      let shape = try #require(plan.inputs.first).type
      for batch in [5, 1, 3] {
        let x = numbers(shape.elementCount(batch: batch))
        let (together, apart) = (
          try run(plan, x, batch: batch), try runApart(outputs, x, batch: batch, isa)
        )
        for (a, b) in zip(together, apart) {
          let off = deviation(a, from: b)
          #expect(off <= tolerance, "batch \(batch) is off by \(off)")
        }
      }
      let explanation = plan.explanation
      #expect(
        try Plan.explanation(of: graph, outputs: outputs, maximumBatch: 5, instructionSet: isa)
          .steps.map(\.title) == explanation.steps.map(\.title))
      return explanation
    }
  }

  @Test(arguments: InstructionSet.available)
  func whatDependsOnParametersAloneIsComputedOnce(_ isa: InstructionSet) throws {
    var network = Network()
    let x = try network.graph.input("x", shape: Shape([6]))
    let (a, b) = (try network.parameter([6, 7]), try network.parameter([42]))
    let sum = try network.graph.add(a, network.graph.reshape(b, to: Shape([6, 7])))
    let weights = try network.graph.tanh(sum)
    let bias = try network.graph.sigmoid(network.parameter([7]))
    let y = try network.graph.dense(x, weights: weights, bias: bias)
    let explanation = try network.explained([y, weights], isa)
    #expect(explanation.steps.map(\.title) == ["dense"])
    #expect(explanation.constants.sorted() == ["add", "reshape", "sigmoid", "tanh"])
    #expect(explanation.steps[0].parameterCount == 49)
    let found = try network.run(network.plan([y, weights], isa), network.numbers(6), batch: 1)[1]
    let (p, q) = (network.elements["p0"] ?? [], network.elements["p1"] ?? [])
    #expect(deviation(found, from: zip(p, q).map { tanh($0 + $1) }) < 1e-6)
  }

  /// A plan whose parameters live computes constants anew when it is told that they changed.
  @Test func constantsFollowParametersThatChange() throws {
    let isa = try InstructionSet.preferred(forced: nil)
    var network = Network()
    let x = try network.graph.input("x", shape: Shape([3]))
    let weights = try network.graph.tanh(network.parameter([3, 4]))
    let y = try network.graph.dense(x, weights: weights)
    let parameters = try network.parameters(isa)
    let plan = try LivePlan(
      network.graph, outputs: [y], parameters: parameters, maximumBatch: 1,
      workers: WorkerPool(threadCount: 1), instructionSet: isa)
    let input: [Float] = [1, 2, 3]
    func answer() throws -> [Float] {
      try input.withUnsafeBytes { try plan.run([$0], batch: 1) }
      return withExtendedLifetime(plan) {
        Array(plan.output(0).assumingMemoryBound(to: Float.self))
      }
    }
    let before = try answer()
    try parameters.set("p0", to: [Float](repeating: 0, count: 12))
    #expect(try answer() == before)
    plan.refresh()
    #expect(try answer() == [0, 0, 0, 0])
  }

  @Test(arguments: InstructionSet.available)
  func whatNobodyReadsAndWhatChangesNothingIsLeftOut(_ isa: InstructionSet) throws {
    var network = Network()
    let x = try network.graph.input("x", shape: Shape([2, 6]))
    let unused = try network.graph.input("unused", shape: Shape([1]))
    _ = try network.graph.dense(unused, weights: network.parameter([1, 3]))
    var y = try network.graph.convert(x, scale: 1, offset: 0)
    y = try network.graph.dropout(y, rate: 0.5)
    y = try network.graph.reshape(y, to: Shape([3, 4]))
    y = try network.graph.flatten(y)
    y = try network.graph.reshape(y, to: Shape([12]))
    _ = try network.graph.softmax(y)
    y = try network.graph.dense(y, weights: network.parameter([12, 3]))
    let plan = try network.plan([y], isa)
    #expect(plan.inputs.map(\.name) == ["x"])
    #expect(plan.explanation.steps.map(\.title) == ["reshape", "dense"])
    let numbers = network.numbers(12)
    let apart = try network.runApart([y], numbers, batch: 1, isa)
    #expect(deviation(try network.run(plan, numbers, batch: 1)[0], from: apart[0]) < 1e-6)
  }

  @Test(arguments: InstructionSet.available)
  func elementwiseOperationsFormChains(_ isa: InstructionSet) throws {
    var network = Network()
    // More than one piece of a chain, and not a whole number of them.
    let x = try network.graph.input("x", shape: Shape([37, 61]))
    let a = try network.graph.tanh(x)
    let b = try network.graph.convert(a, scale: 2, offset: -0.5)
    let c = try network.graph.sigmoid(network.graph.add(b, x))
    let d = try network.graph.add(c, c)
    let explanation = try network.explained([d], isa, tolerance: 0)
    #expect(explanation.steps.map(\.title) == ["tanh + convert + add + sigmoid + add"])
    #expect(explanation.steps[0].operationCount == Double(5 * 37 * 61))

    // What another operation sees stays a value.
    let open = try network.explained([d, b], isa, tolerance: 0)
    #expect(open.steps.map(\.title) == ["tanh + convert", "add + sigmoid + add"])
    // Two chains that meet: the later one goes on.
    let e = try network.graph.add(
      network.graph.tanh(network.graph.sigmoid(x)),
      network.graph.activate(network.graph.tanh(x), .silu))
    let meeting = try network.explained([e], isa, tolerance: 0)
    #expect(meeting.steps.map(\.title) == ["sigmoid + tanh", "tanh + silu + add"])
  }

  /// Two residual blocks; the second one's shortcut is a convolution of its own.
  @Test(arguments: InstructionSet.available, [4, 40])
  func residualsGoIntoTheProduct(_ isa: InstructionSet, channels: Int) throws {
    var network = Network()
    let x = try network.graph.input("x", shape: Shape([7, 6, channels]))
    func conv(_ x: Graph.Value, kernel: Int = 3) throws -> Graph.Value {
      let scale = Float(3) / Float(kernel * kernel * channels)
      let weights = try network.parameter([kernel, kernel, channels, channels])
      let name = "p\(network.elements.count - 1)"
      network.elements[name] = network.elements[name]?.map { $0 * scale }
      return try network.graph.conv2d(
        x, weights: weights, bias: network.parameter([channels]), padding: .same)
    }
    var y = try network.graph.relu(conv(x))
    y = try network.graph.relu(network.graph.add(conv(y), x))
    let shortcut = try conv(y, kernel: 1)
    y = try network.graph.add(shortcut, conv(network.graph.relu(conv(y))))
    let explanation = try network.explained([y], isa)
    #expect(
      explanation.steps.map(\.title) == [
        "conv2d + relu", "conv2d + add + relu", "conv2d", "conv2d + relu", "conv2d + add",
      ])
  }

  @Test(arguments: InstructionSet.available, [6, 2100])
  func residualsGoIntoDenseProducts(_ isa: InstructionSet, inputs: Int) throws {
    var network = Network()
    let x = try network.graph.input("x", shape: Shape([inputs]))
    let shortcut = try network.graph.dense(x, weights: network.parameter([inputs, 5]))
    let product = try network.graph.dense(
      x, weights: network.parameter([inputs, 5]), bias: network.parameter([5]))
    let y = try network.graph.tanh(network.graph.add(product, network.graph.tanh(shortcut)))
    let explanation = try network.explained([y], isa, tolerance: 1e-4)
    #expect(explanation.steps.map(\.title) == ["dense + tanh", "dense + add + tanh"])
  }

  @Test(arguments: InstructionSet.available)
  func aNormalisationAndAResidualGoIntoOneConvolution(_ isa: InstructionSet) throws {
    var network = Network()
    let x = try network.graph.input("x", shape: Shape([5, 5, 3]))
    let weights = try network.parameter([3, 3, 3, 3])
    let statistics = try (0..<4).map { _ in try network.parameter([3]) }
    let variance = "p\(network.elements.count - 1)"
    network.elements[variance] = [0.5, 1, 2]
    var y = try network.graph.conv2d(x, weights: weights, padding: .same)
    y = try network.graph.batchNormalization(
      y, scale: statistics[0], offset: statistics[1], runningMean: statistics[2],
      runningVariance: statistics[3])
    y = try network.graph.relu(network.graph.add(y, x))
    let explanation = try network.explained([y], isa)
    #expect(explanation.steps.map(\.title) == ["conv2d + batch_norm + add + relu"])
  }

  @Test func aProductThatOthersSeeKeepsItsValue() throws {
    let isa = try InstructionSet.preferred(forced: nil)
    var network = Network()
    let x = try network.graph.input("x", shape: Shape([4]))
    let product = try network.graph.dense(x, weights: network.parameter([4, 4]))
    let sum = try network.graph.add(product, x)
    #expect(
      try network.explained([sum, product], isa).steps.map(\.title) == ["dense", "add"])
    let twice = try network.graph.add(product, product)
    #expect(try network.explained([twice], isa).steps.map(\.title) == ["dense", "add"])
  }

  /// Memory is known before it is taken, is what is then taken, and depends on the largest batch alone.
  @Test func memoryIsKnownBeforeItIsTaken() throws {
    let network = try SmallNetwork()
    let isa = try InstructionSet.preferred(forced: nil)
    let workers = try WorkerPool(threadCount: 2)
    let parameters = try Parameters(network.graph, seed: 2, instructionSet: isa)
    for batch in [1, 16] {
      let known = try Plan.memory(
        of: network.graph, outputs: [network.probabilities], maximumBatch: batch,
        instructionSet: isa)
      let plan = try Plan(
        network.graph, outputs: [network.probabilities], parameters: parameters,
        maximumBatch: batch, instructionSet: isa)
      #expect(plan.memory == known)
      #expect(plan.weightByteCount == known.resident)
      let taken = try plan.makeExecution(workers: workers).byteCount
      // Scratch memory of each thread begins on a page of its own.
      #expect(taken >= known.values + 2 * known.scratchPerThread)
      #expect(taken <= known.values + 2 * (known.scratchPerThread + 4095))
      #expect(known.values < known.valuesUnshared)
    }
    // A plan too large for this machine is compiled, and takes nothing.
    let large = try Plan.memory(
      of: network.graph, outputs: [network.probabilities], maximumBatch: 1 << 24,
      instructionSet: isa)
    #expect(large.values > 1 << 36)
  }
}
