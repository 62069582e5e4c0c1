// SPDX-License-Identifier: Apache-2.0

import CKernels

/// An operation whose result's elements each depend on the same elements of one or two FP32 operands of its
/// result's type, by a kernel that may write over either of them.
protocol ElementwiseOperation: Operation {
  /// The kernel over a flat range; `b` is nil for an operation of one operand.
  typealias Kernel =
    @Sendable (
      _ out: UnsafeMutablePointer<Float>, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>?,
      _ count: Int
    ) -> Void

  /// - Returns: nil for operands that it does not take element by element.
  func elementwiseKernel(_ operands: [TensorType], _ isa: InstructionSet) -> Kernel?
}

extension Add: ElementwiseOperation {
  func elementwiseKernel(_ operands: [TensorType], _ isa: InstructionSet) -> Kernel? {
    { out, a, b, count in if let b { isa.kernels.pointee.add(out, a, b, count) } }
  }
}

extension Activate: ElementwiseOperation {
  func elementwiseKernel(_ operands: [TensorType], _ isa: InstructionSet) -> Kernel? {
    let code = activation.code
    return { out, a, _, count in isa.kernels.pointee.activate(out, a, code, count) }
  }
}

extension Convert: ElementwiseOperation {
  func elementwiseKernel(_ operands: [TensorType], _ isa: InstructionSet) -> Kernel? {
    guard operands[0].datatype == .fp32 else { return nil }
    let (scale, offset) = (scale, offset)
    return { out, a, _, count in isa.kernels.pointee.scale(out, a, scale, offset, count) }
  }
}

/// Elementwise operations one after the other, each on what is still in the first-level cache of the one before.
struct ElementwiseChain: Operation {
  /// One operation of the chain.
  struct Link: Sendable {
    let operation: any ElementwiseOperation
    /// Where its operands come from: the chain's operand at that position, or nil for the result of the link before.
    let operands: [Int?]
  }

  let links: [Link]

  /// Elements that all links work on before the next ones: two arrays of it fit in the first-level cache.
  private static let block = 2048

  var name: String { links[0].operation.name }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    [operands[0]]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let isa = program.instructionSet
    let type = program.type(of: node.results[0])
    var kernels: [(run: ElementwiseOperation.Kernel, a: Int?, b: Int??)] = []
    for link in links {
      guard
        let kernel = link.operation.elementwiseKernel(link.operands.map { _ in type }, isa)
      else {
        throw RuntimeError(.unsupported, "expected an elementwise operation", operation: name)
      }
      kernels.append(
        (kernel, link.operands[0], link.operands.count > 1 ? .some(link.operands[1]) : nil))
    }
    var operands: [Buffer] = []
    for operand in node.operands { operands.append(try program.buffer(operand)) }
    let (sources, steps) = (operands, kernels)
    let y = try program.buffer(node.results[0])
    // Written by the first link, so what a later one reads must be elsewhere.
    let isReadOnce = links.dropFirst().allSatisfy { !$0.operands.contains(0) }
    try program.elementwise(
      title, node.results[0], from: node.operands, inPlace: isReadOnce
    ) { frame, range in
      for start in stride(from: range.lowerBound, to: range.upperBound, by: Self.block) {
        let out = frame.floats(y) + start
        let count = min(Self.block, range.upperBound - start)
        for step in steps {
          let a = step.a.map { UnsafePointer(frame.floats(sources[$0]) + start) }
          let b = step.b.map { position in
            position.map { UnsafePointer(frame.floats(sources[$0]) + start) } ?? UnsafePointer(out)
          }
          step.run(out, a ?? UnsafePointer(out), b, count)
        }
      }
    }
  }

  func operationCount(_ node: Graph.Node, in graph: Graph) -> Double {
    Double(links.count * graph.type(of: node.results[0]).shape.elementCount)
  }

  /// Names of the links.
  var title: String { links.map { $0.operation.name }.joined(separator: " + ") }
}

extension ElementwiseChain {
  /// This chain and an operation behind it.
  ///
  /// - Parameter operands: the operation's: nil for the chain's result.
  func followed(by operation: any ElementwiseOperation, operands: [Int?]) -> ElementwiseChain {
    ElementwiseChain(links: links + [Link(operation: operation, operands: operands)])
  }
}

extension Graph {
  /// This graph with elementwise operations that follow each other as one, where nothing else sees the values
  /// between.
  func withElementwiseChains(keeping outputs: [Value], _ isa: InstructionSet) -> Graph {
    var graph = self
    let uses = useCounts(outputs)
    var merged: [Node] = []
    /// Where the chain stands whose result a value is.
    var ends: [Value: Int] = [:]
    let constants = constantNodes
    for (position, node) in nodes.enumerated() {
      let types = node.operands.map { type(of: $0) }
      guard !constants.contains(position), node.results.count == 1, (1...2).contains(types.count),
        types.allSatisfy({ $0 == type(of: node.results[0]) }),
        let operation = node.operation as? any ElementwiseOperation,
        operation.elementwiseKernel(types, isa) != nil
      else {
        merged.append(node)
        continue
      }
      // The chain that ends last: its place is behind whatever the others read.
      let before = node.operands.compactMap { operand -> Int? in
        // A value that is both operands is used twice by this node alone.
        let own = node.operands.count { $0 == operand }
        return uses[operand.index] == own ? ends[operand] : nil
      }.max()
      if let before, let chain = merged[before].operation as? ElementwiseChain {
        var operands = merged[before].operands
        let result = merged[before].results[0]
        let sources = node.operands.map { operand -> Int? in
          if operand == result { return nil }
          if let known = operands.firstIndex(of: operand) { return known }
          operands.append(operand)
          return operands.count - 1
        }
        // Moved here, where everything that it reads is made.
        merged.remove(at: before)
        for (value, end) in ends where end > before { ends[value] = end - 1 }
        ends[result] = nil
        ends[node.results[0]] = merged.count
        merged.append(
          Node(
            operation: chain.followed(by: operation, operands: sources), operands: operands,
            results: node.results))
      } else {
        ends[node.results[0]] = merged.count
        var operands: [Value] = []
        for operand in node.operands where !operands.contains(operand) { operands.append(operand) }
        let sources = node.operands.map { operands.firstIndex(of: $0) }
        merged.append(
          Node(
            operation: ElementwiseChain(links: [.init(operation: operation, operands: sources)]),
            operands: operands, results: node.results))
      }
    }
    // A chain of one is the operation itself.
    graph.nodes = merged.map { node in
      guard let chain = node.operation as? ElementwiseChain, chain.links.count == 1 else {
        return node
      }
      return Node(
        operation: chain.links[0].operation,
        operands: chain.links[0].operands.compactMap { $0 }.map { node.operands[$0] },
        results: node.results)
    }
    return graph
  }

  /// How often each value is read, outputs included.
  func useCounts(_ outputs: [Value]) -> [Int] {
    var uses = [Int](repeating: 0, count: types.count)
    for node in nodes { for operand in node.operands { uses[operand.index] += 1 } }
    for output in outputs { uses[output.index] += 1 }
    return uses
  }
}
