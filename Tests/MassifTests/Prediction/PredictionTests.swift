// SPDX-License-Identifier: Apache-2.0
import Foundation
import MassifClient
import TestSupport
import Testing

@testable import massif

struct ScoresTests {
  @Test func theFirstOfEqualsWins() {
    let scores = Scores(values: [0.1, 0.4, 0.4, 0.1])
    #expect(scores.best == 1)
    #expect(scores.top(3).map(\.class) == [1, 2, 0])
    #expect(scores.top(10).count == 4)
  }
}

struct PredictionReportTests {
  private func report(labels: [Int]?) -> PredictionReport {
    PredictionReport(
      model: "vision/m",
      outcome: .init(
        version: "3",
        scores: [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [1, 0]].map(Scores.init(values:)), requests: 2,
        elapsed: .seconds(4)), labels: labels, top: 1, batch: 2, concurrency: 8)
  }

  @Test func countsWhatIsRight() throws {
    let report = report(labels: [0, 1, 1, 0, 7])
    #expect(report.correct == 3)
    let json = try JSONSerialization.jsonObject(with: Data(report.json.text.utf8)) as? [String: Any]
    #expect(json?["classes"] as? [Int] == [0, 1, 0, 0])
    #expect(json?["accuracy"] as? Double == 0.75)
    #expect(json?["requests_per_second"] as? Double == 0.5)
    #expect(json?["images_per_second"] as? Double == 1)
    #expect(report.lines[1] == "accuracy   0.7500  (3 of 4)")
  }

  @Test func numbersThatRankNoClassesAreShownAsTheyAre() {
    let report = PredictionReport(
      model: "m",
      outcome: .init(
        version: "1", scores: [[3], [0.5, -2]].map(Scores.init(values:)), requests: 1,
        elapsed: .seconds(1), output: "projection"), labels: nil, top: 3, batch: 1, concurrency: 1)
    #expect(report.lines == ["0: 3", "1: 0.5, -2"])
    #expect(report.json.text.contains(#""projection":[[3],[0.5,-2]]"#))
  }

  @Test func showsAnswersWhereThereAreNoLabels() throws {
    let report = report(labels: nil)
    #expect(report.lines[1] == "1: class 1 (0.8000)")
    let json = try JSONSerialization.jsonObject(with: Data(report.json.text.utf8)) as? [String: Any]
    #expect(json?["accuracy"] is NSNull)
  }
}

struct SampleFileTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func json(_ text: String) throws(CommandError) -> ImportedTensor {
    try JSONArray.parse(text, path: "x.json", as: "images")
  }

  @Test func readsNestedArrays() throws {
    let tensor = try json("[[0, 0.5, 1], [2, 3, 4]]")
    #expect(tensor.shape == [2, 3])
    #expect(tensor.datatypeName == "FP32")
    #expect(tensor.bytes == ([0, 0.5, 1, 2, 3, 4] as [Float]).withUnsafeBytes { Array($0) })
  }

  @Test(
    arguments: [
      ("3", nil), ("{}", nil), ("[[1], [2, 3]]", "[1]"), ("[[1], 2]", "[1]"), ("[1, \"x\"]", "[1]"),
      ("[1", nil),
    ] as [(String, String?)])
  func refusesOtherDocuments(text: String, field: String?) {
    let error = #expect(throws: CommandError.self) { try json(text) }
    #expect(error?.field == field)
  }

  @Test func choosesTheReaderByTheName() throws {
    let path = directory.file("x.json")
    try Data("[1, 2]".utf8).write(to: URL(filePath: path))
    #expect(try SampleFile.read(path, as: "images").shape == [2])
    #expect(throws: CommandError.self) { try SampleFile.read(path + ".npy", as: "images") }
    let idx = directory.file("labels-idx1-ubyte")
    try Data([0, 0, 8, 1, 0, 0, 0, 2, 3, 4]).write(to: URL(filePath: idx))
    let labels = try Labels(SampleFile.read(idx, as: "labels"), path: idx)
    #expect(labels.values == [3, 4])
  }
}

struct ModelReferenceTests {
  @Test(
    arguments: [
      ("m", "m", nil), ("vision/m", "vision/m", nil), ("m@3", "m", 3),
      ("vision/m@12", "vision/m", 12),
    ] as [(String, String, Int64?)])
  func reads(text: String, name: String, version: Int64?) throws {
    let reference = try #require(ModelReference(argument: text))
    #expect(reference.name == name)
    #expect(reference.version == version)
  }

  @Test(arguments: ["", "@1", "m@", "m@0", "m@-1", "m@x", "m@1@2"])
  func refuses(text: String) {
    #expect(ModelReference(argument: text) == nil)
  }
}
