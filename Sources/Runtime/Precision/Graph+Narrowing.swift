// SPDX-License-Identifier: Apache-2.0

extension Graph {
  /// This graph, fused for inference, with its products in a narrower precision.
  ///
  /// Dense layers and convolutions take narrow operands and give narrow results where the next ones want
  /// them; an addition behind a product is merged into it; pooling and reshaping between products stay
  /// narrow. Everything else is computed as before, in single precision.
  func narrowed(
    to precision: Precision, keeping outputs: [Value]
  ) throws(RuntimeError) -> Graph {
    if precision == .fp32 { return self }
    var narrowing = Narrowing(self, precision, outputs)
    return try narrowing.run()
  }
}

/// One rewriting of a graph.
private struct Narrowing {
  /// What the rewritten graph is made of.
  private enum Item {
    /// A product, with what is added to its result before its activation.
    case product(Graph.Node, residual: Graph.Value?)
    case other(Graph.Node)
  }

  private let source: Graph
  private let precision: Precision
  private let outputs: [Graph.Value]
  private var graph: Graph
  /// How the next product wants a value.
  private var wanted: [Graph.Value: NarrowFormat] = [:]
  /// Values that are there in a narrow format.
  private var narrow: [Graph.Value: (value: Graph.Value, format: NarrowFormat)] = [:]
  /// Values that are there as the source graph has them.
  private var wide: Set<Graph.Value>

  init(_ source: Graph, _ precision: Precision, _ outputs: [Graph.Value]) {
    self.source = source
    self.precision = precision
    self.outputs = outputs
    graph = source
    graph.nodes = []
    wide = Set(source.inputs).union(source.parameters.map(\.value))
  }

  mutating func run() throws(RuntimeError) -> Graph {
    let items = merged()
    for item in items.reversed() { noteWants(of: item) }
    for item in items {
      switch item {
      case .product(let node, let residual): try addProduct(node, residual)
      case .other(let node): try addOther(node)
      }
    }
    for output in outputs { _ = try asBefore(output) }
    graph.dropUnused(keeping: outputs)
    return graph
  }

  /// The format of the values that a product multiplies; `nil` for what stays in single precision.
  private func format(of node: Graph.Node) -> NarrowFormat? {
    guard node.operation is Conv2D || node.operation is Dense,
      case .parameter = source.origins[node.operands[1].index]
    else { return nil }
    switch precision {
    case .fp32: return nil
    case .bf16: return .bf16
    case .int8(let ranges):
      return source.name(of: node.operands[1]).flatMap { ranges[$0] }.map { .uint8($0) }
    }
  }

  // MARK: Residuals

  /// The nodes, with an addition and the activation behind it merged into the product before it where no other
  /// operation sees the values between.
  private func merged() -> [Item] {
    var uses = [Int](repeating: 0, count: source.types.count)
    for node in source.nodes { for operand in node.operands { uses[operand.index] += 1 } }
    for output in outputs { uses[output.index] += 1 }
    var items: [Item?] = []
    var producer: [Graph.Value: Int] = [:]
    for node in source.nodes {
      if node.operation is Add, let index = addend(of: node, items, producer, uses) {
        guard case .product(var product, _)? = items[index] else { continue }
        let residual = node.operands[node.operands[0] == product.results[0] ? 1 : 0]
        product.results = node.results
        items[index] = nil
        producer[node.results[0]] = items.count
        items.append(.product(product, residual: residual))
        continue
      }
      if let activate = node.operation as? Activate, uses[node.operands[0].index] == 1,
        let index = producer[node.operands[0]],
        case .product(var product, .some(let residual))? = items[index],
        var operation = product.operation as? any NormalizationFolding, operation.activation == nil
      {
        operation.activation = activate.activation
        product.operation = operation
        product.results = node.results
        producer[node.results[0]] = index
        items[index] = .product(product, residual: residual)
        continue
      }
      for result in node.results { producer[result] = items.count }
      items.append(format(of: node) == nil ? .other(node) : .product(node, residual: nil))
    }
    return items.compactMap { $0 }
  }

  /// The later of the products that an addition adds and that nothing else sees.
  private func addend(
    of node: Graph.Node, _ items: [Item?], _ producer: [Graph.Value: Int], _ uses: [Int]
  ) -> Int? {
    guard node.operands[0] != node.operands[1],
      source.type(of: node.operands[0]) == source.type(of: node.operands[1])
    else { return nil }
    return node.operands.compactMap { operand -> Int? in
      guard uses[operand.index] == 1, let index = producer[operand],
        case .product(let product, .none)? = items[index],
        (product.operation as? any ActivationFusing)?.activation == nil
      else { return nil }
      return index
    }.max()
  }

  // MARK: Wants

