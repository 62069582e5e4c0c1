// SPDX-License-Identifier: Apache-2.0
import Runtime
import Testing

@testable import ModelPlugins

struct DataSetViewTests {
  private func view(_ tensors: [(String, DataType, [Int], Int)]) throws -> DataSetView {
    try SyntheticData.view(
      tensors.map { name, datatype, shape, byteCount in
        (
          TensorSpecification(name: name, datatype: datatype, shape: shape),
          [UInt8](repeating: 1, count: byteCount)
        )
      })
  }

  @Test func tensorsByName() throws {
    let view = try view([
      ("train/x", .fp32, [2, 3], 24), ("train/y", .int64, [2], 16), ("test/x", .fp32, [0, 3], 0),
    ])
    #expect(view.bytes(of: "train/x")?.count == 24)
    #expect(view.bytes(of: "test/x")?.count == 0)
    #expect(view.bytes(of: "train/z") == nil)
    #expect(view.description["train/y"]?.shape == [2])
  }

  @Test(
    "Tensors that contradict themselves or each other are refused",
    arguments: [
      ([("a/x", DataType.fp32, [2], 7)], "expected 8 bytes"),
      ([("a/x", .uint8, [-1], 1)], "not a valid shape"),
      ([("a/x", .uint8, [Int.max, 2], 1)], "not a valid shape"),
      ([("a/x", .uint8, [], 1)], "number of samples"),
      ([("a/x", .uint8, [1], 1), ("a/x", .uint8, [1], 1)], "came two"),
      ([("a/x", .uint8, [1], 1), ("a/y", .uint8, [2], 2)], "expected 1 samples"),
    ])
  func contradictions(tensors: [(String, DataType, [Int], Int)], words: String) {
    let error = failure { _ = try view(tensors) }
    #expect(error?.code == .invalidArgument)
    #expect(error?.message.contains(words) == true, "\(error?.message ?? "none")")
  }
}
