// SPDX-License-Identifier: Apache-2.0
import ModelPlugins
import Runtime
import Store

/// A data set's file, checked: safetensors whose tensors are called `<split>/<role>`, and those of a
/// split have one number of samples.
struct SafetensorsDataSet {
  /// Every tensor's description and the file's metadata are part of what `ListDataSets` answers.
  static let maxHeaderByteCount = 256 << 10

  private let file: MappedFile
  private let contents: SafetensorsFile

  /// Reads and checks the header.
  ///
  /// - Throws: `RuntimeError` for a file that is no safetensors file, `PluginError` with violations
  ///   for tensors that do not make a data set.
  init(file: MappedFile) throws {
    self.file = file
    contents = try file.withBytes { (bytes) throws(RuntimeError) in
      try SafetensorsFile(parsing: bytes, maximumHeaderByteCount: Self.maxHeaderByteCount)
    }
    try checkTensors()
  }

  /// The tensors, in the order of the file.
  var tensors: [TensorRecord] {
    contents.entries.map {
      TensorRecord(
        name: $0.name, datatype: $0.datatype.rawValue, shape: $0.shape.dimensions)
    }
  }

  /// The metadata of the file's header.
  var metadata: [String: String] { contents.metadata }

  /// The data set for a plugin; it keeps the file mapped.
  func view() throws(PluginError) -> DataSetView {
    let bytes = file.bytes
    return try DataSetView(
      tensors: contents.entries.map { entry in
        (
          TensorSpecification(
            name: entry.name, datatype: entry.datatype, shape: entry.shape.dimensions),
          UnsafeRawBufferPointer(rebasing: bytes[entry.range])
        )
      }, owner: file)
  }

  private func checkTensors() throws(PluginError) {
    var violations: [FieldViolation] = []
    var samples: [Substring: (count: Int, tensor: String)] = [:]
    if contents.entries.isEmpty {
      violations.append(FieldViolation(field: "tensors", description: "expected at least one"))
    }
    for entry in contents.entries {
      let field = "tensors[\(entry.name.prefix(300))]"
      let parts = entry.name.split(separator: "/", omittingEmptySubsequences: false)
      guard parts.count == 2, ResourceName(parts[0]) != nil, ResourceName(parts[1]) != nil else {
        violations.append(
          FieldViolation(
            field: field,
            description: "expected a name <split>/<role>, for example train/images"))
        continue
      }
      guard let count = entry.shape.dimensions.first else {
        violations.append(
          FieldViolation(
            field: field, description: "expected a first extent, the number of samples"))
        continue
      }
      // A column's dictionary: its extent is the length of its text.
      if parts[0] == "categories" { continue }
      if let other = samples[parts[0]] {
        guard other.count != count else { continue }
        violations.append(
          FieldViolation(
            field: field,
            description: "expected \(other.count) samples as \(other.tensor) has, came \(count)"))
      } else {
        samples[parts[0]] = (count, entry.name)
      }
    }
    if !violations.isEmpty { throw PluginError(violations: violations) }
  }
}
