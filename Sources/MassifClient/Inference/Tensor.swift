// SPDX-License-Identifier: Apache-2.0
internal import RPCTransport

/// A named tensor of a request or of an answer: little-endian, row-major bytes and how to read
/// them.
///
/// Copying the value is cheap: the bytes are shared. A tensor of an answer lies where the network
/// put it.
public struct Tensor: Sendable {
  /// The name in the model's signature.
  public let name: String
  /// The type of the elements.
  public let dataType: DataType
  /// The extents, the batch dimension first where the model batches.
  public let shape: [Int]
  let storage: Storage

  /// Bytes that somebody keeps in place.
  ///
  /// Sendable because nobody changes the bytes while a tensor holds their owner.
  struct Storage: @unchecked Sendable {
    let bytes: UnsafeRawBufferPointer
    let owner: AnyObject?
  }

  init(name: String, dataType: DataType, shape: [Int], storage: Storage) {
    self.name = name
    self.dataType = dataType
    self.shape = shape
    self.storage = storage
  }

  /// Makes a tensor of elements; copies them once.
  ///
  /// - Throws: `.invalidArgument` when their number is not the product of the extents.
  public init<Element: TensorElement>(
    _ name: String, shape: [Int], _ elements: [Element]
  ) throws(MassifError) {
    try self.init(
      name, shape: shape, dataType: Element.dataType,
      copying: elements.withUnsafeBytes(Self.copied))
  }

  /// Makes a tensor of raw bytes; copies them once.
  ///
  /// - Throws: `.invalidArgument` when their number does not fit type and shape.
  public init(
    _ name: String, dataType: DataType, shape: [Int], bytes: [UInt8]
  ) throws(MassifError) {
    try self.init(
      name, shape: shape, dataType: dataType, copying: bytes.withUnsafeBytes(Self.copied))
  }

  /// Makes a tensor of truth values; copies them once.
  ///
  /// - Throws: `.invalidArgument` when their number is not the product of the extents.
  public init(_ name: String, shape: [Int], _ elements: [Bool]) throws(MassifError) {
    try self.init(name, dataType: .bool, shape: shape, bytes: elements.map { $0 ? 1 : 0 })
  }

  /// Makes a `BYTES` tensor.
  ///
  /// - Throws: `.invalidArgument` when their number is not the product of the extents, or one is
  ///   longer than 4 GiB.
  public init(_ name: String, shape: [Int], _ elements: [[UInt8]]) throws(MassifError) {
    guard Self.elementCount(shape) == elements.count else {
      throw Self.mismatch(name, shape, expected: "a string for each element", came: elements.count)
    }
    var encoded: [UInt8] = []
    encoded.reserveCapacity(elements.reduce(0) { $0 + 4 + $1.count })
    for element in elements {
      guard let length = UInt32(exactly: element.count) else {
        throw MassifError(.invalidArgument, "tensor \(name): a string of \(element.count) bytes")
      }
      Swift.withUnsafeBytes(of: length.littleEndian) { encoded.append(contentsOf: $0) }
      encoded.append(contentsOf: element)
    }
    let storage = encoded.withUnsafeBytes(Self.copied)
    self.init(name: name, dataType: .bytes, shape: shape, storage: storage)
  }

  /// Makes a tensor that borrows bytes and sends them from where they are, without a copy.
  ///
  /// - Parameter owner: keeps `bytes` in place and unchanged for as long as it is held.
  /// - Throws: `.invalidArgument` when the number of bytes does not fit type and shape.
  public init(
    _ name: String, dataType: DataType, shape: [Int], borrowing bytes: UnsafeRawBufferPointer,
    owner: AnyObject
  ) throws(MassifError) {
    try self.init(
      name, shape: shape, dataType: dataType, copying: Storage(bytes: bytes, owner: owner))
  }

