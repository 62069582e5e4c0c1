// SPDX-License-Identifier: Apache-2.0

extension Graph {
  /// The same numbers in another type.
  ///
  /// To integers: towards zero, held within the type's range, NaN as 0. To BOOL: whether it is not 0. To floats: rounded to
  /// the nearest.
  ///
  /// - Throws: `.unsupported` for BYTES.
  public mutating func cast(_ x: Value, to datatype: DataType) throws(RuntimeError) -> Value {
    type(of: x).datatype == datatype ? x : try add(Cast(datatype: datatype), [x])[0]
  }
}

/// y = x in another type.
struct Cast: Operation {
  let datatype: DataType
  var name: String { "cast" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    for (type, field) in [(operands[0].datatype, "input"), (datatype, "datatype")] {
      guard type != .bytes else {
        throw RuntimeError(
          .unsupported, "expected numbers; came \(type.rawValue)", operation: name, field: field)
      }
    }
    _ = try operands[0].shape.byteCount(of: datatype)
    return [TensorType(datatype, operands[0].shape, isBatched: operands[0].isBatched)]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let (x, y) = (try program.buffer(node.operands[0]), try program.buffer(node.results[0]))
    let (from, to) = (program.type(of: node.operands[0]).datatype, datatype)
    try program.elementwise(
      name, node.results[0], from: node.operands, inPlace: false
    ) { frame, range in
      to.convert(range, frame.raw(x), from, into: frame.raw(y))
    }
  }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    // Gradients are FP32: what was anything else on the way has none.
    [nil]
  }
}

extension DataType {
  /// Converts some elements to this type.
  fileprivate func convert(
    _ range: Range<Int>, _ x: UnsafeRawPointer, _ source: DataType,
    into y: UnsafeMutableRawPointer
  ) {
    switch source {
    case .bool: convert(range, x, UInt8.self, into: y) { Int64($0 == 0 ? 0 : 1) }
    case .uint8: convert(range, x, UInt8.self, into: y) { Int64($0) }
    case .uint16: convert(range, x, UInt16.self, into: y) { Int64($0) }
    case .uint32: convert(range, x, UInt32.self, into: y) { Int64($0) }
    case .uint64: convert(range, x, UInt64.self, into: y) { $0 }
    case .int8: convert(range, x, Int8.self, into: y) { Int64($0) }
    case .int16: convert(range, x, Int16.self, into: y) { Int64($0) }
    case .int32: convert(range, x, Int32.self, into: y) { Int64($0) }
    case .int64: convert(range, x, Int64.self, into: y) { $0 }
    case .fp16: convert(range, x, UInt16.self, into: y) { Double(Half.value($0)) }
    case .bf16:
      convert(range, x, UInt16.self, into: y) { Double(Float(bitPattern: UInt32($0) << 16)) }
    case .fp32: convert(range, x, Float.self, into: y) { Double($0) }
    case .fp64: convert(range, x, Double.self, into: y) { $0 }
    case .bytes: break
    }
  }

  private func convert<Element>(
    _ range: Range<Int>, _ x: UnsafeRawPointer, _ type: Element.Type,
    into y: UnsafeMutableRawPointer, _ exact: (Element) -> some Number
  ) {
    let x = x.assumingMemoryBound(to: type)
    switch self {
    case .bool: store(range, UInt8.self, y) { exact(x[$0]).isNonzero ? 1 : 0 }
    case .uint8: store(range, UInt8.self, y) { exact(x[$0]).integer() }
    case .uint16: store(range, UInt16.self, y) { exact(x[$0]).integer() }
    case .uint32: store(range, UInt32.self, y) { exact(x[$0]).integer() }
    case .uint64: store(range, UInt64.self, y) { exact(x[$0]).integer() }
    case .int8: store(range, Int8.self, y) { exact(x[$0]).integer() }
    case .int16: store(range, Int16.self, y) { exact(x[$0]).integer() }
    case .int32: store(range, Int32.self, y) { exact(x[$0]).integer() }
    case .int64: store(range, Int64.self, y) { exact(x[$0]).integer() }
    case .fp16: store(range, UInt16.self, y) { Half.bits(exact(x[$0]).single) }
    case .bf16: store(range, UInt16.self, y) { BrainFloat.bits(exact(x[$0]).single) }
    case .fp32: store(range, Float.self, y) { exact(x[$0]).single }
    case .fp64: store(range, Double.self, y) { exact(x[$0]).double }
    case .bytes: break
    }
  }

