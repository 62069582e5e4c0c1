// SPDX-License-Identifier: Apache-2.0
internal import ArgumentParser
internal import Foundation
internal import MassifClient

/// The command `massif infer`.
struct InferCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "infer", abstract: "Ask a model with tensors of a JSON file.",
    discussion: """
      The file is a request of the Open Inference Protocol:

        {"inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [3], "data": [1, 2, 3]}]}

      Example:
        massif infer mine ask.json
      """)

  @Argument(help: ArgumentHelp("The model, MODEL or TEAM/MODEL.", valueName: "model"))
  var model: String

  @Argument(help: "The request, a .json file.")
  var file: String

  @Option(help: "The version (default: the one that the server serves).")
  var version: Int64?

  @OptionGroup var client: ClientOptions

  func run() async throws {
    let inputs = try Self.inputs(try TextFile.read(file, maxByteCount: 64 << 20), name: file)
    try await client.withClient { client, output in
      let answer = try await client.infer(model, version: version, inputs: inputs)
      let outputs = answer.outputs.map { tensor -> JSONValue in
        [
          "name": .string(tensor.name), "datatype": .string(tensor.dataType.rawValue),
          "shape": .array(tensor.shape.map { .integer(Int64($0)) }),
          "data": .array(TensorElements.json(tensor)),
        ]
      }
      let json: JSONValue = [
        "model_name": .string(answer.model), "model_version": .string(answer.version),
        "outputs": .array(outputs),
      ]
      output.show(json) {
        answer.outputs.map { tensor in
          "\(tensor.name) \(tensor.dataType) \(tensor.shape): "
            + TensorElements.json(tensor).map(\.text).joined(separator: ", ")
        }
      }
    }
  }

  /// The tensors of a request.
  static func inputs(_ text: String, name: String) throws -> [Tensor] {
    guard
      let document = try? JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
    else {
      throw CommandError(name, expected: "a JSON object with inputs", came: "something else")
    }
    return try GoldenFile.tensors(document["inputs"], name, "inputs").map { tensor in
      let bytes = NSData(data: tensor.contents)
      return try Tensor(
        tensor.name, dataType: DataType(rawValue: tensor.datatype),
        shape: tensor.shape.map { Int(clamping: $0) },
        borrowing: UnsafeRawBufferPointer(start: bytes.bytes, count: bytes.length), owner: bytes)
    }
  }
}

/// A tensor's elements for people and programs.
enum TensorElements {
  /// Numbers, truth values or texts; nothing for a type that JSON has no numbers of.
  static func json(_ tensor: Tensor) -> [JSONValue] {
    switch tensor.dataType {
    case .bool: (try? tensor.bools())?.map(JSONValue.bool) ?? []
    case .bytes:
      (try? tensor.byteStrings())?.map { .string(String(decoding: $0, as: UTF8.self)) } ?? []
    case .fp32: numbers(tensor, Float.self) { .number(Double($0)) }
    case .fp64: numbers(tensor, Double.self) { .number($0) }
    case .uint8: numbers(tensor, UInt8.self) { .integer(Int64($0)) }
    case .uint16: numbers(tensor, UInt16.self) { .integer(Int64($0)) }
    case .uint32: numbers(tensor, UInt32.self) { .integer(Int64($0)) }
    case .uint64: numbers(tensor, UInt64.self) { .unsigned($0) }
    case .int8: numbers(tensor, Int8.self) { .integer(Int64($0)) }
    case .int16: numbers(tensor, Int16.self) { .integer(Int64($0)) }
    case .int32: numbers(tensor, Int32.self) { .integer(Int64($0)) }
    case .int64: numbers(tensor, Int64.self) { .integer($0) }
    default: []
    }
  }

  private static func numbers<Element: TensorElement>(
    _ tensor: Tensor, _ type: Element.Type, _ json: (Element) -> JSONValue
  ) -> [JSONValue] {
    (try? tensor.elements(of: type))?.map(json) ?? []
  }
}
