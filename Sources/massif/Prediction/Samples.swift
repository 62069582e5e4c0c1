// SPDX-License-Identifier: Apache-2.0
internal import MassifClient

/// Samples in memory in the form that a model takes, from which requests borrow slices.
struct Samples {
  let count: Int
  private let input: ModelMetadata.TensorMetadata
  private let sampleShape: [Int]
  private let sampleByteCount: Int
  private let memory: Memory

  /// Bytes that stay in place for as long as a request holds them.
  private final class Memory: @unchecked Sendable {
    // SAFETY: written in init only.
    let bytes: UnsafeMutableRawBufferPointer

    init(_ content: [UInt8]) {
      bytes = .allocate(byteCount: content.count, alignment: 64)
      bytes.copyBytes(from: content)
    }

    deinit { bytes.deallocate() }
  }

  /// Fits a tensor of samples to a model's input: adds or drops extents of 1, and turns bytes into
  /// FP32 where asked for.
  init(
    _ tensor: ImportedTensor, for input: ModelMetadata.TensorMetadata, path: String, limit: Int?
  ) throws(CommandError) {
    self.input = input
    let wanted = Array(input.shape.dropFirst())
    let isOpen = wanted.contains { $0 < 0 }
    let (count, own) = Self.samples(tensor.shape, wanted: wanted, isOpen: isOpen)
    guard let count else {
      throw CommandError(
        path, field: "shape", expected: "samples of \(wanted), as the input \(input.name) takes",
        came: "\(tensor.shape)")
    }
    sampleShape = isOpen ? own : wanted
    self.count = min(count, limit ?? count)
    let bytes = try Self.converted(tensor, to: input, path)
    sampleByteCount = count == 0 ? 0 : bytes.count / count
    memory = Memory(bytes)
  }

  /// How many samples a tensor holds, and the shape of one in the file.
  private static func samples(
    _ shape: [Int], wanted: [Int], isOpen: Bool
  ) -> (count: Int?, own: [Int]) {
    let own = Array(shape.dropFirst())
    if isOpen { return (own.count == wanted.count ? shape.first : nil, own) }
    let size = ImportedTensor.elementCount(wanted)
    if let count = shape.first, ImportedTensor.elementCount(own) == size { return (count, own) }
    // One sample without the extent that counts samples.
    return (ImportedTensor.elementCount(shape) == size ? 1 : nil, shape)
  }

  private static func converted(
    _ tensor: ImportedTensor, to input: ModelMetadata.TensorMetadata, _ path: String
  ) throws(CommandError) -> [UInt8] {
    if tensor.datatypeName == input.dataType.rawValue { return tensor.bytes }
    switch (tensor.datatypeName, input.dataType) {
    case ("UINT8", .fp32):
      return tensor.bytes.map(Float.init).withUnsafeBytes { Array($0) }
    case ("FP64", .fp32):
      return elements(tensor.bytes, Double.self).map(Float.init).withUnsafeBytes { Array($0) }
    case ("FP32", .uint8):
      var narrow: [UInt8] = []
      for (index, value) in elements(tensor.bytes, Float.self).enumerated() {
        guard let byte = UInt8(exactly: value) else {
          throw CommandError(
            path, field: "element \(index)",
            expected: "whole numbers from 0 to 255, as the input \(input.name) takes",
            came: "\(value)")
        }
        narrow.append(byte)
      }
      return narrow
    default:
      throw CommandError(
        path, field: "type", expected: "\(input.dataType), as the input \(input.name) takes",
        came: tensor.datatypeName)
    }
  }

  private static func elements<T: BitwiseCopyable>(_ bytes: [UInt8], _: T.Type) -> [T] {
    bytes.withUnsafeBytes { bytes in
      (0..<bytes.count / MemoryLayout<T>.size).map {
        bytes.loadUnaligned(fromByteOffset: $0 * MemoryLayout<T>.size, as: T.self)
      }
    }
  }

  /// The request tensor of a range of samples; copies nothing.
  func tensor(_ range: Range<Int>) throws(MassifError) -> Tensor {
    let bytes = UnsafeRawBufferPointer(
      rebasing: memory.bytes[
        range.lowerBound * sampleByteCount..<range.upperBound * sampleByteCount])
    return try Tensor(
      input.name, dataType: input.dataType, shape: [range.count] + sampleShape, borrowing: bytes,
      owner: memory)
  }
}
