// SPDX-License-Identifier: Apache-2.0
@testable import ModelPlugins
@testable import Runtime

extension FuzzEntry {
  /// JSON: what is read is written and read again as the same.
  ///
  /// Input: the text.
  static let json = FuzzEntry("json", maxByteCount: 2048) { bytes in
    guard let text = FuzzInput(bytes).text else { return }
    do {
      let value = try JSONValue(parsing: text, name: "fuzzed")
      let written = value.text
      try require(
        try JSONValue(parsing: written, name: "written") == value, "\(value) is written \(written)")
      try require(
        value.excerpt.utf8.count < 1024, "an excerpt of \(value.excerpt.utf8.count) bytes")
    } catch let error as PluginError {
      try require(error.code == .invalidArgument, "refused as \(error.code)")
    }
  }

  /// safetensors: every tensor lies in the file, and a file written of what was read is read as the
  /// same.
  ///
  /// Input: the file.
  static let safetensors = FuzzEntry("safetensors") { bytes in
    guard let file = try? SafetensorsFile(parsing: bytes, maximumHeaderByteCount: 2048) else {
      return
    }
    var tensors: [(item: SafetensorsWriter.Item, bytes: UnsafeRawBufferPointer)] = []
    for entry in file.entries {
      try require(
        entry.range.lowerBound >= 8 && entry.range.upperBound <= bytes.count,
        "\(entry.name) lies at \(entry.range) of \(bytes.count) bytes")
      tensors.append(
        (
          try SafetensorsWriter.Item(entry.name, entry.datatype, entry.shape),
          UnsafeRawBufferPointer(rebasing: bytes[entry.range])
        ))
    }
    // A file may have a tensor of a name that the writer keeps for itself; it says so.
    guard let written = try? SafetensorsWriter.encode(tensors, metadata: file.metadata) else {
      return
    }
    let again = try written.withUnsafeBytes { written throws(RuntimeError) in
      try SafetensorsFile(parsing: written)
    }
    try require(again.metadata == file.metadata, "other metadata: \(again.metadata)")
    for entry in file.entries {
      guard let copy = again[entry.name] else {
        throw FuzzFinding(description: "\(entry.name) is lost")
      }
      try require(
        copy.shape == entry.shape && copy.datatype == entry.datatype
          && written[copy.range].elementsEqual(bytes[entry.range]),
        "\(entry) is written as \(copy)")
    }
  }
}
