// SPDX-License-Identifier: Apache-2.0
import CProtobuf
import Glibc
import RPCTransport
import Runtime

/// Checks a decoded request against a model's signature, tensor by tensor.
///
/// Every refusal names the field as the caller wrote it, what was expected and what came.
struct InputBinding: ~Copyable {
  typealias Head = UnsafePointer<Inference__ModelInferRequest>
  typealias Input = Inference__ModelInferRequest__InferInputTensor

  let message: PooledBuffer
  let scan: InferRequestScan
  let head: Head
  let signature: ModelSignature
  let pool: BufferPool

  /// - Throws: `.invalidArgument`, or `.unimplemented` for what the protocol has and we do not.
  func bind(modelName: String) throws(ServingError) -> InferRequest {
    let parameters = try requestParameters()
    var request = InferRequest(
      modelName: modelName, id: String(field: head.pointee.id),
      inputs: InferTensors(count: signature.inputs.count), rows: 0,
      requestedOutputs: try requestedOutputs(), queueTimeout: parameters)
    let count = head.pointee.n_inputs
    if scan.rawCount > 0, scan.rawCount != count {
      throw ServingError(
        field: "raw_input_contents",
        "expected \(count) elements, one for each input, came \(scan.rawCount)")
    }
    var bound: UInt64 = 0
    for position in 0..<count {
      guard let input = head.pointee.inputs[position] else { continue }
      let index = try modelInput(of: input, at: position)
      guard bound & 1 << UInt64(index) == 0 else {
        throw ServingError(
          field: "inputs[\(position)].name",
          "expected each input once, \(signature.inputs[index].name) came twice")
      }
      bound |= 1 << UInt64(index)
      try refuseInputParameters(input, at: position)
      try bind(input, at: position, to: signature.inputs[index], as: &request.inputs[index])
      if signature.isBatched {
        let rows = Int(request.inputs[index].extents[0])
        guard position == 0 || rows == request.rows else {
          throw ServingError(
            field: "inputs[\(position)].shape",
            "expected \(request.rows) rows as in inputs[0], came \(rows)")
        }
        request.rows = rows
      }
    }
    for (index, input) in signature.inputs.enumerated() where bound & 1 << UInt64(index) == 0 {
      throw ServingError(field: "inputs", "expected the input \(input.name), it is missing")
    }
    return request
  }

  private func modelInput(
    of input: UnsafeMutablePointer<Input>, at position: Int
  ) throws(ServingError) -> Int {
    if let name = input.pointee.name,
      let index = signature.inputIndex(named: name, hint: position)
    {
      return index
    }
    let known = signature.inputs.map(\.name).joined(separator: ", ")
    let name = String(field: input.pointee.name)
    throw ServingError(
      field: "inputs[\(position)].name",
      name.isEmpty
        ? "expected one of \(known), came none" : "expected one of \(known), came \(name)")
  }

  private func bind(
    _ input: UnsafeMutablePointer<Input>, at position: Int, to expected: ModelSignature.Input,
    as tensor: inout InferTensor
  ) throws(ServingError) {
    let datatype = expected.datatype
    guard let name = input.pointee.datatype, strcmp(name, expected.cDatatype) == 0 else {
      let name = String(field: input.pointee.datatype)
      throw ServingError(
        field: "inputs[\(position)].datatype",
        "expected \(datatype.rawValue) for \(expected.name), came"
          + " \(name.isEmpty ? "none" : name)")
    }
    let elements = try bindShape(input, at: position, to: expected, as: &tensor)
    let byteCount = datatype.byteCount.map { elements.multipliedReportingOverflow(by: $0) }
    if let byteCount, byteCount.overflow {
      throw ServingError(
        field: "inputs[\(position)].shape", "expected fewer elements, came \(elements)")
    }
    if scan.rawCount > 0 {
      if let typed = scan.typedContents(of: position), typed.count > 0 {
        throw ServingError(
          field: "inputs[\(position)].contents",
          "expected none beside raw_input_contents, came both")
      }
      let range = scan.raw[position]
      let bytes = UnsafeRawBufferPointer(
        rebasing: message.bytes[range.offset..<range.offset + range.count])
      if let byteCount {
        guard bytes.count == byteCount.partialValue else {
          throw ServingError(
            field: "raw_input_contents[\(position)]",
            "expected \(byteCount.partialValue) bytes for \(datatype.rawValue)"
              + " \(text(of: tensor)) of \(expected.name), came \(bytes.count)")
        }
      } else {
        try checkElements(in: bytes, count: elements, at: position, of: expected)
      }
      tensor.offset = range.offset
      try tensor.lend(bytes, of: message, elementSize: datatype.byteCount ?? 1, pool: pool)
    } else {
      try bindTyped(
        at: position, to: expected, elements: elements, as: &tensor)
    }
  }

