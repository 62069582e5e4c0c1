// SPDX-License-Identifier: Apache-2.0
import Runtime

/// An `InferTensorContents` on the wire, and how its elements become the bytes of a tensor.
///
/// Read straight from the message, so that a hostile one costs no more memory than the tensor that
/// its shape declares.
struct TypedContents {
  private static let names = [
    "", "bool_contents", "int_contents", "int64_contents", "uint_contents", "uint64_contents",
    "fp32_contents", "fp64_contents", "bytes_contents",
  ]

  let bytes: UnsafeRawBufferPointer
  let range: WireRange
  /// The path of the contents, for messages: `inputs[0].contents`.
  let path: String

  /// How a datatype travels.
  private enum Kind {
    case varint
    case fixed32
    case fixed64
    case bytes
  }

  /// What one pass over the contents finds.
  struct Measure: Equatable {
    var elementCount = 0
    /// Of the tensor in its raw form.
    var byteCount = 0
  }

  /// Counts the elements and checks that all of them stand in the field that `datatype` uses.
  ///
  /// - Throws: `.invalidArgument` for another field, or malformed bytes.
  func measure(_ datatype: DataType) throws(ServingError) -> Measure {
    let (expected, kind) = try field(of: datatype)
    var measure = Measure()
    var payload = 0
    try each { (field, wireType, reader) throws(WireError) in
      guard field == expected else {
        guard (1...8).contains(field) else {
          try reader.skip(wireType)
          return .fine
        }
        return .wrongField(Int(field))
      }
      switch (kind, wireType) {
      case (.varint, 2):
        let packed = try reader.lengthDelimited()
        // A varint ends with the byte that has no continuation bit.
        for byte in bytes[packed.offset..<packed.offset + packed.count] where byte < 0x80 {
          measure.elementCount += 1
        }
      case (.fixed32, 2), (.fixed64, 2):
        let packed = try reader.lengthDelimited()
        let size = kind == .fixed32 ? 4 : 8
        guard packed.count % size == 0 else {
          throw WireError(reason: .truncated, offset: packed.offset)
        }
        measure.elementCount += packed.count / size
      case (.bytes, 2):
        payload += try reader.lengthDelimited().count
        measure.elementCount += 1
      case (.varint, 0), (.fixed32, 5), (.fixed64, 1):
        try reader.skip(wireType)
        measure.elementCount += 1
      default:
        throw WireError(reason: .badWireType, offset: reader.position)
      }
      return .fine
    }
    measure.byteCount =
      datatype.byteCount.map { $0 * measure.elementCount } ?? payload + 4 * measure.elementCount
    return measure
  }

  /// Writes the elements as raw contents to `target`, which has the size that `measure` found.
  ///
  /// - Throws: `.invalidArgument` for an element that the datatype cannot hold.
  func write(
    _ datatype: DataType, to target: UnsafeMutableRawBufferPointer
  ) throws(ServingError) {
    let (expected, kind) = try field(of: datatype)
    var written = 0
    var element = 0
    var outside: (index: Int, value: String)?
    // SAFETY: `target` holds exactly what `measure` counted over the same bytes; every store is
    // bounds-checked in debug builds and follows the same walk.
    func store<Value: FixedWidthInteger>(_ value: Value) {
      target.storeBytes(of: value.littleEndian, toByteOffset: written, as: Value.self)
      written += MemoryLayout<Value>.size
      element += 1
    }
    func narrow<Value: FixedWidthInteger>(_ wide: some BinaryInteger, _: Value.Type) {
      let value = Value(exactly: wide)
      if value == nil, outside == nil { outside = (element, "\(wide)") }
      store(value ?? 0)
    }
    func store(varint value: UInt64) {
      // int32 fields are sign-extended to ten bytes; uint32 fields keep the low 32 bits.
      let signed = Int32(truncatingIfNeeded: value)
      let unsigned = UInt32(truncatingIfNeeded: value)
      switch datatype {
      case .bool: store(UInt8(value == 0 ? 0 : 1))
      case .int8: narrow(signed, Int8.self)
      case .int16: narrow(signed, Int16.self)
      case .int32: store(signed)
      case .int64: store(Int64(bitPattern: value))
      case .uint8: narrow(unsigned, UInt8.self)
      case .uint16: narrow(unsigned, UInt16.self)
      case .uint32: store(unsigned)
      default: store(value)
      }
    }
    try each { (field, wireType, reader) throws(WireError) in
      guard field == expected else {
        try reader.skip(wireType)
        return .fine
      }
      switch (kind, wireType) {
      case (.varint, 2):
        var packed = WireReader(bytes, try reader.lengthDelimited())
        while !packed.isAtEnd { store(varint: try packed.varint()) }
      case (.varint, _):
        store(varint: try reader.varint())
      case (.fixed32, 2), (.fixed64, 2):
        let packed = try reader.lengthDelimited()
        UnsafeMutableRawBufferPointer(rebasing: target[written...]).copyMemory(
          from: UnsafeRawBufferPointer(
            rebasing: bytes[packed.offset..<packed.offset + packed.count]))
        written += packed.count
      case (.fixed32, _):
        store(try reader.fixed32())
      case (.fixed64, _):
        store(try reader.fixed64())
      case (.bytes, _):
        let range = try reader.lengthDelimited()
        store(UInt32(range.count))
        UnsafeMutableRawBufferPointer(rebasing: target[written...]).copyMemory(
          from: UnsafeRawBufferPointer(rebasing: bytes[range.offset..<range.offset + range.count]))
        written += range.count
      }
      return .fine
    }
    if let outside {
      throw ServingError(
        field: "\(path).\(Self.names[Int(expected)])[\(outside.index)]",
        "expected a value that fits \(datatype.rawValue), came \(outside.value)")
    }
  }

  private enum Verdict {
    case fine
    case wrongField(Int)
  }

  private func each(
    _ body: (UInt64, UInt64, inout WireReader) throws(WireError) -> Verdict
  ) throws(ServingError) {
    var wrong: Int?
    do throws(WireError) {
      var reader = WireReader(bytes, range)
      while !reader.isAtEnd, wrong == nil {
        let (field, wireType) = try reader.tag()
        if case .wrongField(let number) = try body(field, wireType, &reader) { wrong = number }
      }
    } catch {
      throw ServingError(field: path, error.text)
    }
    if let wrong {
      throw ServingError(
        field: "\(path).\(Self.names[wrong])", "not the field of the input's datatype")
    }
  }

  private func field(of datatype: DataType) throws(ServingError) -> (UInt64, Kind) {
    switch datatype {
    case .bool: (1, .varint)
    case .int8, .int16, .int32: (2, .varint)
    case .int64: (3, .varint)
    case .uint8, .uint16, .uint32: (4, .varint)
    case .uint64: (5, .varint)
    case .fp32: (6, .fixed32)
    case .fp64: (7, .fixed64)
    case .bytes: (8, .bytes)
    case .fp16, .bf16:
      throw ServingError(
        field: path, "\(datatype.rawValue) has no typed field; use raw_input_contents")
    }
  }
}
