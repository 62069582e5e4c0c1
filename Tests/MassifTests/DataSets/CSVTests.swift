// SPDX-License-Identifier: Apache-2.0
import Foundation
import Runtime
import TestSupport
import Testing

@testable import massif

struct CSVTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func file(_ text: String) throws -> String {
    let path = directory.file("x.csv")
    try Data(text.utf8).write(to: URL(filePath: path))
    return path
  }

  private func records(_ text: String) throws -> [[String]] {
    var reader = CSVReader(try SourceFile(try file(text)))
    var records: [[String]] = []
    while let record = try reader.next() { records.append(record) }
    return records
  }

  private func table(
    _ text: String, label: String = "y", testFraction: Double = 0, seed: UInt64 = 0
  ) throws -> CSVTable {
    try CSVTable.read(try file(text), label: label, testFraction: testFraction, seed: seed)
  }

  @Test func splitsRecords() throws {
    #expect(try records("a,b\n1,2\n") == [["a", "b"], ["1", "2"]])
    #expect(try records("a,b\r\n1,2") == [["a", "b"], ["1", "2"]])
    #expect(try records("a\n\n\nb\n") == [["a"], ["b"]])
    #expect(try records(",\n") == [["", ""]])
    #expect(try records(#""a ""b"", c","d\#ne""#) == [[#"a "b", c"#, "d\ne"]])
    #expect(try records("") == [])
  }

  @Test(arguments: ["\"a", "\"a\"b", "a\rb", "\"\n\n"])
  func refusesBrokenQuoting(text: String) {
    #expect(throws: CommandError.self) { try records(text) }
  }

  @Test func refusesWhatIsNoText() throws {
    let path = directory.file("x.csv")
    try Data([0x61, 0x2C, 0xFF, 0x0A]).write(to: URL(filePath: path))
    var reader = CSVReader(try SourceFile(path))
    #expect(throws: CommandError.self) { try reader.next() }
    let long = String(repeating: "1", count: CSVReader.maxFieldByteCount + 1)
    #expect(throws: CommandError.self) { try records(long) }
    let wide = String(repeating: ",", count: CSVReader.maxColumns + 1)
    #expect(throws: CommandError.self) { try records(wide) }
  }

  @Test func keepsWholeNumberLabels() throws {
    let table = try table("a,y,b\n1,7,-2.5\n 3 ,8,4e1\n")
    #expect(table.tensors.map(\.name) == ["train/features", "train/labels"])
    #expect(table.tensors[0].shape == [2, 2])
    #expect(table.tensors[0].bytes == ([1, -2.5, 3, 40] as [Float]).withUnsafeBytes { Array($0) })
    #expect(table.tensors[1].datatype == .int32)
    #expect(table.tensors[1].bytes == ([7, 8] as [Int32]).withUnsafeBytes { Array($0) })
    #expect(table.metadata == ["columns": #"["a","b"]"#, "label": "y"])
  }

  @Test func numbersWordsInTheirOrder() throws {
    let table = try table("a,y\n1,virginica\n2,setosa\n3,virginica\n")
    #expect(table.tensors[1].bytes == ([1, 0, 1] as [Int32]).withUnsafeBytes { Array($0) })
    #expect(table.metadata["classes"] == #"["setosa","virginica"]"#)
  }

  @Test func keepsRealNumbersForRegression() throws {
    let table = try table("a,y\n1,0.5\n2,2\n")
    #expect(table.tensors[1].datatype == .fp32)
    #expect(table.tensors[1].bytes == ([0.5, 2] as [Float]).withUnsafeBytes { Array($0) })
  }

  @Test func holdsRowsOutByTheSeedAlone() throws {
    let text = "a,y\n" + (0..<100).map { "\($0),\($0)\n" }.joined()
    func rows(_ table: CSVTable, _ split: String) -> [Int] {
      table.tensors.first { $0.name == "\(split)/labels" }.map { tensor in
        (0..<tensor.count).compactMap { tensor.integer(at: $0) }
      } ?? []
    }
    let first = try table(text, testFraction: 0.2, seed: 1)
    #expect(rows(first, "test").count == 20)
    #expect(rows(first, "train").count == 80)
    #expect((rows(first, "train") + rows(first, "test")).sorted() == Array(0..<100))
    #expect(rows(first, "test") == rows(first, "test").sorted())
    #expect(rows(try table(text, testFraction: 0.2, seed: 1), "test") == rows(first, "test"))
    #expect(rows(try table(text, testFraction: 0.2, seed: 2), "test") != rows(first, "test"))
    #expect(try table(text, testFraction: 0).tensors.count == 2)
  }

  @Test(
    arguments: [
      ("", nil), ("a,y\n", nil), ("a,b\n1,2\n", "line 1"), ("y\n1\n", "line 1"),
      ("a,a,y\n1,2,3\n", "line 1"), ("a,y\n1\n", "line 2"), ("a,y\n1,2,3\n", "line 2"),
      ("a,y\n1,2\nx,2\n", "line 3, column a"), ("a,y\n,2\n", "line 2, column a"),
    ] as [(String, String?)])
  func saysWhatIsWrongWithATable(text: String, field: String?) {
    let error = #expect(throws: CommandError.self) { try table(text) }
    #expect(error?.field == field)
  }
}