  private init(
    _ name: String, shape: [Int], dataType: DataType, copying storage: Storage
  ) throws(MassifError) {
    guard let count = Self.elementCount(shape) else {
      throw MassifError(.invalidArgument, "tensor \(name): the shape \(shape) has no valid size")
    }
    if let size = dataType.byteCount {
      let (expected, overflow) = count.multipliedReportingOverflow(by: size)
      guard !overflow, expected == storage.bytes.count else {
        throw Self.mismatch(
          name, shape, expected: "\(count) elements of \(dataType)", came: storage.bytes.count)
      }
    }
    self.init(name: name, dataType: dataType, shape: shape, storage: storage)
  }

  /// The elements' bytes, in place.
  public func withUnsafeBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    defer { withExtendedLifetime(storage.owner) {} }
    return try body(storage.bytes)
  }

  /// The number of bytes.
  public var byteCount: Int { storage.bytes.count }

  /// The number of elements; nil where the extents have no product.
  public var elementCount: Int? { Self.elementCount(shape) }

  /// A copy of the elements.
  ///
  /// - Throws: `.invalidArgument` when they are of another type.
  public func elements<Element: TensorElement>(
    of type: Element.Type = Element.self
  ) throws(MassifError) -> [Element] {
    guard dataType == Element.dataType else {
      throw MassifError(
        .invalidArgument, "tensor \(name): expected \(Element.dataType), came \(dataType)")
    }
    let count = storage.bytes.count / MemoryLayout<Element>.stride
    return withUnsafeBytes { bytes in
      [Element](unsafeUninitializedCapacity: count) { destination, initialized in
        // SAFETY: any bit pattern is a value of these types, and the copy does not exceed either
        // side.
        UnsafeMutableRawBufferPointer(destination).copyMemory(
          from: UnsafeRawBufferPointer(rebasing: bytes[..<(count * MemoryLayout<Element>.stride)]))
        initialized = count
      }
    }
  }

  /// A copy of the truth values.
  ///
  /// - Throws: `.invalidArgument` when the elements are of another type.
  public func bools() throws(MassifError) -> [Bool] {
    guard dataType == .bool else {
      throw MassifError(.invalidArgument, "tensor \(name): expected BOOL, came \(dataType)")
    }
    return withUnsafeBytes { $0.map { $0 != 0 } }
  }

  /// A copy of the byte strings of a `BYTES` tensor.
  ///
  /// - Throws: `.invalidArgument` when the elements are of another type or their lengths do not add
  ///   up.
  public func byteStrings() throws(MassifError) -> [[UInt8]] {
    guard dataType == .bytes else {
      throw MassifError(.invalidArgument, "tensor \(name): expected BYTES, came \(dataType)")
    }
    return try withUnsafeBytes { bytes throws(MassifError) in
      var strings: [[UInt8]] = []
      var position = 0
      while position < bytes.count {
        guard bytes.count - position >= 4 else { throw truncated(at: position) }
        let length = Int(
          UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self)))
        position += 4
        guard bytes.count - position >= length else { throw truncated(at: position) }
        strings.append(Array(bytes[position..<(position + length)]))
        position += length
      }
      return strings
    }
  }

  private func truncated(at offset: Int) -> MassifError {
    MassifError(.invalidArgument, "tensor \(name): a string at byte \(offset) is cut short")
  }

  /// The product of the extents; nil where one is negative or it overflows.
  static func elementCount(_ shape: [Int]) -> Int? {
    var count = 1
    for extent in shape {
      let (product, overflow) = count.multipliedReportingOverflow(by: extent)
      guard extent >= 0, !overflow else { return nil }
      count = product
    }
    return count
  }

  static func copied(_ bytes: UnsafeRawBufferPointer) -> Storage {
    let buffer = PooledBuffer(capacity: bytes.count)
    buffer.append(bytes)
    return Storage(bytes: buffer.bytes, owner: buffer)
  }

  private static func mismatch(
    _ name: String, _ shape: [Int], expected: String, came: Int
  ) -> MassifError {
    MassifError(
      .invalidArgument, "tensor \(name): shape \(shape) expects \(expected), came \(came)",
      fieldViolations: [
        .init(field: "inputs.\(name)", description: "expected \(expected), came \(came)")
      ])
  }
}
