// SPDX-License-Identifier: Apache-2.0
import Foundation
import Runtime
import TestSupport
import Testing

@testable import massif

struct NamedColumnsTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func file(_ text: String, _ name: String = "x.csv") throws -> String {
    let path = directory.file(name)
    try Data(text.utf8).write(to: URL(filePath: path))
    return path
  }

  private func columns(
    _ text: String, test: String? = nil, overrides: [String] = [], testFraction: Double = 0
  ) throws -> NamedColumns {
    try NamedColumns(
      .csv(try file(text)), test: try test.map { try .csv(try file($0, "test.csv")) },
      overrides: try overrides.map { try #require(ColumnOverride(argument: $0)) },
      testFraction: testFraction, seed: 1)
  }

  private func elements<T: BitwiseCopyable>(_ tensor: ImportedTensor, _: T.Type) -> [T] {
    tensor.bytes.withUnsafeBytes { bytes in
      (0..<bytes.count / MemoryLayout<T>.size).map {
        bytes.loadUnaligned(fromByteOffset: $0 * MemoryLayout<T>.size, as: T.self)
      }
    }
  }

  @Test("Types follow from the values, missing values and all")
  func inference() throws {
    let table = try columns(
      "petal length (cm),count,big,colour\n1.5,1,5000000000,red\nNA,2,1,\n3,-3,2,blue\n")
    #expect(
      table.tensors.map(\.name) == [
        "train/petal-length-cm", "train/count", "train/big", "train/colour", "categories/colour",
      ])
    #expect(table.tensors.map(\.datatype) == [.fp32, .int32, .int64, .int32, .uint8])
    let numbers = elements(table.tensors[0], Float.self)
    #expect(numbers[0] == 1.5 && numbers[1].isNaN && numbers[2] == 3)
    #expect(elements(table.tensors[1], Int32.self) == [1, 2, -3])
    #expect(elements(table.tensors[2], Int64.self) == [5_000_000_000, 1, 2])
    #expect(elements(table.tensors[3], Int32.self) == [1, -1, 0])
    #expect(String(decoding: table.tensors[4].bytes, as: UTF8.self) == #"["blue","red"]"#)
    #expect(table.metadata == ["columns": #"{"petal-length-cm":"petal length (cm)"}"#])
  }

  @Test("A type that is given wins, and skips")
  func overrides() throws {
    let table = try columns(
      "zip,id,n\n10,a,1\n9,b,2\n", overrides: ["zip=categorical", "id=skip", "n=number"])
    #expect(table.tensors.map(\.name) == ["train/zip", "categories/zip", "train/n"])
    #expect(elements(table.tensors[0], Int32.self) == [0, 1])
    #expect(table.tensors[2].datatype == .fp32)
    #expect(throws: CommandError.self) { try columns("a\nx\n", overrides: ["a=number"]) }
    #expect(throws: CommandError.self) { try columns("a\n1\n", overrides: ["b=number"]) }
    #expect(throws: CommandError.self) { try columns("a\n1\n", overrides: ["a=skip"]) }
    #expect(ColumnOverride(argument: "a=text") == nil)
  }

  @Test("Splits: a fraction that the seed chooses, or a file of its own, with one dictionary")
  func splits() throws {
    let text = "a\n" + (0..<10).map { "\($0)\n" }.joined()
    let table = try columns(text, testFraction: 0.3)
    #expect(table.tensors.map(\.name) == ["train/a", "test/a"])
    #expect(table.tensors.map(\.count) == [7, 3])
    let all = table.tensors.flatMap { elements($0, Int32.self) }
    #expect(all.sorted() == Array(0..<10))
    let pair = try columns("c\nx\nz\n", test: "c\ny\n")
    #expect(elements(pair.tensors[0], Int32.self) == [0, 2])
    #expect(elements(pair.tensors[1], Int32.self) == [1])
    #expect(throws: CommandError.self) { try columns("a\n1\n", test: "b\n1\n") }
  }

  @Test(
    "Tables that are none are refused",
    arguments: ["", "a,b\n", "a,a\n1,2\n", "a,b\n1\n", "a b,a-b\n1,2\n"])
  func refusals(text: String) {
    #expect(throws: CommandError.self) { try columns(text) }
  }

  @Test("ARFF: nominal, numeric and quoted attributes, comments, sparse rows")
  func arff() throws {
    let text = """
      % baskets
      @relation shop
      @attribute 'baby needs' { t}
      @attribute "size" numeric
      @ATTRIBUTE n integer
      @attribute total { low, 'very high' }
      @data
      t,1.5,2,low
      ?,?,3,'very high'
      {0 t, 3 low}

      """
    let table = try TextColumns.arff(try file(text, "x.arff"))
    #expect(table.columns.map(\.name) == ["baby needs", "size", "n", "total"])
    #expect(table.columns[0].texts == ["t", "?", "t"])
    #expect(table.columns[1].texts == ["1.5", "?", "0"])
    #expect(table.columns[3].texts == ["low", "very high", "low"])
    let tensors = try NamedColumns(table, overrides: [], testFraction: 0, seed: 0).tensors
    #expect(
      tensors.map(\.name) == [
        "train/baby-needs", "categories/baby-needs", "train/size", "train/n", "train/total",
        "categories/total",
      ])
  }

  @Test(
    "ARFF that is none is refused with its line",
    arguments: [
      "@relation x\n@data\n1\n", "@attribute a numeric\n", "hello\n",
      "@attribute a numeric\n@data\n1,2\n", "@attribute a date\n@data\n1\n",
      "@attribute a numeric\n@data\n{1 2}\n", "@attribute 'a numeric\n@data\n1\n",
    ])
  func arffRefusals(text: String) {
    #expect(throws: CommandError.self) { try TextColumns.arff(try file(text, "x.arff")) }
  }
}
