// SPDX-License-Identifier: Apache-2.0

/// A named tensor at the edge of a plan.
public struct Port: Sendable, Hashable {
  /// The name in the graph; empty for an output.
  public let name: String
  /// Its type.
  public let type: TensorType
}

extension Graph {
  /// The inputs, as a run takes them.
  var ports: [Port] { inputs.map { Port(name: name(of: $0) ?? "", type: type(of: $0)) } }
}

/// Checks borrowed inputs against a graph and hands them to a run.
struct InputBinding {
  let ports: [Port]
  let maximumBatch: Int
  let indexChecks: [(input: Int, count: Int)]

  init(_ graph: Graph, _ program: Program, maximumBatch: Int) {
    ports = graph.ports
    self.maximumBatch = maximumBatch
    indexChecks = program.indexChecks
  }

  /// Sets the inputs of a run.
  ///
  /// Allocates nothing unless it throws.
  ///
  /// - Throws: `.invalidArgument` for a batch outside 1...maximum or an index outside its range,
  /// `.shapeMismatch` for another number of inputs or of bytes.
  func bind(
    _ inputs: [UnsafeRawBufferPointer], batch: Int, to memory: ProgramMemory
  ) throws(RuntimeError) {
    guard batch >= 1, batch <= maximumBatch else {
      throw RuntimeError(
        .invalidArgument, "expected a batch of 1 to \(maximumBatch); came \(batch)", field: "batch")
    }
    guard inputs.count == ports.count else {
      throw RuntimeError(
        .shapeMismatch, "expected \(ports.count) inputs; came \(inputs.count)", field: "inputs")
    }
    for index in 0..<ports.count {
      let size = ports[index].type.datatype.byteCount ?? 1
      let expected = ports[index].type.elementCount(batch: batch) * size
      guard inputs[index].count == expected else {
        throw RuntimeError(
          .shapeMismatch,
          "expected \(expected) bytes, \(batch) × \(ports[index].type); came \(inputs[index].count)",
          field: ports[index].name)
      }
      guard let base = inputs[index].baseAddress else { continue }
      guard Int(bitPattern: base) % size == 0 else {
        throw RuntimeError(
          .invalidArgument, "expected memory aligned to \(size) bytes", field: ports[index].name)
      }
      // SAFETY: steps read inputs and never write them; the table of pointers has one type for all.
      memory.setInput(index, UnsafeMutableRawPointer(mutating: base))
    }
    for check in indexChecks {
      let labels = inputs[check.input].assumingMemoryBound(to: Int32.self)
      let perSample = max(1, ports[check.input].type.shape.elementCount)
      for (position, label) in labels.enumerated() where label < 0 || Int(label) >= check.count {
        throw RuntimeError(
          .invalidArgument,
          "expected integers of 0 to \(check.count - 1); came \(label) in sample"
            + " \(position / perSample)",
          field: ports[check.input].name)
      }
    }
  }
}
