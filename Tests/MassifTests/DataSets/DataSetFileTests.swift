// SPDX-License-Identifier: Apache-2.0
import Foundation
import Runtime
import TestSupport
import Testing

@testable import massif

struct DataSetFileTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func tensor(_ name: String, _ shape: [Int]) -> ImportedTensor {
    ImportedTensor(
      name: name, datatype: .uint8, shape: shape,
      bytes: (0..<shape.reduce(1, *)).map { UInt8(truncatingIfNeeded: $0) })
  }

  @Test func writesWhatItReads() throws {
    let tensors = [tensor("train/images", [3, 2, 2, 1]), tensor("train/labels", [3])]
    try DataSetFile.check(tensors)
    let path = directory.file("x.safetensors")
    try DataSetFile.write(tensors, metadata: ["source": "test"], to: path)
    for original in tensors {
      #expect(try DataSetFile.readTensor(path, named: original.name) == original)
    }
    #expect(throws: CommandError.self) { try DataSetFile.readTensor(path, named: nil) }
    #expect(throws: CommandError.self) { try DataSetFile.readTensor(path, named: "test/images") }
  }

  @Test func refusesSplitsThatDoNotFitTogether() {
    #expect(throws: CommandError.self) { try DataSetFile.check([]) }
    #expect(throws: CommandError.self) {
      try DataSetFile.check([tensor("train/labels", [3]), tensor("train/labels", [3])])
    }
    let error = #expect(throws: CommandError.self) {
      try DataSetFile.check([
        tensor("train/images", [3, 1]), tensor("test/images", [2, 1]), tensor("train/labels", [2]),
      ])
    }
    #expect(
      error?.description == "train/labels: expected 3 samples, as many as train/images, came 2")
  }

  @Test func refusesLabelsThatAreTooLarge() {
    let labels = ImportedTensor(
      name: "train/labels", datatype: .int64, shape: [1],
      bytes: Int64.max.littleEndianBytes)
    #expect(throws: CommandError.self) { try labels.normalized() }
  }

  @Test(arguments: ["train/images=a.gz", "t/i=/x=y"])
  func readsArguments(text: String) {
    #expect(NamedFile(argument: text) != nil)
  }

  @Test(arguments: ["", "a.gz", "train=a", "/images=a", "train/=a", "a/b/c=d", "train/images="])
  func refusesArguments(text: String) {
    #expect(NamedFile(argument: text) == nil)
  }
}

extension Int64 {
  fileprivate var littleEndianBytes: [UInt8] {
    withUnsafeBytes(of: littleEndian) { Array($0) }
  }
}
