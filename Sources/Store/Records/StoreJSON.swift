// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials

/// JSON as the store keeps it: a training that diverged has metrics that JSON has no numbers for.
enum StoreJSON {
  static func encode(
    _ value: some Encodable, formatting: JSONEncoder.OutputFormatting = .sortedKeys
  ) throws(StoreError) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = formatting
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
    do {
      return Array(try encoder.encode(value))
    } catch {
      throw StoreError(.internal, "a record could not be encoded", cause: error)
    }
  }

  static func text(_ value: some Encodable) throws(StoreError) -> String {
    String(decoding: try encode(value), as: UTF8.self)
  }

  static func decode<Value: Decodable>(
    _ type: Value.Type, from bytes: some Sequence<UInt8>
  ) throws(StoreError) -> Value {
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
    do {
      return try decoder.decode(type, from: Data(bytes))
    } catch {
      throw StoreError(.dataLoss, "a stored record could not be read", cause: error)
    }
  }
}
