// SPDX-License-Identifier: Apache-2.0
import Runtime

/// What a model over a table takes: one input for each tensor of its schema.
///
/// A named column is an input of shape `[1]`: FP32 for numbers, INT64 for integers, BYTES for
/// categories. A matrix is an input of its own shape: UINT8 if it was so in training, else FP32. With
/// more tensors than a model may have inputs, all columns come in one FP32 input `features`, in
/// the order of the schema, categories as their index.
struct TableInterface: Sendable {
  /// What a model has at most; `PluginModel` refuses more.
  static let maxInputs = 64

  let schema: TableSchema
  /// The model's inputs.
  let inputs: [TensorSpecification]
  private let isPacked: Bool
  private let categories: [[String: Float]]

  init(_ schema: TableSchema) {
    self.schema = schema
    isPacked = schema.sources.count > Self.maxInputs
    inputs =
      isPacked
      ? [TensorSpecification(name: "features", datatype: .fp32, shape: [schema.columnCount])]
      : schema.sources.map { source in
        TensorSpecification(
          name: source.name, datatype: Self.datatype(source),
          shape: source.shape.isEmpty ? [1] : source.shape)
      }
    categories = schema.sources.map { source in
      guard case .categorical(let names) = source.kind else { return [:] }
      return Dictionary(names.enumerated().map { ($1, Float($0)) }) { first, _ in first }
    }
  }

  private static func datatype(_ source: TableSchema.Source) -> DataType {
    switch source.kind {
    case .categorical: .bytes
    case .integer: .int64
    case .number: !source.shape.isEmpty && source.datatype == .uint8 ? .uint8 : .fp32
    }
  }

  /// Lends the rows of a call, (rows, columns) row-major; a category that training did not have is
  /// NaN, as a missing value is.
  ///
  /// An FP32 matrix that is aligned is lent where it is.
  func withRows<Result>(
    of execution: PluginExecution,
    _ body: (UnsafePointer<Float>) throws(PluginError) -> Result
  ) throws(PluginError) -> Result {
    let rows = max(execution.batchSize, 1)
    if inputs.count == 1, inputs[0].datatype == .fp32,
      let base = execution.input(0).bytes.baseAddress, UInt(bitPattern: base) % 4 == 0
    {
      return try body(base.assumingMemoryBound(to: Float.self))
    }
    let columns = schema.columnCount
    let memory = UnsafeMutablePointer<Float>.allocate(capacity: max(rows * columns, 1))
    defer { memory.deallocate() }
    if isPacked {
      TableElements.read(
        execution.input(0).bytes, .fp32, count: rows * columns, into: memory)
    } else {
      var column = 0
      for (index, source) in schema.sources.enumerated() {
        read(index, of: execution, rows: rows, into: memory + column, stride: columns)
        column += source.width
      }
    }
    return try body(memory)
  }

  private func read(
    _ index: Int, of execution: PluginExecution, rows: Int,
    into destination: UnsafeMutablePointer<Float>, stride: Int
  ) {
    let bytes = execution.input(index).bytes
    let width = schema.sources[index].width
    if inputs[index].datatype == .bytes {
      var offset = 0
      for row in 0..<rows {
        // The framing was checked before the call.
        let size = Int(
          UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
        let text = String(
          decoding: UnsafeRawBufferPointer(rebasing: bytes[(offset + 4)..<(offset + 4 + size)]),
          as: UTF8.self)
        destination[row * stride] = categories[index][text] ?? .nan
        offset += 4 + size
      }
      return
    }
    for column in 0..<width {
      TableElements.read(
        bytes, inputs[index].datatype, first: column, stride: width, count: rows,
        into: destination + column, destinationStride: stride)
    }
  }
}

/// The outputs `probabilities` and `label` that every classifier over tables has.
struct ClassifierOutputs: Sendable {
  let names: ClassNames

  /// Output 0: FP32, one for each class; output 1: INT64 or BYTES, the class itself.
  var specifications: [TensorSpecification] {
    let labelType: DataType
    switch names {
    case .integers: labelType = .int64
    case .strings: labelType = .bytes
    }
    return [
      TensorSpecification(name: "probabilities", datatype: .fp32, shape: [names.count]),
      TensorSpecification(name: "label", datatype: labelType, shape: [1]),
    ]
  }

  /// Allocates both outputs, lets `body` fill the probabilities (rows, classes), and writes the
  /// label of the largest, the first of equals.
  func write(
    to execution: PluginExecution, _ body: (UnsafeMutablePointer<Float>) -> Void
  ) throws(PluginError) {
    let rows = max(execution.batchSize, 1)
    let classes = names.count
    let memory = try execution.allocateOutput(0, datatype: .fp32, shape: [rows, classes])
    guard let base = memory.baseAddress?.assumingMemoryBound(to: Float.self) else { return }
    body(base)
    let best = (0..<rows).map { row in
      var best = 0
      for index in 1..<classes where base[row * classes + index] > base[row * classes + best] {
        best = index
      }
      return best
    }
    switch names {
    case .integers(let values):
      let labels = try execution.allocateOutput(1, datatype: .int64, shape: [rows, 1])
      for (row, index) in best.enumerated() {
        labels.storeBytes(of: values[index].littleEndian, toByteOffset: row * 8, as: Int64.self)
      }
    case .strings(let strings):
      try execution.setStrings(1, best.map { strings[$0] })
    }
  }
}

extension PluginExecution {
  /// Sets a BYTES output, by default (rows, 1).
  func setStrings(
    _ index: Int, _ strings: [String], shape: [Int]? = nil
  ) throws(PluginError) {
    let byteCount = strings.reduce(0) { $0 + 4 + $1.utf8.count }
    let extents = (shape ?? [strings.count, 1]).map { Int64($0) }
    let result = extents.withUnsafeBufferPointer {
      extents -> Result<UnsafeMutableRawBufferPointer, PluginError> in
      do throws(PluginError) {
        return .success(
          try allocateOutput(index, datatype: .bytes, shape: extents, byteCount: byteCount))
      } catch {
        return .failure(error)
      }
    }
    let memory = try result.get()
    var offset = 0
    for string in strings {
      let utf8 = Array(string.utf8)
      memory.storeBytes(of: UInt32(utf8.count).littleEndian, toByteOffset: offset, as: UInt32.self)
      UnsafeMutableRawBufferPointer(rebasing: memory[(offset + 4)..<(offset + 4 + utf8.count)])
        .copyBytes(from: utf8)
      offset += 4 + utf8.count
    }
  }

  /// Allocates an FP32 output and lends it to be filled.
  func fillFloats(
    _ index: Int, shape: [Int], _ body: (UnsafeMutablePointer<Float>) -> Void
  ) throws(PluginError) {
    let memory = try allocateOutput(index, datatype: .fp32, shape: shape)
    if let base = memory.baseAddress { body(base.assumingMemoryBound(to: Float.self)) }
  }

  /// Allocates an INT32 output and lends it to be filled.
  func fillIntegers(
    _ index: Int, shape: [Int], _ body: (UnsafeMutablePointer<Int32>) -> Void
  ) throws(PluginError) {
    let memory = try allocateOutput(index, datatype: .int32, shape: shape)
    if let base = memory.baseAddress { body(base.assumingMemoryBound(to: Int32.self)) }
  }
}
