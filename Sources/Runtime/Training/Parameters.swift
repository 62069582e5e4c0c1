// SPDX-License-Identifier: Apache-2.0

/// The values of a graph's parameters, in one block of memory.
///
/// Not thread-safe: a training session changes it. A `Plan` copies what it needs.
public final class Parameters {
  /// One parameter.
  public struct Entry: Sendable, Hashable {
    /// Its name in the graph.
    public let name: String
    /// Its shape; elements are FP32.
    public let shape: Shape
    /// Whether an optimizer changes it.
    public let isTrainable: Bool
    /// Where it begins, in floats.
    let offset: Int
  }

  /// The parameters in the graph's order.
  public let entries: [Entry]
  let memory: AlignedMemory
  /// Floats in `memory`, the gaps between parameters included.
  let floatCount: Int
  private let positions: [String: Int]

  /// Parameters begin on cache lines.
  private static let alignment = 16

  /// Makes the parameters of a graph, with their initial values.
  ///
  /// - Parameter seed: with the graph and the instruction set, what the values are a function of.
  /// - Throws: `.tooLarge` when the sizes overflow or memory is short.
  public init(
    _ graph: Graph, seed: UInt64, instructionSet: InstructionSet
  ) throws(RuntimeError) {
    (entries, floatCount) = try Self.layout(of: graph)
    memory = try .floats(floatCount)
    positions = Dictionary(
      uniqueKeysWithValues: entries.enumerated().map { ($0.element.name, $0.offset) })
    for (index, (entry, parameter)) in zip(entries, graph.parameters).enumerated() {
      parameter.initializer.fill(
        floats(of: entry), seed: seed, parameter: UInt32(truncatingIfNeeded: index),
        instructionSet: instructionSet)
    }
  }

  /// Where the parameters of a graph lie, and how many floats that takes.
  ///
  /// - Throws: `.tooLarge` when the sizes overflow.
  static func layout(
    of graph: Graph
  ) throws(RuntimeError) -> (entries: [Entry], floatCount: Int) {
    var entries: [Entry] = []
    var end = 0
    for parameter in graph.parameters {
      entries.append(
        Entry(
          name: parameter.name, shape: parameter.shape, isTrainable: parameter.isTrainable,
          offset: end))
      let (next, overflow) = end.addingReportingOverflow(parameter.shape.elementCount)
      guard !overflow, next < Int.max - Self.alignment else {
        throw RuntimeError(.tooLarge, "the parameters do not fit in 64 bits")
      }
      end = (next + Self.alignment - 1) / Self.alignment * Self.alignment
    }
    return (entries, end)
  }

  /// A copy of the elements of a parameter.
  public subscript(name: String) -> [Float]? {
    positions[name].map { Array(floats(of: entries[$0])) }
  }

  /// Replaces the elements of a parameter.
  ///
  /// - Throws: `.notFound` for another name, `.shapeMismatch` for another number of elements.
  public func set(_ name: String, to elements: [Float]) throws(RuntimeError) {
    guard let entry = positions[name].map({ entries[$0] }) else {
      throw RuntimeError(.notFound, "no parameter of this name", field: name)
    }
    guard elements.count == entry.shape.elementCount else {
      throw RuntimeError(
        .shapeMismatch,
        "expected \(entry.shape.elementCount) elements, \(entry.shape); came \(elements.count)",
        field: name)
    }
    _ = floats(of: entry).update(fromContentsOf: elements)
  }

  /// Replaces all values by those of a safetensors file.
  ///
  /// - Parameters:
  ///   - file: the table of contents of `bytes`.
  ///   - prefix: what stands before each name in the file.
  /// - Throws: `.notFound` for a parameter that the file lacks, `.shapeMismatch` for another type or
  ///   shape; nothing is changed then.
  public func load(
    _ file: SafetensorsFile, _ bytes: UnsafeRawBufferPointer, prefix: String = ""
  ) throws(RuntimeError) {
    try Self.check(entries, in: file, prefix: prefix)
    for entry in entries {
      guard let source = file[prefix + entry.name] else { continue }
      UnsafeMutableRawBufferPointer(floats(of: entry))
        .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[source.range]))
    }
  }

  /// The values as a safetensors file.
  ///
  /// - Throws: nothing that names accepted by the graph can cause.
  public func encode(metadata: [String: String] = [:]) throws(RuntimeError) -> [UInt8] {
    var items: [(item: SafetensorsWriter.Item, bytes: UnsafeRawBufferPointer)] = []
    for entry in entries {
      items.append(
        (try .init(entry.name, .fp32, entry.shape), UnsafeRawBufferPointer(floats(of: entry))))
    }
    return try SafetensorsWriter.encode(items, metadata: metadata)
  }

  func floats(of entry: Entry) -> UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(
      start: memory.base.assumingMemoryBound(to: Float.self) + entry.offset,
      count: entry.shape.elementCount)
  }

  /// Checks that a file has each of these, as FP32 of the same shape.
  static func check(
    _ entries: [Entry], in file: SafetensorsFile, prefix: String
  ) throws(RuntimeError) {
    for entry in entries {
      guard let source = file[prefix + entry.name] else {
        throw RuntimeError(
          .notFound, "the file has no tensor of this name", field: prefix + entry.name)
      }
      guard source.datatype == .fp32, source.shape == entry.shape else {
        throw RuntimeError(
          .shapeMismatch,
          "expected FP32 \(entry.shape); came \(source.datatype.rawValue) \(source.shape)",
          field: prefix + entry.name)
      }
    }
  }
}