  /// - Returns: how many elements the shape has.
  private func bindShape(
    _ input: UnsafeMutablePointer<Input>, at position: Int, to expected: ModelSignature.Input,
    as tensor: inout InferTensor
  ) throws(ServingError) -> Int {
    let lead = signature.isBatched ? 1 : 0
    let rank = input.pointee.n_shape
    var fits = rank == expected.extents.count + lead && rank <= InferLimits.maxRank
    var elements = 1
    if fits {
      tensor.rank = rank
      for axis in 0..<rank {
        let extent = input.pointee.shape[axis]
        tensor.extents[axis] = extent
        let limit = axis < lead ? -1 : expected.extents[axis - lead]
        if extent < 0 || (limit >= 0 && limit != extent) { fits = false }
        if axis < lead, !(1...Int64(signature.maxBatchSize)).contains(extent) { fits = false }
      }
    }
    guard fits else {
      let came = (0..<min(rank, InferLimits.maxRank)).map { input.pointee.shape[$0] }
      throw ServingError(
        field: "inputs[\(position)].shape",
        "expected \(signature.shapeText(of: expected)) for \(expected.name), came \(came)")
    }
    for axis in 0..<rank {
      let (product, overflow) = elements.multipliedReportingOverflow(
        by: Int(tensor.extents[axis]))
      guard !overflow else {
        throw ServingError(
          field: "inputs[\(position)].shape",
          "expected fewer elements, came \(text(of: tensor)), whose product overflows")
      }
      elements = product
    }
    return elements
  }

  private func bindTyped(
    at position: Int, to expected: ModelSignature.Input, elements: Int,
    as tensor: inout InferTensor
  ) throws(ServingError) {
    guard let range = scan.typedContents(of: position) else {
      guard elements == 0 else {
        throw ServingError(
          field: "inputs[\(position)].contents",
          "expected \(elements) elements here or in raw_input_contents, came none")
      }
      return
    }
    let contents = TypedContents(
      bytes: message.bytes, range: range, path: "inputs[\(position)].contents")
    let measure = try contents.measure(expected.datatype)
    guard measure.elementCount == elements else {
      throw ServingError(
        field: "inputs[\(position)].contents",
        "expected \(elements) elements for \(expected.datatype.rawValue) \(text(of: tensor)) of"
          + " \(expected.name), came \(measure.elementCount)")
    }
    guard let buffer = pool.bufferIfAvailable(capacity: measure.byteCount) else {
      throw .noMemory(byteCount: measure.byteCount)
    }
    try contents.write(
      expected.datatype,
      to: UnsafeMutableRawBufferPointer(start: buffer.base, count: measure.byteCount))
    buffer.count = measure.byteCount
    tensor.bytes = buffer.bytes
    tensor.owner = buffer
  }

  private func checkElements(
    in bytes: UnsafeRawBufferPointer, count: Int, at position: Int,
    of expected: ModelSignature.Input
  ) throws(ServingError) {
    guard let came = BytesElements.count(in: bytes) else {
      throw ServingError(
        field: "raw_input_contents[\(position)]",
        "expected BYTES elements, each a 4-byte length and its bytes; one is cut short")
    }
    guard came == count else {
      throw ServingError(
        field: "raw_input_contents[\(position)]",
        "expected \(count) elements of BYTES for \(expected.name), came \(came)")
    }
  }

  private func text(of tensor: InferTensor) -> String {
    tensor.withExtents { "\(Array($0))" }
  }
}
