// SPDX-License-Identifier: Apache-2.0
import MassifClient
import Testing

@testable import massif

struct SamplesTests {
  private func input(_ type: DataType, _ shape: [Int]) -> ModelMetadata.TensorMetadata {
    .init(name: "images", dataType: type, shape: shape)
  }

  private func samples(
    _ file: ImportedTensor, _ input: ModelMetadata.TensorMetadata, limit: Int? = nil
  ) throws(CommandError) -> Samples {
    try Samples(file, for: input, path: "x", limit: limit)
  }

  private func images(_ shape: [Int]) -> ImportedTensor {
    .bytes(shape, (0..<shape.reduce(1, *)).map { UInt8(truncatingIfNeeded: $0) })
  }

  @Test func addsTheChannelsThatAModelWants() throws {
    let samples = try samples(images([5, 2, 3]), input(.uint8, [-1, 2, 3, 1]))
    #expect(samples.count == 5)
    let tensor = try samples.tensor(1..<3)
    #expect(tensor.shape == [2, 2, 3, 1])
    #expect(try tensor.elements(of: UInt8.self) == Array(6..<18))
  }

  @Test func takesOneSampleWithoutAnExtentForIt() throws {
    let samples = try samples(images([2, 3]), input(.uint8, [-1, 2, 3, 1]))
    #expect(samples.count == 1)
    #expect(try samples.tensor(0..<1).shape == [1, 2, 3, 1])
  }

  @Test func turnsBytesIntoNumbers() throws {
    let samples = try samples(images([2, 2]), input(.fp32, [-1, 2]), limit: 1)
    #expect(samples.count == 1)
    #expect(try samples.tensor(0..<1).elements(of: Float.self) == [0, 1])
  }

  @Test func turnsNumbersIntoBytesWhereNothingIsLost() throws {
    func file(_ values: [Float]) -> ImportedTensor { .numbers([1, 2], values) }
    let whole = try samples(file([0, 255]), input(.uint8, [-1, 2]))
    #expect(try whole.tensor(0..<1).elements(of: UInt8.self) == [0, 255])
    #expect(throws: CommandError.self) { try samples(file([0, 0.5]), input(.uint8, [-1, 2])) }
    #expect(throws: CommandError.self) { try samples(file([0, 256]), input(.uint8, [-1, 2])) }
  }

  @Test func leavesExtentsThatVaryToTheFile() throws {
    let samples = try samples(images([3, 7]), input(.uint8, [-1, -1]))
    #expect(try samples.tensor(0..<3).shape == [3, 7])
  }

  @Test func refusesSamplesOfAnotherShapeOrType() {
    let error = #expect(throws: CommandError.self) {
      try samples(images([5, 2, 2]), input(.uint8, [-1, 2, 3, 1]))
    }
    #expect(
      error?.description
        == "x (shape): expected samples of [2, 3, 1], as the input images takes, came [5, 2, 2]")
    #expect(throws: CommandError.self) {
      try samples(images([5, 2]), input(.int64, [-1, 2]))
    }
  }
}
