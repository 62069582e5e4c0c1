// SPDX-License-Identifier: Apache-2.0
import ModelPlugins
import Runtime

@testable import RPCTransport
@testable import Serving

extension FuzzEntry {
  /// `ModelInferRequest`: it comes to tensors that fit the model, or to an error of the caller's; the
  /// same wherever the message lies in memory, and no internal name is in an error.
  ///
  /// Input: the model, where the message lies, the message.
  static let inferRequest = FuzzEntry("infer-request") { bytes in
    var input = FuzzInput(bytes)
    let model = FuzzedModel(input.byte())
    let shift = Int(input.byte() & 15)
    let aligned = try model.decoded(input.rest, at: 0)
    let shifted = try model.decoded(input.rest, at: shift)
    try require(aligned == shifted, "\(aligned) at 0, \(shifted) at \(shift)")
  }

  /// What an answer in a stream repeats of a request that could not be decoded, beside what decoding
  /// finds where it can be.
  ///
  /// Input: the message.
  static let streamedRequest = FuzzEntry("streamed-request") { bytes in
    let echo = StreamedRequestEcho(bytes)
    try require(
      echo.modelName.utf8.count + echo.id.utf8.count <= bytes.count,
      "an echo longer than its request")
    let request = try FuzzedModel(10).decoded(bytes, at: 0)
    guard case .request(let name, let id, _, _) = request else { return }
    try require(
      echo.modelName.utf8.elementsEqual(name.utf8) && echo.id.utf8.elementsEqual(id.utf8),
      "echoes \(echo), decodes to \(name) and \(id)")
  }
}

/// A model that requests are decoded for: one input of each element type, or two inputs.
private struct FuzzedModel {
  /// What decoding comes to, in a form to compare.
  enum Decoded: Equatable {
    case request(name: String, id: String, tensors: [[UInt8]], extents: [[Int64]])
    case refusal(String)
  }

  private let signature: ModelSignature

  init(_ choice: UInt8) {
    let types = DataType.allCases
    var inputs = [
      TensorSpecification(
        name: "INPUT0", datatype: types[Int(choice & 15) % types.count],
        shape: choice & 32 == 0 ? [4] : [-1, 2])
    ]
    if choice & 16 != 0 {
      inputs = [
        TensorSpecification(name: "INPUT0", datatype: .fp32, shape: [3]),
        TensorSpecification(name: "INPUT1", datatype: .int64, shape: [1]),
      ]
    }
    signature = ModelSignature(
      inputs: inputs,
      outputs: ["OUTPUT0", "OUTPUT1"].map {
        TensorSpecification(name: $0, datatype: .fp32, shape: [1])
      }, maxBatchSize: choice & 64 == 0 ? 8 : 0)
  }

  func decoded(_ message: UnsafeRawBufferPointer, at shift: Int) throws(FuzzFinding) -> Decoded {
    let pool = BufferPool()
    let placement = MessagePlacement(byteCount: message.count, offset: shift)
    guard let buffer = placement.buffer(of: message.count, from: pool) else {
      throw FuzzFinding(description: "no memory for \(message.count) bytes")
    }
    buffer.append(message)
    let request: InferRequest
    do {
      request = try InferRequestDecoder(limits: InferLimits(), pool: pool).decode(
        buffer, resolve: { (_, _) throws(ServingError) in signature }, signature: { $0 }
      ).1
    } catch {
      try require(
        [.invalidArgument, .unimplemented, .resourceExhausted].contains(error.code),
        "refused as \(error.code): \(error.message)")
      return .refusal("\(error.code) \(error.message) \(error.violations)")
    }
    try require(request.inputs.count == signature.inputs.count, "\(request.inputs.count) inputs")
    for (tensor, expected) in zip(request.inputs, signature.inputs) {
      try check(tensor, expected)
    }
    return .request(
      name: request.modelName, id: request.id, tensors: request.inputs.map { Array($0.bytes) },
      extents: request.inputs.map { $0.withExtents { Array($0) } })
  }

  private func check(
    _ tensor: InferTensor, _ expected: ModelSignature.Input
  ) throws(FuzzFinding) {
    let extents = tensor.withExtents { Array($0) }
    let own = extents.dropFirst(signature.isBatched ? 1 : 0)
    try require(
      own.count == expected.extents.count
        && zip(own, expected.extents).allSatisfy { $0 >= 0 && ($1 < 0 || $0 == $1) },
      "\(extents) for \(expected.extents)")
    let elements = Int(extents.reduce(1, *))
    guard let size = expected.datatype.byteCount else {
      let count = BytesElements.count(in: tensor.bytes)
      return try require(count == elements, "\(count as Any) elements of \(elements)")
    }
    try require(tensor.bytes.count == elements * size, "\(tensor.bytes.count) bytes for \(extents)")
    try require(
      UInt(bitPattern: tensor.bytes.baseAddress) % UInt(size) == 0 || tensor.bytes.isEmpty,
      "elements of \(size) bytes lie at \(tensor.bytes)")
  }
}
