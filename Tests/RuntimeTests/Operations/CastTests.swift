// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Runtime

/// Numbers from type to type, there and back.
struct CastTests {
  private static let types = DataType.allCases.filter { $0 != .bytes }

  private func cast(_ values: [Float], through types: [DataType]) throws -> [Float] {
    let isa = try InstructionSet.preferred(forced: nil)
    var run = GraphRun()
    var value = try run.input("x", Shape([1, values.count]), values)
    for type in types { value = try run.graph.cast(value, to: type) }
    value = try run.graph.cast(value, to: .fp32)
    return try run.run([value], batch: 1, instructionSet: isa).values[0]
  }

  @Test(arguments: types)
  func smallWholeNumbersStay(_ type: DataType) throws {
    let values: [Float] = [0, 1, 0, 1]
    #expect(try cast(values, through: [type]) == values)
    guard type != .bool else { return }
    let more: [Float] = [2, 100, 127, 3]
    for second in Self.types where second != .bool {
      #expect(try cast(more, through: [type, second]) == more, "through \(second)")
    }
  }

  @Test func integersAreHeldWithinTheirRange() throws {
    let values: [Float] = [1e30, -1e30, .nan, -1.9, 2.9, .infinity]
    #expect(try cast(values, through: [.int8]) == [127, -128, 0, -1, 2, 127])
    #expect(try cast(values, through: [.uint8]) == [255, 0, 0, 0, 2, 255])
    #expect(
      try cast(values, through: [.int64])
        == [9_223_372_036_854_775_807, -9_223_372_036_854_775_808, 0, -1, 2, 9.223372e18])
    #expect(try cast([300, -5], through: [.int32, .uint8]) == [255, 0])
    #expect(try cast([0.5, -0.0, .nan], through: [.bool]) == [1, 0, 1])
  }

  @Test func halvesAreRoundedToTheNearestEven() throws {
    let x: [Float] = [2049, 2051, 65519, 65520, 1e-7, 5.97e-8, 2e-8, -0.1, 6.1e-5]
    let halves: [Float] = [
      2048, 2052, 65504, .infinity, 1.1920929e-07, 5.9604645e-08, 0, -0.099975586, 6.097555e-05,
    ]
    #expect(try cast(x, through: [.fp16]) == halves)
    #expect(
      try cast([1.00390625, 1.01171875, -3.14159], through: [.bf16]) == [1, 1.015625, -3.140625])
    #expect(try cast([.nan], through: [.fp16])[0].isNaN)
    #expect(try cast([.nan], through: [.bf16])[0].isNaN)
  }
}
