// SPDX-License-Identifier: Apache-2.0
import MassifClient
import Testing

struct TensorTests {
  @Test func keepsElements() throws {
    let tensor = try Tensor("x", shape: [2, 3], [1, 2, 3, 4, 5, 6] as [Float])
    #expect(tensor.dataType == .fp32)
    #expect(tensor.byteCount == 24)
    #expect(try tensor.elements(of: Float.self) == [1, 2, 3, 4, 5, 6])
  }

  @Test func keepsEveryElementType() throws {
    func roundTrip<T: TensorElement & Equatable>(_ values: [T], _ name: String) throws {
      let tensor = try Tensor("x", shape: [values.count], values)
      #expect(tensor.dataType.rawValue == name)
      #expect(tensor.dataType.byteCount == MemoryLayout<T>.size)
      #expect(try tensor.elements(of: T.self) == values)
    }
    try roundTrip([UInt8.max, 0], "UINT8")
    try roundTrip([UInt16.max, 0], "UINT16")
    try roundTrip([UInt32.max, 0], "UINT32")
    try roundTrip([UInt64.max, 0], "UINT64")
    try roundTrip([Int8.min, 1], "INT8")
    try roundTrip([Int16.min, 1], "INT16")
    try roundTrip([Int32.min, 1], "INT32")
    try roundTrip([Int64.min, 1], "INT64")
    try roundTrip([Float16(0.5)], "FP16")
    try roundTrip([Float.pi], "FP32")
    try roundTrip([Double.pi], "FP64")
  }

  @Test func keepsTruthValuesAndStrings() throws {
    #expect(try Tensor("x", shape: [3], [true, false, true]).bools() == [true, false, true])
    let strings: [[UInt8]] = [[], [1], Array("héllo".utf8)]
    let tensor = try Tensor("x", shape: [3], strings)
    #expect(tensor.dataType == .bytes)
    #expect(try tensor.byteStrings() == strings)
  }

  @Test(
    arguments: [
      ([2, 2], 3), ([-1], 1), ([Int.max, 2], 2), ([], 2), ([0], 1),
    ] as [([Int], Int)])
  func refusesAShapeThatDoesNotFit(shape: [Int], count: Int) {
    let error = #expect(throws: MassifError.self) {
      try Tensor("x", shape: shape, [Float](repeating: 0, count: count))
    }
    #expect(error?.code == .invalidArgument)
  }

  @Test func acceptsScalarsAndEmptyTensors() throws {
    #expect(try Tensor("x", shape: [], [Float(1)]).elementCount == 1)
    #expect(try Tensor("x", shape: [0, 28], [Float]()).elementCount == 0)
  }

  @Test func refusesToReadAnotherType() throws {
    let tensor = try Tensor("x", shape: [1], [Float(1)])
    #expect(throws: MassifError.self) { try tensor.elements(of: Int32.self) }
    #expect(throws: MassifError.self) { try tensor.byteStrings() }
    #expect(throws: MassifError.self) { try tensor.bools() }
  }

  @Test(arguments: [[1], [5, 0, 0, 0, 65], [0xFF, 0xFF, 0xFF, 0xFF]] as [[UInt8]])
  func refusesStringsThatAreCutShort(bytes: [UInt8]) throws {
    let tensor = try Tensor("x", dataType: .bytes, shape: [1], bytes: bytes)
    #expect(throws: MassifError.self) { try tensor.byteStrings() }
  }

  @Test func borrowsWithoutACopy() throws {
    final class Owner {
      let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 8, alignment: 8)
      deinit { bytes.deallocate() }
    }
    let owner = Owner()
    let tensor = try Tensor(
      "x", dataType: .fp32, shape: [2], borrowing: UnsafeRawBufferPointer(owner.bytes), owner: owner
    )
    tensor.withUnsafeBytes { #expect($0.baseAddress == UnsafeRawPointer(owner.bytes.baseAddress)) }
  }
}
