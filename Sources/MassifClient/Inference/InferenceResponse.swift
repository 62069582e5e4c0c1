// SPDX-License-Identifier: Apache-2.0
internal import CProtobuf
internal import RPCTransport

/// Decodes `inference.ModelInferResponse`: a shallow scan finds the raw tensors, which stay where
/// they are, and protobuf-c decodes the small rest.
enum InferenceResponse {
  /// `ModelInferResponse.raw_output_contents`.
  private static let rawContents = 6
  static let maxOutputs = 1024

  static func decode(_ message: ReceivedMessage) throws(MassifError) -> InferenceResult {
    let scan = try Scan(message.bytes)
    return try withDecoded(
      Inference__ModelInferResponse.self,
      descriptor: inference__model_infer_response__descriptor,
      bytes: UnsafeRawBufferPointer(rebasing: message.bytes[..<scan.head.count])
    ) { response throws(MassifError) in
      guard response.n_outputs <= maxOutputs else {
        throw malformed("it has \(response.n_outputs) outputs")
      }
      guard scan.raw.isEmpty || scan.raw.count == response.n_outputs else {
        throw malformed("\(scan.raw.count) raw contents for \(response.n_outputs) outputs")
      }
      var outputs: [Tensor] = []
      for index in 0..<response.n_outputs {
        guard let output = response.outputs[index]?.pointee else { continue }
        outputs.append(try tensor(output, index, message, scan))
      }
      return InferenceResult(
        model: String(field: response.model_name), version: String(field: response.model_version),
        id: String(field: response.id), outputs: outputs)
    }
  }

  private static func tensor(
    _ output: Inference__ModelInferResponse__InferOutputTensor, _ index: Int,
    _ message: ReceivedMessage, _ scan: Scan
  ) throws(MassifError) -> Tensor {
    let name = String(field: output.name)
    let dataType = DataType(rawValue: String(field: output.datatype))
    let shape = (0..<output.n_shape).map { Int(output.shape[$0]) }
    guard let count = Tensor.elementCount(shape) else {
      throw malformed("output \(name) has the shape \(shape)")
    }
    let storage: Tensor.Storage
    if scan.raw.isEmpty {
      storage = try TypedContents.storage(output.contents?.pointee, dataType, output: name)
    } else {
      storage = Tensor.Storage(
        bytes: UnsafeRawBufferPointer(rebasing: message.bytes[scan.raw[index]]),
        owner: message.buffer)
    }
    if let size = dataType.byteCount {
      let (expected, overflow) = count.multipliedReportingOverflow(by: size)
      guard !overflow, storage.bytes.count == expected else {
        throw malformed(
          "output \(name) of shape \(shape) and type \(dataType) has \(storage.bytes.count) bytes")
      }
    }
    return Tensor(name: name, dataType: dataType, shape: shape, storage: storage)
  }

  static func malformed(_ why: String) -> MassifError {
    MassifError(.internal, "the server's ModelInferResponse is malformed: \(why)")
  }

  /// Where the raw tensors are, and the fields before them.
  private struct Scan {
    private(set) var raw: [Range<Int>] = []
    /// The fields that are not raw contents.
    ///
    /// Massif and Triton write those last, in the order of their numbers.
    private(set) var head = 0..<0

    init(_ bytes: UnsafeRawBufferPointer) throws(MassifError) {
      var reader = ProtobufReader(bytes)
      while let field = try Self.next(&reader) {
        if field.number == rawContents, case .bytes(let range) = field.value {
          raw.append(range)
          guard raw.count <= maxOutputs else { throw malformed("too many raw contents") }
        } else {
          guard field.range.lowerBound == head.upperBound else {
            throw malformed("fields follow raw_output_contents")
          }
          head = 0..<field.range.upperBound
        }
      }
    }

    private static func next(
      _ reader: inout ProtobufReader
    ) throws(MassifError) -> ProtobufReader.Field? {
      do {
        return try reader.next()
      } catch {
        throw MassifError(.internal, "the server's ModelInferResponse is malformed", cause: error)
      }
    }
  }
}

/// The elements of an `InferTensorContents` as raw bytes, for servers that answer in typed form.
private enum TypedContents {
  static func storage(
    _ contents: Inference__InferTensorContents?, _ dataType: DataType, output: String
  ) throws(MassifError) -> Tensor.Storage {
    guard let contents else { return Tensor.copied(UnsafeRawBufferPointer(start: nil, count: 0)) }
    switch dataType {
    case .bool: return copied(contents.bool_contents, contents.n_bool_contents)
    case .int8:
      return narrowed(contents.int_contents, contents.n_int_contents, Int8.self)
    case .int16:
      return narrowed(contents.int_contents, contents.n_int_contents, Int16.self)
    case .int32: return copied(contents.int_contents, contents.n_int_contents)
    case .int64: return copied(contents.int64_contents, contents.n_int64_contents)
    case .uint8:
      return narrowed(contents.uint_contents, contents.n_uint_contents, UInt8.self)
    case .uint16:
      return narrowed(contents.uint_contents, contents.n_uint_contents, UInt16.self)
    case .uint32: return copied(contents.uint_contents, contents.n_uint_contents)
    case .uint64: return copied(contents.uint64_contents, contents.n_uint64_contents)
    case .fp32: return copied(contents.fp32_contents, contents.n_fp32_contents)
    case .fp64: return copied(contents.fp64_contents, contents.n_fp64_contents)
    case .bytes: return strings(contents)
    default:
      throw InferenceResponse.malformed("output \(output) of type \(dataType) has no raw contents")
    }
  }

  private static func copied<T>(_ start: UnsafeMutablePointer<T>?, _ count: Int) -> Tensor.Storage {
    Tensor.copied(UnsafeRawBufferPointer(UnsafeBufferPointer(start: start, count: count)))
  }

  private static func narrowed<Wide: BinaryInteger, Narrow: FixedWidthInteger>(
    _ start: UnsafeMutablePointer<Wide>?, _ count: Int, _: Narrow.Type
  ) -> Tensor.Storage {
    UnsafeBufferPointer(start: start, count: count).map { Narrow(truncatingIfNeeded: $0) }
      .withUnsafeBytes(Tensor.copied)
  }

  private static func strings(_ contents: Inference__InferTensorContents) -> Tensor.Storage {
    var bytes: [UInt8] = []
    for index in 0..<contents.n_bytes_contents {
      let string = contents.bytes_contents[index]
      withUnsafeBytes(of: UInt32(truncatingIfNeeded: string.len).littleEndian) {
        bytes.append(contentsOf: $0)
      }
      bytes.append(contentsOf: UnsafeBufferPointer(start: string.data, count: string.len))
    }
    return bytes.withUnsafeBytes(Tensor.copied)
  }
}
