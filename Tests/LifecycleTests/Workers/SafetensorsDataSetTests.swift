// SPDX-License-Identifier: Apache-2.0
import Foundation
import ModelPlugins
import Runtime
import Store
import TestSupport
import Testing

@testable import Lifecycle

@Suite struct SafetensorsDataSetTests {
  private let temporary: TemporaryDirectory

  init() throws { temporary = try TemporaryDirectory() }

  private func read(
    _ tensors: [(String, DataType, [Int], [UInt8])], metadata: [String: String] = [:]
  ) throws -> SafetensorsDataSet {
    let path = temporary.path + "/file"
    let bytes = try TestData.encode(
      tensors.map { (name: $0.0, datatype: $0.1, shape: $0.2, bytes: $0.3) }, metadata: metadata)
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    return try SafetensorsDataSet(file: MappedFile(path: path))
  }

  @Test func lendsItsTensors() throws {
    let dataset = try read(
      [("train/x", .uint8, [2, 1], [7, 8]), ("train/y", .uint8, [2], [1, 0])],
      metadata: ["source": "here"])
    #expect(dataset.metadata == ["source": "here"])
    let view = try dataset.view()
    #expect(view.description["train/x"]?.shape == [2, 1])
    #expect(view.bytes(of: "train/x").map { Array($0) } == [7, 8])
  }

  @Test(arguments: ["x", "train", "/x", "train/", "train/x/y", "../x", "train/..", "tr ain/x"])
  func refusesNames(_ name: String) throws {
    let error = #expect(throws: PluginError.self) { try read([(name, .uint8, [1], [0])]) }
    #expect(error?.violations.map(\.field) == ["tensors[\(name)]"])
  }

  @Test func refusesShapes() throws {
    let scalar = #expect(throws: PluginError.self) { try read([("train/x", .uint8, [], [0])]) }
    #expect(scalar?.violations.count == 1)
    let uneven = #expect(throws: PluginError.self) {
      try read([
        ("train/x", .uint8, [2], [0, 0]), ("train/y", .uint8, [3], [0, 0, 0]),
        ("test/x", .uint8, [1], [0]),
      ])
    }
    #expect(uneven?.violations.map(\.field) == ["tensors[train/y]"])
    #expect(throws: PluginError.self) { try read([]) }
  }

  @Test func boundsTheHeader() throws {
    let error = #expect(throws: RuntimeError.self) {
      try read(
        [("train/x", .uint8, [1], [0])],
        metadata: ["note": String(repeating: "x", count: SafetensorsDataSet.maxHeaderByteCount)])
    }
    #expect(error?.code == .tooLarge)
  }
}
