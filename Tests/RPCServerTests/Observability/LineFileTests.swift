// SPDX-License-Identifier: Apache-2.0
import Foundation
import RPCServer
import TestSupport
import Testing

struct LineFileTests {
  @Test func linesAreAppendedInTheirOrder() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/access.log"
    try Data("before\n".utf8).write(to: URL(filePath: path))
    let file = try LineFile(path: path)
    for index in 0..<1000 { file.write("line \(index)") }
    file.flush()
    let expected = "before\n" + (0..<1000).map { "line \($0)\n" }.joined()
    #expect(try String(contentsOfFile: path, encoding: .utf8) == expected)
    #expect(file.droppedLineCount == 0)
  }

  @Test func aFileThatWasRotatedIsMadeAnew() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/access.log"
    let file = try LineFile(path: path)
    file.write("first")
    file.flush()
    try FileManager.default.moveItem(atPath: path, toPath: path + ".1")
    file.write("second")
    file.flush()
    #expect(try String(contentsOfFile: path + ".1", encoding: .utf8) == "first\n")
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "second\n")
  }

  @Test func whatADiskDoesNotTakeIsCounted() throws {
    let file = try LineFile(path: "/dev/full")
    for _ in 0..<3 { file.write("lost") }
    file.flush()
    #expect(file.droppedLineCount == 3)
  }

  @Test func aFileThatCannotBeOpenedIsSaid() throws {
    let error = #expect(throws: LineFileError.self) {
      try LineFile(path: "/nonexistent/access.log")
    }
    #expect(error?.description == "/nonexistent/access.log: No such file or directory")
  }
}
