// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Runtime

/// Halves at the edges of a plan and in files of weights.
@Suite struct HalfPrecisionTests {
  private static let numbers: [Float] = (0..<70).map { Float($0 - 35) / 16 }

  @Test(arguments: [DataType.fp16, .bf16])
  func halvesEnterAPlan(type: DataType) throws {
    for isa in InstructionSet.available {
      var graph = Graph()
      let x = try graph.input("x", type, shape: Shape([7]))
      let y = try graph.convert(x, scale: 0.5, offset: 1)
      let plan = try Plan(
        graph, outputs: [y], parameters: Parameters(graph, seed: 0, instructionSet: isa),
        maximumBatch: 10, instructionSet: isa)
      let execution = try plan.makeExecution(workers: WorkerPool(threadCount: 1))
      let halves = Self.numbers.map {
        type == .fp16 ? Float16($0).bitPattern : UInt16($0.bitPattern >> 16)
      }
      try halves.withUnsafeBytes { try execution.run([$0], batch: 10) }
      let answer = Array(execution.output(0).assumingMemoryBound(to: Float.self))
      #expect(answer == Self.numbers.map { $0 * 0.5 + 1 }, "\(isa.name)")
    }
  }

  private static func parameters(_ graph: inout Graph) throws -> Parameters {
    _ = try graph.parameter("w", shape: Shape([10, 7]), .zeros)
    _ = try graph.parameter("b", shape: Shape([7]), .zeros)
    let parameters = try Parameters(graph, seed: 0, instructionSet: .preferred())
    try parameters.set("w", to: numbers)
    try parameters.set("b", to: (0..<7).map { Float($0) * 0.1 })
    return parameters
  }

  /// The file's types by name, and what another set of parameters loads of it.
  private static func reloaded(
    _ bytes: [UInt8], _ graph: Graph
  ) throws -> (types: [String: DataType], w: [Float]?, b: [Float]?) {
    let isa = try InstructionSet.preferred()
    let other = try Parameters(graph, seed: 9, instructionSet: isa)
    return try bytes.withUnsafeBytes { bytes in
      let file = try SafetensorsFile(parsing: bytes)
      try other.loadConverting(file, bytes, instructionSet: isa)
      return (
        Dictionary(uniqueKeysWithValues: file.entries.map { ($0.name, $0.datatype) }), other["w"],
        other["b"]
      )
    }
  }

  @Test func weightsAreStoredInTheTypeOfTheirPrecision() throws {
    var graph = Graph()
    let parameters = try Self.parameters(&graph)
    let isa = try InstructionSet.preferred()
    let bf16 = try Self.reloaded(parameters.encode(as: .bf16, instructionSet: isa), graph)
    #expect(bf16.types == ["w": .bf16, "b": .fp32])
    #expect(bf16.w == Self.numbers)
    #expect(bf16.b == parameters["b"])

    let precision = Precision.int8(ActivationRanges(["w": 0...1]))
    let int8 = try Self.reloaded(parameters.encode(as: precision, instructionSet: isa), graph)
    #expect(int8.types == ["w": .int8, "w.scale": .fp32, "b": .fp32])
    let step: Float = 35 / 16 / 127
    let loaded = try #require(int8.w)
    #expect(zip(loaded, Self.numbers).allSatisfy { abs($0 - $1) <= step / 2 + 1e-6 })
    #expect(int8.b == parameters["b"])
    // Rounding what was rounded changes nothing.
    try parameters.set("w", to: loaded)
    #expect(
      try Self.reloaded(parameters.encode(as: precision, instructionSet: isa), graph).w == loaded)
  }

  @Test func halvesAndDoublesOfOtherFrameworksAreRead() throws {
    var graph = Graph()
    let parameters = try Self.parameters(&graph)
    let bias = Array(repeating: 0.25, count: 7) as [Double]
    let halves = Self.numbers.map { Float16($0).bitPattern }
    let bytes = try halves.withUnsafeBytes { halves in
      try bias.withUnsafeBytes { bias in
        try SafetensorsWriter.encode([
          (.init("w", .fp16, Shape([10, 7])), halves), (.init("b", .fp64, Shape([7])), bias),
        ])
      }
    }
    let read = try Self.reloaded(bytes, graph)
    #expect(read.w == Self.numbers)
    #expect(read.b == [Float](repeating: 0.25, count: 7))
    _ = parameters
  }

  @Test func aFileThatDoesNotFitChangesNothing() throws {
    var graph = Graph()
    let parameters = try Self.parameters(&graph)
    let levels = [Int8](repeating: 3, count: 70)
    let bias = [Float](repeating: 0, count: 7)
    let isa = try InstructionSet.preferred()
    let bytes = try levels.withUnsafeBytes { levels in
      try bias.withUnsafeBytes { bias in
        try SafetensorsWriter.encode([
          (.init("w", .int8, Shape([10, 7])), levels), (.init("b", .fp32, Shape([7])), bias),
        ])
      }
    }
    let error = try bytes.withUnsafeBytes { bytes in
      let file = try SafetensorsFile(parsing: bytes)
      return #expect(throws: RuntimeError.self) {
        try parameters.loadConverting(file, bytes, instructionSet: isa)
      }
    }
    #expect(error?.field == "w.scale")
    #expect(parameters["w"] == Self.numbers)
    #expect(parameters["b"]?.last == 0.6)
  }
}
