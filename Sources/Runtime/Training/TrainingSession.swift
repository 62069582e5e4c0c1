// SPDX-License-Identifier: Apache-2.0

/// A network being trained: forward, gradients and optimizer compiled into one program.
///
/// A step is a function of (parameters, optimizer's state, step number, seed, inputs, instruction set):
/// the same bits at any number of threads. It allocates nothing. One thread at a time.
public final class TrainingSession {
  /// The parameters, changed by each step.
  public let parameters: Parameters
  /// What a step reads, the graph's inputs that it depends on, in the order of `step`'s arguments.
  public let inputs: [Port]
  /// Steps done.
  public private(set) var stepCount: UInt64 = 0
  /// The step size of the next step; begins as the optimizer's.
  public var learningRate: Float
  /// How parameters follow their gradients.
  public let optimizer: Optimizer

  private let graph: Graph
  private let seed: UInt64
  private let workers: WorkerPool
  private let instructionSet: InstructionSet
  private let maximumBatch: Int
  private let program: Program
  private let memory: ProgramMemory
  private let binding: InputBinding
  private let outputTypes: [TensorType]
  private let slots: [AlignedMemory]
  private let gradients: AlignedMemory
  private let lossBuffer: Buffer
  private var batch = 0

  /// Compiles a training step.
  ///
  /// - Parameters:
  ///   - loss: one number, the mean over the batch.
  ///   - outputs: what else a step shall leave to be read, for example logits.
  ///   - rules: what happens to gradients before the optimizer.
  ///   - parameters: made for `graph`.
  ///   - seed: keys the random numbers of dropout.
  /// - Throws: `.invalidArgument` or `.tooLarge`, before memory for values is taken, `.unsupported` for what has no gradient.
  public init(
    _ graph: Graph, loss: Graph.Value, outputs: [Graph.Value] = [], optimizer: Optimizer,
    rules: GradientRules = GradientRules(), parameters: Parameters, maximumBatch: Int, seed: UInt64,
    workers: WorkerPool,
    instructionSet: InstructionSet
  ) throws(RuntimeError) {
    try optimizer.validate()
    try rules.validate()
    guard maximumBatch >= 1 else {
      throw RuntimeError(
        .invalidArgument, "expected 1 or more; came \(maximumBatch)", field: "maximumBatch")
    }
    let gradients = try AlignedMemory.floats(parameters.floatCount)
    var slots: [AlignedMemory] = []
    for _ in optimizer.slots { slots.append(try .floats(parameters.floatCount)) }
    let compiled = try TrainingProgram(
      graph, loss: loss, outputs: outputs, optimizer: optimizer, rules: rules, parameters.entries,
      memory: .init(parameters: parameters.memory, gradients: gradients, slots: slots),
      maximumBatch: maximumBatch, instructionSet: instructionSet)
    self.graph = graph
    self.parameters = parameters
    self.optimizer = optimizer
    self.seed = seed
    self.workers = workers
    self.instructionSet = instructionSet
    self.maximumBatch = maximumBatch
    program = compiled.program
    self.slots = slots
    self.gradients = gradients
    lossBuffer = compiled.program.outputs[0]
    outputTypes = outputs.map { graph.type(of: $0) }
    memory = try ProgramMemory(
      program, workers: workers.threadCount,
      resident: try AlignedMemory(byteCount: program.residentByteCount),
      parameters: parameters.memory, gradients: gradients)
    binding = InputBinding(compiled.graph, program, maximumBatch: maximumBatch)
    inputs = binding.ports
    learningRate = optimizer.learningRate
  }

  /// Learns from `batch` samples.
  ///
  /// Allocates nothing.
  ///
  /// - Parameter inputs: one block for each input, aligned to its elements, borrowed for the call.
  /// - Returns: the loss before the step.
  /// - Throws: `.invalidArgument` or `.shapeMismatch`, with the input's name as field; nothing has changed then.
  @discardableResult
  public func step(
    _ inputs: [UnsafeRawBufferPointer], batch: Int
  ) throws(RuntimeError) -> Float {
    try binding.bind(inputs, batch: batch, to: memory)
    self.batch = batch
    stepCount += 1
    let frame = memory.frame(
      batch: batch, step: stepCount, seed: seed, learningRate: learningRate)
    // Weights changed since the last step, or were loaded: they are packed anew.
    workers.run(program.prologue, frame)
    workers.run(program.steps, frame)
    return frame.floats(lossBuffer)[0]
  }

