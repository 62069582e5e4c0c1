// SPDX-License-Identifier: Apache-2.0
import Runtime
import Testing

@testable import ModelPlugins

struct TableTests {
  private func flowers() throws -> DataSetView {
    var data = TableData()
    data.add("train/length", [1.5, Float.nan, 3] as [Float])
    data.add("train/count", [4, 5, -6] as [Int64])
    data.add("train/colour", categories: ["red", "", "blue"])
    data.add("train/species", categories: ["b", "a", "b"])
    data.add("train/price", [0.5, 1, 1.5] as [Double])
    data.add("test/length", [2] as [Float])
    data.add("test/count", [7] as [Int64])
    data.add("test/colour", categories: ["blue"], dictionary: ["blue", "red"])
    data.add("test/species", categories: ["a"], dictionary: ["a", "b"])
    data.add("test/price", [2] as [Double])
    return try data.view()
  }

  private func schema(
    _ features: [String]? = nil, target: String? = "species", in view: DataSetView
  ) throws -> TableSchema {
    try TableSchema(features: features, target: target, in: view.description, view: view)
  }

  @Test("Columns are read with their kinds, missing values as NaN")
  func columns() throws {
    let view = try flowers()
    let schema = try schema(in: view)
    let table = try Table(schema, split: "train", in: view)
    #expect(table.rows == 3)
    #expect(table.columns.map(\.name) == ["length", "count", "colour", "price"])
    #expect(
      table.columns.map(\.kind) == [
        .number, .integer, .categorical(["blue", "red"]), .number,
      ])
    #expect(table.columns[0].values[0] == 1.5)
    #expect(table.columns[0].values[1].isNaN)
    #expect(table.columns[1].values == [4, 5, -6])
    #expect(table.columns[2].values[0] == 1)
    #expect(table.columns[2].values[1].isNaN)
    #expect(table.columns[3].values == [0.5, 1, 1.5])
    let test = try Table(schema, split: "test", in: view)
    #expect(test.columns.map(\.values) == [[2], [7], [0], [2]])
  }

  @Test("A matrix is columns without names of their own")
  func matrix() throws {
    var data = TableData()
    data.add("train/images", [1, 2, 3, 4, 5, 6, 7, 8] as [UInt8], row: [2, 2])
    data.add("train/labels", [0, 1] as [Int32])
    let view = try data.view()
    let schema = try schema(target: "labels", in: view)
    let table = try Table(schema, split: "train", in: view)
    #expect(table.columns.map(\.name) == ["images[0]", "images[1]", "images[2]", "images[3]"])
    #expect(table.columns.map(\.values) == [[1, 5], [2, 6], [3, 7], [4, 8]])
    #expect(
      TableInterface(schema).inputs == [
        TensorSpecification(name: "images", datatype: .uint8, shape: [2, 2])
      ])
  }

  @Test("A schema in model.json is read back as it was")
  func schemaRoundTrip() throws {
    let view = try flowers()
    let schema = try schema(["colour", "length"], in: view)
    #expect(schema.columnNames == ["colour", "length"])
    let text = schema.json.text
    let read = try TableSchema(JSONValue(parsing: text, name: "model.json"), path: "features")
    #expect(read == schema)
    #expect(
      pluginError { _ = try TableSchema(["features"], path: "model.json.features") }?.violations
        .first?.field == "model.json.features[0]")
  }

  @Test("Classes are the distinct values, and a test label must be one of them")
  func labels() throws {
    let view = try flowers()
    let species = try ClassLabels(target: "species", split: "train", in: view)
    #expect(species.names == .strings(["a", "b"]))
    #expect(species.codes == [1, 0, 1])
    #expect(species.counts == [1, 2])
    let counts = try ClassLabels(target: "count", split: "train", in: view)
    #expect(counts.names == .integers([-6, 4, 5]))
    #expect(counts.codes == [1, 2, 0])
    let unknown = pluginError {
      _ = try ClassLabels(target: "count", split: "test", in: view, known: counts.names)
    }
    #expect(unknown?.message.contains("label 7, which training did not have") == true)
    #expect(
      try ClassNames(JSONValue(parsing: species.names.json.text, name: ""), path: "")
        == species.names)
    #expect(
      try ClassNames(JSONValue(parsing: counts.names.json.text, name: ""), path: "")
        == counts.names)
  }

  @Test(
    "What cannot be a column or a target is refused by its field, with the column's name",
    arguments: [
      (["size"], "species", "configuration.features[0]", "\"size\""),
      (["length", "species"], "species", "configuration.features[1]", "is the target"),
      (["length", "length"], "species", "configuration.features[1]", "again"),
      (nil, "kind", "configuration.target", "\"kind\""),
    ] as [([String]?, String, String, String)])
  func refusals(_ features: [String]?, _ target: String, _ field: String, _ text: String) throws {
    let view = try flowers()
    let error = pluginError { _ = try self.schema(features, target: target, in: view) }
    #expect(error?.code == .invalidArgument)
    #expect(error?.violations.first?.field == field)
    #expect(error?.message.contains(text) == true)
  }

  @Test("One class only, missing labels, numbers as classes and NaN as targets are refused")
  func badTargets() throws {
    var data = TableData()
    data.add("train/x", [1, 2] as [Float])
    data.add("train/same", [3, 3] as [Int32])
    data.add("train/holes", categories: ["a", ""])
    data.add("train/nan", [1, .nan] as [Float])
    let view = try data.view()
    func message(_ target: String) -> String {
      pluginError { _ = try ClassLabels(target: target, split: "train", in: view) }?.message ?? ""
    }
    #expect(message("same").contains("two classes or more in column same, came only 3"))
    #expect(message("holes").contains("no value in row 1"))
    #expect(message("x").contains("integers or categories in column x, came FP32"))
    #expect(
      pluginError { _ = try NumericTarget.read(target: "nan", split: "train", in: view) }?
        .message.contains("finite numbers in column nan") == true)
    #expect(
      pluginError { _ = try NumericTarget.read(target: "holes", split: "train", in: view) }?
        .message.contains("has categories") == true)
  }

  @Test("Codes outside of the dictionary, and splits without rows, are refused")
  func badColumns() throws {
    var data = TableData()
    data.add("train/c", [0, 2] as [Int32])
    data.add("categories/c", Array(#"["a","b"]"#.utf8))
    data.add("test/c", [] as [Int32])
    let view = try data.view()
    let schema = try schema(target: nil, in: view)
    #expect(
      pluginError { _ = try Table(schema, split: "train", in: view) }?.message.contains(
        "came 2 in row 1") == true)
    #expect(
      pluginError { _ = try Table(schema, split: "test", in: view) }?.code == .failedPrecondition)
    #expect(pluginError { _ = try Table(schema, split: "more", in: view) }?.code == .notFound)
  }

  @Test("A report says the same as JSON and as text")
  func report() throws {
    var report = Report(family: "k-means", title: "k-means, 2 clusters")
    report.fact("inertia", "inertia", 12.5)
    report.table(
      "clusters", "Clusters", columns: ["cluster", "size"], rows: [["a", 10], ["bb", 2]])
    report.block("tree", "Tree", "x\n  y")
    let json = try JSONValue(parsing: report.json.text, name: "report")
    #expect(json["inertia"] == 12.5)
    #expect(json["clusters"] == [["cluster": "a", "size": 10], ["cluster": "bb", "size": 2]])
    #expect(
      report.text == """
        k-means, 2 clusters
        inertia                 12.5

        Clusters
          cluster  size
          a          10
          bb          2

        Tree
        x
          y

        """)
  }
}
