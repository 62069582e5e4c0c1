// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@testable import massif

struct TextWindowsTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func file(_ text: String) throws -> String {
    let path = directory.file("text.txt")
    try Data(text.utf8).write(to: URL(filePath: path))
    return path
  }

  @Test func windowsAndTheByteAfterEach() throws {
    let read = try TextWindows.read(file("abcdefghij"), context: 3, stride: 2, testFraction: 0)
    let windows = try #require(read.tensors.first { $0.name == "train/text" })
    #expect(windows.shape == [4, 3])
    #expect(String(decoding: windows.bytes, as: UTF8.self) == "abccdeefgghi")
    let next = try #require(read.tensors.first { $0.name == "train/next" })
    #expect(next.shape == [4])
    #expect((0..<4).map { next.integer(at: $0) } == "dfhj".utf8.map { Int($0) })
    #expect(read.tensors.count == 2)
  }

  @Test func theEndIsHeldOutAndNoWindowReachesOverTheCut() throws {
    let read = try TextWindows.read(file("abcdefghij"), context: 2, stride: 1, testFraction: 0.4)
    func text(_ name: String) throws -> String {
      String(
        decoding: try #require(read.tensors.first { $0.name == name }).bytes, as: UTF8.self)
    }
    #expect(try text("train/text") == "abbccdde")
    #expect(try text("test/text") == "ghhi")
    #expect(throws: Never.self) { try DataSetFile.check(read.tensors) }
  }

  @Test func aTextThatIsTooShortIsRefused() throws {
    let path = try file("abc")
    let error = #expect(throws: CommandError.self) {
      try TextWindows.read(path, context: 3, stride: 1, testFraction: 0)
    }
    #expect(error?.description.contains("more than 3 bytes") == true)
  }
}

struct TextContinuationTests {
  private func sample(_ p: [Float], _ temperature: Double, _ draw: Double) -> Int {
    TextContinuation.sample(p, temperature: temperature, draw: draw)
  }

  @Test func drawsFallAsTheModelSays() {
    let p: [Float] = [0.25, 0, 0.5, 0.25]
    #expect([0, 0.2, 0.26, 0.7, 0.76, 0.9999].map { sample(p, 1, $0) } == [0, 0, 2, 2, 3, 3])
    // Colder: the likeliest takes over; at 0 it is all there is.
    #expect(sample(p, 0.5, 0.2) == 2)
    #expect(sample(p, 0, 0.99) == 2)
    #expect(sample([0, 0], 1, 0.5) == 0)
  }
}