  private func store<Element>(
    _ range: Range<Int>, _ type: Element.Type, _ y: UnsafeMutableRawPointer,
    _ element: (Int) -> Element
  ) {
    let y = y.assumingMemoryBound(to: type)
    for index in range { y[index] = element(index) }
  }
}

/// A number of the widest type of its kind, and what it is in others.
private protocol Number {
  var isNonzero: Bool { get }
  var single: Float { get }
  var double: Double { get }
  /// Towards zero, held within the type's range.
  func integer<Integer: FixedWidthInteger>() -> Integer
}

extension Int64: Number {
  fileprivate var isNonzero: Bool { self != 0 }
  fileprivate var single: Float { Float(self) }
  fileprivate var double: Double { Double(self) }
  fileprivate func integer<Integer: FixedWidthInteger>() -> Integer { Integer(clamping: self) }
}

extension UInt64: Number {
  fileprivate var isNonzero: Bool { self != 0 }
  fileprivate var single: Float { Float(self) }
  fileprivate var double: Double { Double(self) }
  fileprivate func integer<Integer: FixedWidthInteger>() -> Integer { Integer(clamping: self) }
}

extension Double: Number {
  fileprivate var isNonzero: Bool { self != 0 }
  fileprivate var single: Float { Float(self) }
  fileprivate var double: Double { self }
  fileprivate func integer<Integer: FixedWidthInteger>() -> Integer {
    if isNaN { return 0 }
    if self <= Double(Integer.min) { return Integer.min }
    // The largest integer itself may round up to one beyond it.
    if self >= Double(Integer.max) { return Integer.max }
    return Integer(self)
  }
}

/// IEEE half precision as its bits.
private enum Half {
  static func value(_ bits: UInt16) -> Float {
    let magnitude = UInt32(bits & 0x7fff) << 13
    // 2¹¹² moves the exponent from one bias to the other, denormals included.
    var value = Float(bitPattern: magnitude) * Float(bitPattern: 0x7780_0000)
    if bits & 0x7c00 == 0x7c00 { value = Float(bitPattern: magnitude | 0x7f80_0000) }
    return bits & 0x8000 == 0 ? value : -value
  }

  static func bits(_ value: Float) -> UInt16 {
    let sign = UInt16(truncatingIfNeeded: value.bitPattern >> 16) & 0x8000
    let magnitude = value.bitPattern & 0x7fff_ffff
    if magnitude > 0x7f80_0000 { return sign | 0x7e00 }
    // From 65520 on everything rounds to infinity.
    if magnitude >= 0x477f_f000 { return sign | 0x7c00 }
    if magnitude < 0x3880_0000 {
      // Below 2⁻¹⁴ a half has steps of 2⁻²⁴: adding ½ rounds to a multiple of that.
      let rounded = Float(bitPattern: magnitude) + 0.5
      return sign | UInt16(truncatingIfNeeded: rounded.bitPattern &- 0x3f00_0000)
    }
    let rounded = magnitude + 0xfff + ((magnitude >> 13) & 1)
    return sign | UInt16(truncatingIfNeeded: (rounded - 0x3800_0000) >> 13)
  }
}

/// The upper half of an IEEE single as its bits.
private enum BrainFloat {
  static func bits(_ value: Float) -> UInt16 {
    if value.isNaN { return 0x7fc0 }
    let bits = value.bitPattern
    return UInt16(truncatingIfNeeded: (bits + 0x7fff + ((bits >> 16) & 1)) >> 16)
  }
}
