// SPDX-License-Identifier: Apache-2.0
internal import Foundation
internal import Runtime

/// Reads samples or labels from a local file, by the ending of its name: .npy, .json,
/// .safetensors#TENSOR; IDX otherwise.
enum SampleFile {
  /// JSON is for a few samples; larger sets have better formats.
  static let maxJSONByteCount = 256 << 20

  static func read(_ path: String, as name: String) throws(CommandError) -> ImportedTensor {
    let file = path.split(separator: "#", maxSplits: 1).map(String.init)
    guard let first = file.first else { throw CommandError("expected a file, came an empty name") }
    if first.hasSuffix(".safetensors") {
      return try DataSetFile.readTensor(first, named: file.count > 1 ? file[1] : nil)
    }
    if path.hasSuffix(".npy") || path.hasSuffix(".npy.gz") {
      return try NPYFile.read(path, as: name)
    }
    if path.hasSuffix(".json") {
      return try JSONArray.parse(
        TextFile.read(path, maxByteCount: maxJSONByteCount), path: path, as: name)
    }
    return try IDXFile.read(path, as: name)
  }
}

/// Nested JSON arrays of numbers as an FP32 tensor: `[[0, 0.5], [1, 0]]`.
enum JSONArray {
  static func parse(
    _ text: String, path: String, as name: String
  ) throws(CommandError) -> ImportedTensor {
    let document: Any
    do {
      document = try JSONSerialization.jsonObject(with: Data(text.utf8))
    } catch {
      throw CommandError("\(path) is not JSON: \(error.localizedDescription)")
    }
    var shape: [Int] = []
    var level = document
    while let array = level as? [Any] {
      shape.append(array.count)
      guard let first = array.first, shape.count <= 8 else { break }
      level = first
    }
    guard !shape.isEmpty else {
      throw CommandError(path, expected: "arrays of numbers, as [[0, 1], [1, 0]]", came: "no array")
    }
    var values: [Float] = []
    try flatten(document, shape[...], path, "", &values)
    return ImportedTensor(
      name: name, datatype: .fp32, shape: shape, bytes: values.withUnsafeBytes { Array($0) })
  }

  private static func flatten(
    _ value: Any, _ shape: ArraySlice<Int>, _ path: String, _ field: String,
    _ values: inout [Float]
  ) throws(CommandError) {
    guard let extent = shape.first else {
      guard let number = value as? NSNumber else {
        throw CommandError(path, field: field, expected: "a number", came: "something else")
      }
      values.append(number.floatValue)
      return
    }
    guard let array = value as? [Any], array.count == extent else {
      let came = (value as? [Any]).map { "\($0.count) elements" } ?? "no array"
      throw CommandError(
        path, field: field.isEmpty ? nil : field,
        expected: "\(extent) elements, as its siblings have",
        came: came)
    }
    for (index, element) in array.enumerated() {
      try flatten(element, shape.dropFirst(), path, "\(field)[\(index)]", &values)
    }
  }
}
