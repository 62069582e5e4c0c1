// SPDX-License-Identifier: Apache-2.0
internal import Foundation
internal import MassifAPI
internal import MassifClient

/// Recorded requests and responses in a file, as follows.
///
/// ```json
/// [{"model": "vision/echo", "tolerance": 1e-6,
///   "inputs":  [{"name": "INPUT0",  "datatype": "FP32", "shape": [2], "data": [1, 2]}],
///   "outputs": [{"name": "OUTPUT0", "datatype": "FP32", "shape": [2], "data": [1, 2]}]}]
/// ```
///
/// In place of `model`, and `version` if need be, `configuration` has a model made without artifacts.
enum GoldenFile {
  /// Reads a file.
  ///
  /// - Throws: what is wrong, with the path of the member.
  static func read(_ path: String) throws(CommandError) -> [GoldenCase] {
    try parse(try TextFile.read(path, maxByteCount: 16 << 20), name: path)
  }

  /// Reads the text of a file called `name`.
  static func parse(_ text: String, name: String) throws(CommandError) -> [GoldenCase] {
    let document = try? JSONSerialization.jsonObject(with: Data(text.utf8))
    guard let cases = document as? [[String: Any]] else {
      throw CommandError(name, expected: "a JSON array of objects", came: "something else")
    }
    var result: [GoldenCase] = []
    for (index, object) in cases.enumerated() {
      let field = "[\(index)]"
      let keys = ["model", "version", "configuration", "tolerance", "inputs", "outputs"]
      if let unknown = object.keys.sorted().first(where: { !keys.contains($0) }) {
        throw CommandError(
          name, field: "\(field).\(unknown)", expected: keys.joined(separator: ", "),
          came: "another member")
      }
      var golden = GoldenCase()
      golden.model = object["model"] as? String ?? ""
      golden.version = (object["version"] as? NSNumber)?.int64Value ?? 0
      golden.tolerance = (object["tolerance"] as? NSNumber)?.doubleValue ?? 0
      let configuration = object["configuration"] ?? [String: Any]()
      guard
        let bytes = try? JSONSerialization.data(
          withJSONObject: configuration, options: .sortedKeys)
      else {
        throw CommandError(name, field: "\(field).configuration", expected: "an object")
      }
      golden.configuration = String(decoding: bytes, as: UTF8.self)
      golden.inputs = try tensors(object["inputs"], name, "\(field).inputs")
      golden.outputs = try tensors(object["outputs"], name, "\(field).outputs")
      result.append(golden)
    }
    return result
  }

  /// The tensors of an array, which stands at `field` of the file called `name`.
  static func tensors(
    _ value: Any?, _ name: String, _ field: String
  ) throws(CommandError) -> [Massif_V1_GoldenTensor] {
    guard let objects = value as? [[String: Any]] else {
      throw CommandError(name, field: field, expected: "an array of tensors")
    }
    var tensors: [Massif_V1_GoldenTensor] = []
    for (index, object) in objects.enumerated() {
      let field = "\(field)[\(index)]"
      guard let tensorName = object["name"] as? String,
        let datatype = object["datatype"] as? String, let shape = object["shape"] as? [NSNumber],
        let data = object["data"] as? [Any]
      else {
        throw CommandError(name, field: field, expected: "name, datatype, shape and data")
      }
      var tensor = Massif_V1_GoldenTensor()
      tensor.name = tensorName
      tensor.datatype = datatype
      tensor.shape = shape.map(\.int64Value)
      for (position, element) in data.enumerated() {
        guard let bytes = encode(element, datatype) else {
          throw CommandError(
            name, field: "\(field).data[\(position)]", expected: "an element of \(datatype)")
        }
        tensor.contents.append(contentsOf: bytes)
      }
      tensors.append(tensor)
    }
    return tensors
  }

  /// An element as a tensor holds it; nil for one that is none of the type.
  private static func encode(_ element: Any, _ datatype: String) -> [UInt8]? {
    func integer<Number: FixedWidthInteger>(_ type: Number.Type) -> [UInt8]? {
      guard let number = element as? NSNumber, let value = Number(exactly: number.doubleValue)
      else { return nil }
      return withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }
    let number = (element as? NSNumber)?.doubleValue
    switch datatype {
    case "BOOL": return (element as? Bool).map { [$0 ? 1 : 0] }
    case "UINT8": return integer(UInt8.self)
    case "UINT16": return integer(UInt16.self)
    case "UINT32": return integer(UInt32.self)
    case "UINT64": return integer(UInt64.self)
    case "INT8": return integer(Int8.self)
    case "INT16": return integer(Int16.self)
    case "INT32": return integer(Int32.self)
    case "INT64": return integer(Int64.self)
    case "FP32": return number.map { withUnsafeBytes(of: Float($0)) { Array($0) } }
    case "FP64": return number.map { withUnsafeBytes(of: $0) { Array($0) } }
    case "BYTES":
      guard let text = element as? String else { return nil }
      let count = UInt32(text.utf8.count).littleEndian
      return withUnsafeBytes(of: count) { Array($0) } + Array(text.utf8)
    default: return nil
    }
  }
}
