// SPDX-License-Identifier: Apache-2.0

import CKernels

/// What stands beyond the ends of an axis.
public enum PadMode: Sendable, Hashable {
  /// One number.
  case constant(Float)
  /// The elements mirrored at the end, which itself does not come twice.
  case reflect
  /// The last element again and again.
  case edge
}

extension Graph {
  /// An axis made longer at its ends.
  ///
  /// - Parameters:
  ///   - axis: of the shape of one sample; a negative one counts from the end.
  ///   - before: elements put before; as `after`, 0 or more.
  /// - Throws: `.invalidArgument` for an axis that there is not, a negative number, or a reflection of more than the axis
  ///   has.
  public mutating func pad(
    _ x: Value, axis: Int, before: Int, after: Int, _ mode: PadMode = .constant(0)
  ) throws(RuntimeError) -> Value {
    let operation = Pad(axis: axis, before: before, after: after, mode: mode)
    switch mode {
    case .constant: return try add(operation, [x])[0]
    case .reflect, .edge:
      let sources = try operation.sources(type(of: x))
      return try gather(x, constant(Shape([sources.count]), indices: sources), axis: axis)
    }
  }

  /// The parts of a tensor along an axis, one after the other.
  ///
  /// - Parameters:
  ///   - axis: of the shape of one sample; a negative one counts from the end.
  ///   - counts: the extents of the parts; together that of the axis.
  /// - Throws: `.invalidArgument` for an axis that there is not or other extents.
  public mutating func split(
    _ x: Value, axis: Int, counts: [Int]
  ) throws(RuntimeError) -> [Value] {
    let type = type(of: x)
    let position = try Slice(axis: axis, range: 0..<0).resolve(axis, type)
    var starts = [0]
    for count in counts {
      let (end, overflow) = (starts.last ?? 0).addingReportingOverflow(max(count, 0))
      guard count >= 0, !overflow else { throw Self.wrongParts(counts, of: type.shape[position]) }
      starts.append(end)
    }
    guard starts.last == type.shape[position] else {
      throw Self.wrongParts(counts, of: type.shape[position])
    }
    var parts: [Value] = []
    for (start, end) in zip(starts, starts.dropFirst()) {
      parts.append(try slice(x, axis: position, start..<end))
    }
    return parts
  }

  private static func wrongParts(_ counts: [Int], of extent: Int) -> RuntimeError {
    RuntimeError(
      .invalidArgument, "expected parts of 0 or more that are \(extent) together; came \(counts)",
      operation: "split", field: "counts")
  }
}

/// y = x with a number before and behind an axis.
struct Pad: Operation {
  let axis: Int
  let before: Int
  let after: Int
  let mode: PadMode
  var name: String { "pad" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    let x = operands[0]
    try requireFloat(x, "input")
    let axis = try resolve(axis, x)
    for (count, field) in [(before, "before"), (after, "after")] where count < 0 {
      throw RuntimeError(
        .invalidArgument, "expected 0 or more; came \(count)", operation: name, field: field)
    }
    var extents = x.shape.dimensions
    let (sum, overflow) = before.addingReportingOverflow(after)
    let (extent, carried) = sum.addingReportingOverflow(extents[axis])
    guard !overflow, !carried else {
      throw RuntimeError(
        .tooLarge, "the padded extent does not fit in 64 bits", operation: name, field: "after")
    }
    extents[axis] = extent
    return [TensorType(.fp32, try Shape(extents), isBatched: x.isBatched)]
  }

  /// Which element of x stands where, for the modes that repeat elements.
  func sources(_ x: TensorType) throws(RuntimeError) -> [Int32] {
    let padded = try resultTypes(of: [x])[0]
    let extent = x.shape[try resolve(axis, x)]
    let limit = mode == .reflect ? extent - 1 : extent == 0 ? 0 : Int.max
    guard before <= limit, after <= limit, padded.shape.elementCount <= Int32.max else {
      throw RuntimeError(
        .invalidArgument, "expected at most \(limit); came \(before) and \(after)",
        operation: name, field: "before")
    }
    return (-before..<extent + after).map { position in
      switch mode {
      case .reflect where position < 0: Int32(-position)
      case .reflect where position >= extent: Int32(2 * extent - 2 - position)
      default: Int32(min(max(position, 0), extent - 1))
      }
    }
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let type = program.type(of: node.results[0])
    let whole = AxisBlocks(type, axis: try resolve(axis, type))
    let (x, y) = (try program.buffer(node.operands[0]), try program.buffer(node.results[0]))
    guard case .constant(let number) = mode else { return }
    let isa = program.instructionSet
    try program.elementwise(
      "pad fill", node.results[0], from: node.operands, inPlace: false
    ) { frame, range in
      isa.kernels.pointee.fill(frame.floats(y) + range.lowerBound, number, range.count)
    }
    let extent = whole.extent - before - after
    whole.emitCopy(
      name, part: before..<before + extent, between: y, and: x, toPart: false, into: &program)
  }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    guard let dy = along[0] else { return [nil] }
    let type = graph.type(of: node.operands[0])
    let extent = type.shape[try resolve(axis, type)]
    return [try graph.slice(dy, axis: axis, before..<before + extent)]
  }
}
