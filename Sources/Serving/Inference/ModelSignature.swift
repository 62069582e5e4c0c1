// SPDX-License-Identifier: Apache-2.0
import Glibc
import ModelPlugins
import Runtime

/// What a model takes and gives, in the form in which requests are checked against it and answers
/// are written: names as C strings, extents as they come, the fixed part of the answer encoded.
final class ModelSignature: @unchecked Sendable {
  /// A tensor that the model takes.
  struct Input {
    let name: String
    let datatype: DataType
    /// Without the batch dimension; -1 varies.
    let extents: [Int64]
    // SAFETY: allocated in init and freed in deinit of the signature.
    let cName: UnsafePointer<CChar>
    let cDatatype: UnsafePointer<CChar>
  }

  /// A tensor that the model gives.
  struct Output {
    let name: String
    let datatype: DataType
    let extents: [Int64]
    /// The `name` and `datatype` fields of its InferOutputTensor, encoded.
    let encodedPrefix: [UInt8]
  }

  let inputs: [Input]
  let outputs: [Output]
  /// 0: no batch dimension.
  let maxBatchSize: Int
  /// Whether requests with different extents can share a batch: no extent varies.
  let hasFixedExtents: Bool

  var isBatched: Bool { maxBatchSize > 0 }

  init(inputs: [TensorSpecification], outputs: [TensorSpecification], maxBatchSize: Int) {
    self.inputs = inputs.map { input in
      Input(
        name: input.name, datatype: input.datatype, extents: input.shape.map(Int64.init),
        cName: Self.cString(input.name), cDatatype: Self.cString(input.datatype.rawValue))
    }
    self.outputs = outputs.map { output in
      var prefix = WireWriter()
      prefix.string(1, output.name)
      prefix.string(2, output.datatype.rawValue)
      return Output(
        name: output.name, datatype: output.datatype, extents: output.shape.map(Int64.init),
        encodedPrefix: prefix.bytes)
    }
    self.maxBatchSize = maxBatchSize
    hasFixedExtents = inputs.allSatisfy { !$0.shape.contains(-1) && $0.datatype != .bytes }
  }

  deinit {
    for input in inputs {
      input.cName.deallocate()
      input.cDatatype.deallocate()
    }
  }

  private static func cString(_ text: String) -> UnsafePointer<CChar> {
    let bytes = text.utf8CString
    let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
    for (index, byte) in bytes.enumerated() { copy[index] = byte }
    return UnsafePointer(copy)
  }

  /// The input called `name`; `hint` is where it most likely stands.
  func inputIndex(named name: UnsafePointer<CChar>, hint: Int) -> Int? {
    if hint < inputs.count, strcmp(inputs[hint].cName, name) == 0 { return hint }
    return inputs.firstIndex { strcmp($0.cName, name) == 0 }
  }

  /// The extents that an input may have, as a person reads them: `[1...64, 28, 28]`.
  func shapeText(of input: Input) -> String {
    let lead = isBatched ? ["1...\(maxBatchSize)"] : []
    return "[\((lead + input.extents.map(String.init)).joined(separator: ", "))]"
  }
}
