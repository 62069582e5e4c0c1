// SPDX-License-Identifier: Apache-2.0

/// What operations emit their steps into; it tracks who reads and writes what, and then plans memory.
struct ProgramBuilder {
  /// How dropout and batch normalisation behave, and whether weights change between runs.
  enum Mode: Sendable {
    case inference
    case training
  }

  let graph: Graph
  let mode: Mode
  let maximumBatch: Int
  let instructionSet: InstructionSet

  private enum Kind {
    case arena(byteCount: Int)
    case resident(byteCount: Int)
    case fixed(Storage)
    case alias(of: Int)
  }

  private var kinds: [Kind] = []
  private var valueBuffers: [Graph.Value: Buffer] = [:]
  private var packs: [PackKey: Buffer] = [:]
  private var prologue: [Step] = []
  private var steps: [Step] = []
  private var firstUse: [Int: Int] = [:]
  private var lastUse: [Int: Int] = [:]
  private var parametersRead: Set<Int> = []
  private var inPlace: [(result: Int, operand: Int, step: Int)] = []
  private var scratchByteCount = 0
  private let used: Set<Graph.Value>
  /// Nodes that the prologue computes.
  private let constantNodes: Set<Int>
  /// Whether steps are added to the prologue, and values are kept from run to run.
  private var isConstant = false
  private var indexChecks: [(input: Int, count: Int)] = []

  /// What was packed already, so that two operations with one weight share it.
  struct PackKey: Hashable {
    let value: Graph.Value
    let layout: String
  }

  init(
    _ graph: Graph, outputs: [Graph.Value], mode: Mode, maximumBatch: Int,
    instructionSet: InstructionSet, parameterOffsets: [Int]
  ) {
    self.graph = graph
    self.mode = mode
    self.maximumBatch = maximumBatch
    self.instructionSet = instructionSet
    used = Set(graph.nodes.flatMap(\.operands)).union(outputs)
    constantNodes = mode == .inference ? graph.constantNodes : []
    for (index, value) in graph.inputs.enumerated() {
      valueBuffers[value] = add(.fixed(.input(index: index)))
    }
    for (parameter, offset) in zip(graph.parameters, parameterOffsets) {
      valueBuffers[parameter.value] = add(.fixed(.parameter(offset: offset)))
    }
  }

  /// Whether anything reads a value.
  func isUsed(_ value: Graph.Value) -> Bool { used.contains(value) }

  /// The type of a value.
  func type(of value: Graph.Value) -> TensorType { graph.type(of: value) }

  /// The buffer of a value, made at its first mention.
  mutating func buffer(_ value: Graph.Value) throws(RuntimeError) -> Buffer {
    if let buffer = valueBuffers[value] { return buffer }
    let byteCount = try byteCount(type(of: value))
    let buffer = add(isConstant ? .resident(byteCount: byteCount) : .arena(byteCount: byteCount))
    valueBuffers[value] = buffer
    return buffer
  }

  /// Puts a value's result where the optimizer reads it.
  ///
  /// - Returns: false when the value has its place already, as the gradient of another parameter.
  mutating func place(_ value: Graph.Value, asGradientAt offset: Int) -> Bool {
    guard valueBuffers[value] == nil else { return false }
    valueBuffers[value] = add(.fixed(.gradient(offset: offset)))
    return true
  }

  /// A buffer in the gradients.
  mutating func gradient(at offset: Int) -> Buffer { add(.fixed(.gradient(offset: offset))) }

  /// A buffer for `count` floats that lives from the first to the last step that mentions it.
  mutating func temporary(floats count: Int) throws(RuntimeError) -> Buffer {
    let byteCount = try Shape([count]).byteCount(of: .fp32)
    return add(isConstant ? .resident(byteCount: byteCount) : .arena(byteCount: byteCount))
  }

  /// Gives `result` the memory of `operand`: the same elements under another type.
  ///
  /// - Returns: false when the result has a place of its own already.
  mutating func alias(_ result: Graph.Value, to operand: Graph.Value) throws(RuntimeError) -> Bool {
    guard valueBuffers[result] == nil else { return false }
    valueBuffers[result] = add(.alias(of: try buffer(operand).index))
    return true
  }

  /// Weights in the layout that a kernel wants, made by the prologue when they are new.
  ///
  /// - Parameter made: what was packed of the value before and is to be packed further; `nil` for itself.
  /// - Throws: `.unsupported` for what depends on inputs: it is not there yet when the prologue runs.
  mutating func packed(
    _ value: Graph.Value, layout: String, floats count: Int, from made: Buffer? = nil,
    _ pack: (_ source: Buffer, _ destination: Buffer) -> Step
  ) throws(RuntimeError) -> Buffer {
    guard isKnownBeforeRuns(value) else {
      throw RuntimeError(.unsupported, "expected a parameter of the graph", field: "weights")
    }
    let key = PackKey(value: value, layout: layout)
    if let buffer = packs[key] { return buffer }
    let destination = add(.resident(byteCount: try Shape([count]).byteCount(of: .fp32)))
    let source = if let made { made } else { try buffer(value) }
    prologue.append(pack(source, destination))
    packs[key] = destination
    return destination
  }

  /// Gives a value that no run changes memory of its own, filled by the prologue.
  mutating func resident(
    _ value: Graph.Value, byteCount: Int, _ fill: (_ destination: Buffer) -> Step
  ) {
    if let placed = valueBuffers[value] {
      let made = fill(placed)
      return step(made.name, reads: [], writes: [placed], tiles: made.tiles, made.body)
    }
    let destination = add(.resident(byteCount: byteCount))
    valueBuffers[value] = destination
    prologue.append(fill(destination))
  }

