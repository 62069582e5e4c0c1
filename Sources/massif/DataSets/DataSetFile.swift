// SPDX-License-Identifier: Apache-2.0
internal import Foundation
internal import Runtime

/// Writes imported tensors as the safetensors file that a data set is.
enum DataSetFile {
  /// Checks that the tensors make a data set: names `<split>/<role>`, each once, and equal numbers
  /// of samples in a split.
  static func check(_ tensors: [ImportedTensor]) throws(CommandError) {
    guard !tensors.isEmpty else {
      throw CommandError(
        "nothing to import",
        hint: "give --idx, --npy, --csv, --arff or --text; see `massif data import --help`")
    }
    var seen: Set<String> = []
    var samples: [Substring: ImportedTensor] = [:]
    for tensor in tensors {
      guard seen.insert(tensor.name).inserted else {
        throw CommandError(tensor.name, expected: "each tensor once", came: "another of this name")
      }
      // A column's dictionary: its extent is the length of its text.
      if tensor.split == "categories" { continue }
      guard let first = samples[tensor.split] else {
        samples[tensor.split] = tensor
        continue
      }
      guard first.count == tensor.count else {
        throw CommandError(
          tensor.name, expected: "\(first.count) samples, as many as \(first.name)",
          came: "\(tensor.count)")
      }
    }
  }

  /// Writes the file at `path`.
  static func write(
    _ tensors: [ImportedTensor], metadata: [String: String], to path: String
  ) throws(CommandError) {
    let writer: SafetensorsWriter
    do throws(RuntimeError) {
      var items: [SafetensorsWriter.Item] = []
      for tensor in tensors {
        items.append(try .init(tensor.name, tensor.datatype, try Shape(tensor.shape)))
      }
      writer = try SafetensorsWriter(items, metadata: metadata)
    } catch {
      throw CommandError("the data set cannot be written: \(error)")
    }
    do {
      guard
        FileManager.default.createFile(
          atPath: path, contents: nil, attributes: [.posixPermissions: 0o600])
      else { throw CocoaError(.fileWriteUnknown) }
      let handle = try FileHandle(forWritingTo: URL(filePath: path))
      defer { try? handle.close() }
      try handle.write(contentsOf: writer.header)
      for index in writer.order { try handle.write(contentsOf: tensors[index].bytes) }
    } catch {
      throw CommandError(
        "\(path) cannot be written", hint: "is there room in the temporary folder (TMPDIR)?")
    }
  }

  /// Reads one tensor of a safetensors file, or the only one where `name` is nil.
  static func readTensor(_ path: String, named name: String?) throws(CommandError) -> ImportedTensor
  {
    let data: Data
    do {
      data = try Data(contentsOf: URL(filePath: path), options: .mappedIfSafe)
    } catch {
      throw CommandError(
        "\(path) cannot be read", hint: "does the file exist, and may you read it?")
    }
    let result = data.withUnsafeBytes { bytes in
      Result { () throws(CommandError) in try tensor(named: name, in: bytes, path) }
    }
    return try result.get()
  }

  private static func tensor(
    named name: String?, in bytes: UnsafeRawBufferPointer, _ path: String
  ) throws(CommandError) -> ImportedTensor {
    let file: SafetensorsFile
    do {
      file = try SafetensorsFile(parsing: bytes)
    } catch {
      throw CommandError("\(path) is no safetensors file: \(error.message)")
    }
    let names = file.entries.map(\.name).joined(separator: ", ")
    guard let name = name ?? (file.entries.count == 1 ? file.entries.first?.name : nil) else {
      throw CommandError(
        path, expected: "the name of a tensor, as \(path)#NAME", came: "none",
        hint: "it has: \(names)")
    }
    guard let entry = file[name] else {
      throw CommandError(path, expected: "a tensor \"\(name)\"", came: names)
    }
    return ImportedTensor(
      name: name, datatype: entry.datatype, shape: entry.shape.dimensions,
      bytes: Array(bytes[entry.range]))
  }
}
