// SPDX-License-Identifier: Apache-2.0

import Runtime
import Testing

struct ShapeTests {
  @Test func countsElements() throws {
    #expect(try Shape([]).elementCount == 1)
    #expect(try Shape([28, 28, 1]).elementCount == 784)
    #expect(try Shape([4, 0, 7]).elementCount == 0)
    #expect(try Shape([2, 3]).byteCount(of: .fp64) == 48)
    #expect(try Shape([2, 3])[-1] == 3)
    #expect(try Shape([2, 3]).prepending(5).dimensions == [5, 2, 3])
  }

  @Test(arguments: [[1 << 32, 1 << 32], [Int.max, 2], [3, Int.max / 2], [1 << 62, 1 << 62, 0]])
  func refusesProductsThatOverflow(_ dimensions: [Int]) {
    let error = #expect(throws: RuntimeError.self) { try Shape(dimensions) }
    #expect(error?.code == .tooLarge)
  }

  @Test func refusesNegativeDimensionsAndByteCountsThatOverflow() throws {
    #expect(throws: RuntimeError.self) { try Shape([2, -1]) }
    let shape = try Shape([1 << 61])
    #expect(throws: RuntimeError.self) { try shape.byteCount(of: .fp32) }
    #expect(throws: RuntimeError.self) { try shape.byteCount(of: .bytes) }
  }

  @Test func dataTypesHaveTheirProtocolNamesAndSizes() {
    #expect(DataType(rawValue: "FP32") == .fp32)
    #expect(DataType(rawValue: "float") == nil)
    #expect(DataType.allCases.count == 14)
    #expect(DataType.allCases.map(\.byteCount).compactMap { $0 }.reduce(0, +) == 47)
  }

  @Test func tensorsCheckTheirElements() throws {
    let tensor = try Tensor(Shape([2, 2]), [1, 2, 3, 4])
    #expect(tensor.floats == [1, 2, 3, 4])
    #expect(throws: RuntimeError.self) { _ = try Tensor(Shape([2, 2]), [1, 2, 3]) }
    #expect(throws: RuntimeError.self) { _ = try Tensor(.fp32, Shape([1 << 50])) }
    let copy = try tensor.withUnsafeBytes { try Tensor(.fp32, Shape([4]), copying: $0) }
    #expect(copy.floats == tensor.floats)
    #expect(throws: RuntimeError.self) {
      try tensor.withUnsafeBytes { _ = try Tensor(.fp32, Shape([5]), copying: $0) }
    }
    // Large enough for pages of its own.
    let large = try Tensor(.uint8, Shape([5 << 20]))
    #expect(large.withUnsafeBytes { $0.allSatisfy { $0 == 0 } })
  }
}