  /// Asks that the integers in an input, which index memory, are checked before each run: 0..<count.
  mutating func checkIndices(_ value: Graph.Value, count: Int) throws(RuntimeError) {
    guard let input = graph.inputs.firstIndex(of: value) else {
      throw RuntimeError(
        .unsupported, "labels, lengths and indices must be an input of the graph",
        field: "indices")
    }
    indexChecks.append((input, count))
  }

  /// Adds a step.
  ///
  /// - Parameters:
  ///   - inPlace: an operand whose memory the result may take when it is not used later: each element
  ///     of the result depends on the same element of the operand only.
  ///   - scratchFloats: memory of a worker's own that a tile needs.
  mutating func step(
    _ name: String, reads: [Buffer], writes: [Buffer],
    inPlace: (result: Buffer, operand: Buffer)? = nil,
    scratchFloats: Int = 0, tiles: @escaping Step.Tiles, _ body: @escaping Step.Body
  ) {
    scratchByteCount = max(scratchByteCount, scratchFloats * MemoryLayout<Float>.stride)
    guard !isConstant else { return prologue.append(Step(name: name, tiles: tiles, body: body)) }
    let now = steps.count
    for buffer in reads + writes {
      let root = root(buffer.index)
      if firstUse[root] == nil { firstUse[root] = now }
      lastUse[root] = now
      if case .fixed(.parameter) = kinds[root] { parametersRead.insert(root) }
    }
    if let inPlace { self.inPlace.append((inPlace.result.index, inPlace.operand.index, now)) }
    steps.append(Step(name: name, tiles: tiles, body: body))
  }

  /// Emits a node of the graph.
  mutating func emit(_ node: Graph.Node, at position: Int) throws(RuntimeError) {
    isConstant = constantNodes.contains(position)
    defer { isConstant = false }
    try node.operation.emit(node, into: &self)
  }

  /// Plans memory and gives the program.
  mutating func build(outputs: [Graph.Value]) throws(RuntimeError) -> Program {
    var outputBuffers: [Buffer] = []
    for output in outputs {
      let buffer = try buffer(output)
      outputBuffers.append(buffer)
      let root = root(buffer.index)
      firstUse[root] = firstUse[root] ?? 0
      lastUse[root] = steps.count
    }
    let unshared = unsharedByteCount
    mergeInPlace()
    let arena = try planArena()
    let resident = try planResident()
    let storages = kinds.indices.map { index in
      let root = root(index)
      return switch kinds[root] {
      case .fixed(let storage): storage
      case .resident: Storage.resident(offset: resident.offsets[root] ?? 0)
      case .arena, .alias: Storage.arena(offset: arena.offsets[root] ?? 0)
      }
    }
    return Program(
      prologue: prologue, steps: steps, storages: storages, arenaByteCount: arena.byteCount,
      unsharedByteCount: unshared,
      residentByteCount: resident.byteCount, scratchByteCount: scratchByteCount,
      outputs: outputBuffers, indexChecks: indexChecks,
      parametersRead: parametersRead.sorted().map(Buffer.init(index:)))
  }
}

extension ProgramBuilder {
  /// Whether a value is a parameter, or computed of parameters by the prologue.
  private func isKnownBeforeRuns(_ value: Graph.Value) -> Bool {
    guard let buffer = valueBuffers[value] else { return false }
    switch kinds[root(buffer.index)] {
    case .fixed(.parameter), .resident: return true
    case .fixed, .arena, .alias: return false
    }
  }

  private mutating func add(_ kind: Kind) -> Buffer {
    kinds.append(kind)
    return Buffer(index: kinds.count - 1)
  }

  private func byteCount(_ type: TensorType) throws(RuntimeError) -> Int {
    let shape = type.isBatched ? try type.shape.prepending(maximumBatch) : type.shape
    return try shape.byteCount(of: type.datatype)
  }

  private func root(_ index: Int) -> Int {
    var index = index
    while case .alias(let next) = kinds[index] { index = next }
    return index
  }

  /// Where an operand dies in the step that makes the result, both share one piece of the arena.
  private mutating func mergeInPlace() {
    for (result, operand, step) in inPlace {
      let (to, from) = (root(operand), root(result))
      guard to != from, case .arena(let size) = kinds[to], case .arena(let wanted) = kinds[from],
        wanted <= size, lastUse[to] == step, firstUse[from] == step
      else { continue }
      kinds[from] = .alias(of: to)
      lastUse[to] = lastUse[from]
    }
  }

  /// The sizes of all buffers that would be in the arena; saturating.
  private var unsharedByteCount: Int {
    kinds.indices.reduce(0) { sum, index in
      guard case .arena(let byteCount) = kinds[index], firstUse[index] != nil else { return sum }
      let (next, overflow) = sum.addingReportingOverflow(byteCount)
      return overflow ? Int.max : next
    }
  }

  private func planArena() throws(RuntimeError) -> (offsets: [Int: Int], byteCount: Int) {
    var roots: [Int] = []
    var requests: [MemoryPlanner.Request] = []
    for (index, kind) in kinds.enumerated() {
      guard case .arena(let byteCount) = kind, let first = firstUse[index],
        let last = lastUse[index]
      else { continue }
      roots.append(index)
      requests.append(.init(byteCount: byteCount, lifetime: first...last))
    }
    let plan = try MemoryPlanner.plan(requests)
    return (Dictionary(uniqueKeysWithValues: zip(roots, plan.offsets)), plan.byteCount)
  }

  private func planResident() throws(RuntimeError) -> (offsets: [Int: Int], byteCount: Int) {
    var offsets: [Int: Int] = [:]
    var end = 0
    for (index, kind) in kinds.enumerated() {
      guard case .resident(let byteCount) = kind else { continue }
      offsets[index] = end
      end += try MemoryPlanner.padded(byteCount)
    }
    return (offsets, end)
  }
}