  /// Says of an item's operands how they are wanted, its results' wants being known.
  private mutating func noteWants(of item: Item) {
    switch item {
    case .product(let node, _):
      guard let format = format(of: node) else { return }
      wanted[node.operands[0]] = format
    case .other(let node):
      guard let format = wanted[node.results[0]], passesNarrow(node) else { return }
      wanted[node.operands[0]] = wanted[node.operands[0]] ?? format
    }
  }

  /// Whether an operation gives narrow values when it gets them.
  private func passesNarrow(_ node: Graph.Node) -> Bool {
    switch node.operation {
    case is Reshape: true
    case is MaxPool2D: !source.nodes.contains { $0.operands.contains(node.results[1]) }
    default: false
    }
  }

  // MARK: Rewriting

  private mutating func addProduct(
    _ node: Graph.Node, _ residual: Graph.Value?
  ) throws(RuntimeError) {
    guard let base = node.operation as? any NormalizationFolding, let format = format(of: node)
    else { return try addOther(node) }
    let x = try narrowed(node.operands[0], format)
    var operands = [x.value] + node.operands.dropFirst()
    var residualFormat: NarrowFormat?
    if let residual {
      if let added = narrow[residual] {
        operands.append(added.value)
        residualFormat = added.format
      } else {
        operands.append(try asBefore(residual))
        residualFormat = .fp32
      }
    }
    // What the caller sees is not rounded.
    let output =
      outputs.contains(node.results[0]) ? .fp32 : wanted[node.results[0]] ?? .fp32
    let product = NarrowProduct(
      base: base, input: x.format, output: output, residual: residualFormat,
      inputType: source.type(of: node.operands[0]))
    try append(product, operands, for: node.results[0], output)
  }

  private mutating func addOther(_ node: Graph.Node) throws(RuntimeError) {
    if let convert = node.operation as? Convert, narrow[node.results[0]] == nil,
      source.type(of: node.operands[0]).datatype == .uint8, convert.offset == 0, convert.scale > 0,
      case .uint8? = wanted[node.results[0]]
    {
      // Bytes are levels as they are.
      narrow[node.results[0]] = (
        try asBefore(node.operands[0]),
        .uint8(Quantization(scale: convert.scale, zeroPoint: 0))
      )
    }
    if passesNarrow(node), let x = narrow[node.operands[0]] {
      if node.operation is Reshape {
        return try append(node.operation, [x.value], for: node.results[0], x.format)
      }
      if let pool = node.operation as? MaxPool2D {
        let window = try pool.window(source.type(of: node.operands[0]))
        return try append(
          NarrowMaxPool2D(window: window, format: x.format), [x.value], for: node.results[0],
          x.format)
      }
    }
    for operand in node.operands { _ = try asBefore(operand) }
    var node = node
    if precision == .bf16, let recurrence = node.operation as? Recurrence,
      !source.nodes.contains(where: { $0.operands.contains { node.results[3...].contains($0) } })
    {
      node.operation = NarrowRecurrence(base: recurrence)
      node.results.removeLast(node.results.count - 3)
    }
    graph.nodes.append(node)
    wide.formUnion(node.results)
  }

  /// Adds an operation whose result stands for one of the source graph.
  private mutating func append(
    _ operation: any Operation, _ operands: [Graph.Value], for result: Graph.Value,
    _ format: NarrowFormat
  ) throws(RuntimeError) {
    if format == .fp32 {
      graph.nodes.append(Graph.Node(operation: operation, operands: operands, results: [result]))
      wide.insert(result)
    } else {
      narrow[result] = (try graph.add(operation, operands)[0], format)
    }
  }

  /// A value in a narrow format: the wanted one, or the one that it has already.
  private mutating func narrowed(
    _ value: Graph.Value, _ format: NarrowFormat
  ) throws(RuntimeError) -> (value: Graph.Value, format: NarrowFormat) {
    if let known = narrow[value] { return known }
    let change = ChangeFormat(from: .fp32, to: format)
    let made = (value: try graph.add(change, [try asBefore(value)])[0], format: format)
    narrow[value] = made
    return made
  }

  /// A value as the source graph has it.
  private mutating func asBefore(_ value: Graph.Value) throws(RuntimeError) -> Graph.Value {
    if !wide.contains(value), let made = narrow[value] {
      graph.nodes.append(
        Graph.Node(
          operation: ChangeFormat(from: made.format, to: .fp32), operands: [made.value],
          results: [value]))
      wide.insert(value)
    }
    return value
  }
}

extension Graph {
  /// Removes the nodes that lead to none of these.
  fileprivate mutating func dropUnused(keeping outputs: [Value]) {
    var live = Set(outputs)
    var kept: [Node] = []
    for node in nodes.reversed() where node.results.contains(where: live.contains) {
      live.formUnion(node.operands)
      kept.append(node)
    }
    nodes = kept.reversed()
  }
}
