// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import MassifClient
internal import Runtime

/// Continues a text with a model of characters, one request a byte: what the model takes is a window
/// of bytes, what it answers the probabilities of the next.
struct TextContinuation {
  let client: MassifClient
  let model: ModelReference
  /// Divides the logarithms of the probabilities: below 1 the likely becomes likelier, at 0 only the
  /// likeliest is taken.
  let temperature: Double
  let seed: UInt64

  /// - Returns: the bytes that follow `prompt`, and the version that wrote them.
  func write(
    _ count: Int, after prompt: [UInt8]
  ) async throws -> (text: [UInt8], version: String) {
    let metadata = try await client.modelMetadata(model.name, version: model.version)
    guard metadata.inputs.count == 1, let input = metadata.inputs.first, input.shape.count == 2,
      input.shape[1] > 0, input.dataType == .uint8
    else {
      throw CommandError(
        metadata.name, field: "inputs", expected: "one UINT8 window of text, as --text takes",
        came: metadata.inputs.map { "\($0.name) \($0.dataType) \($0.shape)" }
          .joined(separator: ", "))
    }
    let context = input.shape[1]
    let random = Philox(key: seed, stream: 0)
    // A text begins on a new line.
    var text = [UInt8](repeating: 0x0A, count: max(0, context - prompt.count)) + prompt
    var version = ""
    let start = text.count
    for index in 0..<count {
      let window = Array(text.suffix(context))
      let answer = try await client.infer(
        model.name, version: model.version,
        inputs: [try Tensor(input.name, shape: [1, context], window)])
      guard let output = answer.outputs.first,
        let probabilities = try? output.elements(of: Float.self), !probabilities.isEmpty
      else {
        throw CommandError(
          "the model's answer", expected: "probabilities of the next byte, FP32",
          came: answer.outputs.map { "\($0.name) \($0.dataType)" }.joined(separator: ", "))
      }
      version = answer.version
      let draw = Double(random.integer(at: UInt64(index), below: 1 << 53)) / Double(1 << 53)
      let next = Self.sample(probabilities, temperature: temperature, draw: draw)
      guard let byte = UInt8(exactly: next) else {
        throw CommandError(
          "the model's answer", expected: "at most 256 probabilities, one for each byte",
          came: "\(probabilities.count)")
      }
      text.append(byte)
    }
    return (Array(text[start...]), version)
  }

  /// The index that a draw from 0 to below 1 falls on, of probabilities at a temperature.
  static func sample(_ probabilities: [Float], temperature: Double, draw: Double) -> Int {
    let best = probabilities.indices.max { probabilities[$0] < probabilities[$1] } ?? 0
    guard temperature > 0, probabilities[best] > 0 else { return best }
    let weights = probabilities.map {
      $0 > 0 ? pow(Double($0) / Double(probabilities[best]), 1 / temperature) : 0
    }
    var rest = draw * weights.reduce(0, +)
    for (index, weight) in weights.enumerated() {
      rest -= weight
      if rest < 0 { return index }
    }
    return best
  }
}
