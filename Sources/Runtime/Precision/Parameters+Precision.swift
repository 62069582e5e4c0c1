// SPDX-License-Identifier: Apache-2.0
// N output columns or channels: the last dimension of weights.

import CKernels

extension Parameters {
  /// What stands behind the name of quantised weights in the name of their scales.
  private static let scaleSuffix = ".scale"

  /// The values as a safetensors file in the types of a precision.
  ///
  /// bf16: matrices and filters as BF16. int8: weights with a range as INT8 beside `<name>.scale`, FP32 [N]. All else is
  /// FP32. What a plan of the precision makes of the loaded file is what it makes of these values.
  ///
  /// - Throws: nothing that names accepted by the graph can cause.
  public func encode(
    as precision: Precision, instructionSet: InstructionSet, metadata: [String: String] = [:]
  ) throws(RuntimeError) -> [UInt8] {
    var items: [(item: SafetensorsWriter.Item, bytes: UnsafeRawBufferPointer)] = []
    var owned: [AlignedMemory] = []
    func add(
      _ name: String, _ type: DataType, _ shape: Shape,
      _ fill: (UnsafeMutableRawPointer) -> Void
    ) throws(RuntimeError) {
      let memory = try AlignedMemory(byteCount: try shape.byteCount(of: type))
      fill(memory.base)
      owned.append(memory)
      items.append((try .init(name, type, shape), UnsafeRawBufferPointer(memory.bytes)))
    }
    for entry in entries {
      let values = floats(of: entry)
      guard let base = values.baseAddress, entry.shape.rank >= 2 else {
        items.append((try .init(entry.name, .fp32, entry.shape), .init(values)))
        continue
      }
      switch precision {
      case .bf16:
        try add(entry.name, .bf16, entry.shape) { memory in
          instructionSet.change(base, .fp32, at: 0, to: memory, .bf16, count: values.count)
        }
      case .int8(let ranges) where ranges.byWeights[entry.name] != nil:
        let columns = entry.shape.innermost
        let scales = Self.scales(of: values, columns: columns)
        try add(entry.name, .int8, entry.shape) { memory in
          let levels = memory.assumingMemoryBound(to: Int8.self)
          for (index, value) in values.enumerated() {
            let level = value / scales[index % columns]
            levels[index] = Int8(max(-127, min(127, level.isNaN ? 0 : level.rounded())))
          }
        }
        try add(entry.name + Self.scaleSuffix, .fp32, try Shape([columns])) { memory in
          memory.assumingMemoryBound(to: Float.self).update(from: scales, count: columns)
        }
      default:
        items.append((try .init(entry.name, .fp32, entry.shape), .init(values)))
      }
    }
    return try withExtendedLifetime(owned) { () throws(RuntimeError) in
      try SafetensorsWriter.encode(items, metadata: metadata)
    }
  }

  /// A 127th of the largest magnitude of each column; one for columns of zeros.
  private static func scales(
    of values: UnsafeMutableBufferPointer<Float>, columns: Int
  ) -> [Float] {
    var largest = [Float](repeating: 0, count: columns)
    for (index, value) in values.enumerated() {
      largest[index % columns] = max(largest[index % columns], abs(value))
    }
    return largest.map { $0 > 0 && $0.isFinite ? $0 / 127 : 1 }
  }

  /// Replaces all values by those of a safetensors file whose tensors are FP32, FP16, BF16, FP64, or INT8 with scales.
  ///
  /// - Throws: `.notFound` for a parameter or a scale that the file lacks, `.shapeMismatch` for another type or shape;
  ///   nothing is changed then.
  public func loadConverting(
    _ file: SafetensorsFile, _ bytes: UnsafeRawBufferPointer, instructionSet: InstructionSet
  ) throws(RuntimeError) {
    var scales: [String: UnsafeRawBufferPointer] = [:]
    for entry in entries {
      guard let source = file[entry.name] else {
        throw RuntimeError(.notFound, "the file has no tensor of this name", field: entry.name)
      }
      let types: [DataType] = [.fp32, .fp16, .bf16, .fp64, .int8]
      guard types.contains(source.datatype), source.shape == entry.shape else {
        throw RuntimeError(
          .shapeMismatch,
          "expected \(types.map(\.rawValue).joined(separator: ", ")) of \(entry.shape); came"
            + " \(source.datatype.rawValue) \(source.shape)", field: entry.name)
      }
      guard source.datatype == .int8 else { continue }
      let name = entry.name + Self.scaleSuffix
      guard let scale = file[name] else {
        throw RuntimeError(.notFound, "the file has no scales of INT8 weights", field: name)
      }
      guard scale.datatype == .fp32, scale.shape.dimensions == [entry.shape.innermost] else {
        throw RuntimeError(
          .shapeMismatch,
          "expected FP32 [\(entry.shape.innermost)]; came \(scale.datatype.rawValue) \(scale.shape)",
          field: name)
      }
      scales[entry.name] = UnsafeRawBufferPointer(rebasing: bytes[scale.range])
    }
    for entry in entries {
      guard let source = file[entry.name] else { continue }
      convert(
        UnsafeRawBufferPointer(rebasing: bytes[source.range]), source.datatype,
        scales: scales[entry.name], to: entry, instructionSet)
    }
  }

  private func convert(
    _ source: UnsafeRawBufferPointer, _ type: DataType, scales: UnsafeRawBufferPointer?,
    to entry: Entry, _ isa: InstructionSet
  ) {
    let values = floats(of: entry)
    switch type {
    case .fp16, .bf16:
      // A file's bytes begin anywhere; kernels read halves where halves may be.
      let halves = (0..<values.count).map {
        source.loadUnaligned(fromByteOffset: 2 * $0, as: UInt16.self)
      }
      guard let base = values.baseAddress else { return }
      let kernels = isa.narrow.pointee
      if type == .bf16 {
        kernels.f32_from_bf16(base, halves, halves.count)
      } else {
        kernels.f32_from_f16(base, halves, halves.count)
      }
    case .fp64:
      for index in values.indices {
        values[index] = Float(source.loadUnaligned(fromByteOffset: 8 * index, as: Double.self))
      }
    case .int8:
      let columns = max(1, entry.shape.innermost)
      let scales = (0..<columns).map {
        scales?.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) ?? 1
      }
      for index in values.indices {
        values[index] = Float(Int8(bitPattern: source[index])) * scales[index % columns]
      }
    default: UnsafeMutableRawBufferPointer(values).copyMemory(from: source)
    }
  }
}