  /// The bytes of an output of the last step; valid until the next.
  ///
  /// - Precondition: `index` is one of the outputs asked for.
  public func output(_ index: Int) -> UnsafeRawBufferPointer {
    let type = outputTypes[index]
    return UnsafeRawBufferPointer(
      start: memory.pointers[program.outputs[index + 1].index],
      count: type.elementCount(batch: batch) * (type.datatype.byteCount ?? 1))
  }

  /// A copy of the gradient along a parameter that the last step followed; nil for another name.
  func gradient(of name: String) -> [Float]? {
    parameters.entries.first { $0.name == name }.map { entry in
      Array(
        UnsafeBufferPointer(
          start: gradients.floats + entry.offset, count: entry.shape.elementCount))
    }
  }

  /// Compiles the present parameters for inference.
  ///
  /// - Throws: as `Plan.init`.
  public func makePlan(
    outputs: [Graph.Value], maximumBatch: Int? = nil
  ) throws(RuntimeError) -> Plan {
    try Plan(
      graph, outputs: outputs, parameters: parameters,
      maximumBatch: maximumBatch ?? self.maximumBatch, instructionSet: instructionSet)
  }
}

extension TrainingSession {
  /// Everything that the next step depends on, as a safetensors file: parameters, the optimizer's
  /// moments and the number of steps.
  ///
  /// - Throws: nothing that names accepted by the graph can cause.
  public func encodeState() throws(RuntimeError) -> [UInt8] {
    var items: [(item: SafetensorsWriter.Item, bytes: UnsafeRawBufferPointer)] = []
    for entry in parameters.entries {
      items.append(
        (
          try .init(Self.parameterPrefix + entry.name, .fp32, entry.shape),
          UnsafeRawBufferPointer(parameters.floats(of: entry))
        ))
    }
    for (slot, entry, elements) in slotElements {
      items.append(
        (
          try .init(Self.slotPrefix(slot) + entry.name, .fp32, entry.shape),
          UnsafeRawBufferPointer(elements)
        ))
    }
    let counter = try SafetensorsWriter.Item(Self.counterName, .uint64, .scalar)
    return try withUnsafeBytes(of: stepCount.littleEndian) { bytes throws(RuntimeError) in
      try SafetensorsWriter.encode(
        items + [(counter, bytes)], metadata: ["optimizer": optimizer.name])
    }
  }

  /// Takes up where `encodeState` left off: the following steps give the same bits.
  ///
  /// - Throws: `.malformed`, `.notFound` or `.shapeMismatch`; nothing has changed then.
  public func restoreState(_ bytes: UnsafeRawBufferPointer) throws(RuntimeError) {
    let file = try SafetensorsFile(parsing: bytes)
    guard file.metadata["optimizer"] == optimizer.name else {
      throw RuntimeError(
        .shapeMismatch,
        "expected a state of \(optimizer.name); came \(file.metadata["optimizer"] ?? "none")",
        field: "optimizer")
    }
    guard let counter = file[Self.counterName], counter.datatype == .uint64,
      counter.shape == .scalar
    else {
      throw RuntimeError(.notFound, "expected the number of steps, UINT64", field: Self.counterName)
    }
    for slot in optimizer.slots {
      try Parameters.check(trainable, in: file, prefix: Self.slotPrefix(slot))
    }
    try parameters.load(file, bytes, prefix: Self.parameterPrefix)
    for (slot, entry, elements) in slotElements {
      guard let source = file[Self.slotPrefix(slot) + entry.name] else { continue }
      UnsafeMutableRawBufferPointer(elements)
        .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[source.range]))
    }
    stepCount = UInt64(
      littleEndian: bytes.loadUnaligned(fromByteOffset: counter.range.lowerBound, as: UInt64.self))
  }

  private static let parameterPrefix = "parameters."
  private static let counterName = "step"

  private static func slotPrefix(_ slot: String) -> String { "optimizer.\(slot)." }

  private var trainable: [Parameters.Entry] { parameters.entries.filter { $0.isTrainable } }

  private var slotElements:
    [(slot: String, entry: Parameters.Entry, elements: UnsafeMutableBufferPointer<Float>)]
  {
    zip(optimizer.slots, slots).flatMap { slot, memory in
      trainable.map { entry in
        let start = memory.base.assumingMemoryBound(to: Float.self) + entry.offset
        return (
          slot, entry, UnsafeMutableBufferPointer(start: start, count: entry.shape.elementCount)
        )
      }
    }
  }
}
