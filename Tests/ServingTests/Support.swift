// SPDX-License-Identifier: Apache-2.0
import CProtobuf
import FoundationEssentials
import Glibc
import ModelPlugins
import RPCServer
import RPCTransport
import Runtime
import Store
import Synchronization

@testable import Serving

/// The bytes of a hexadecimal text.
func bytes(_ hexadecimal: String?) throws -> [UInt8] {
  struct NoGolden: Error {}
  guard let hexadecimal else { throw NoGolden() }
  let digits = Array(hexadecimal.utf8)
  return try stride(from: 0, to: digits.count, by: 2).map { index in
    guard let byte = UInt8(String(decoding: digits[index..<index + 2], as: UTF8.self), radix: 16)
    else { throw NoGolden() }
    return byte
  }
}

extension OutgoingMessage {
  /// The message in one piece.
  var array: [UInt8] {
    segments.reduce(into: head?.array ?? []) { $0 += [UInt8]($1.bytes) }
  }
}

/// An answer, decoded by protobuf-c.
struct Answer: Equatable {
  struct Tensor: Equatable {
    var name: String
    var datatype: String
    var shape: [Int64]
    var bytes: [UInt8]
  }

  var modelName: String
  var modelVersion: String
  var id: String
  var outputs: [Tensor]

  init?(_ message: [UInt8]) {
    guard let response = inference__model_infer_response__unpack(nil, message.count, message)
    else { return nil }
    defer { inference__model_infer_response__free_unpacked(response, nil) }
    modelName = String(field: response.pointee.model_name)
    modelVersion = String(field: response.pointee.model_version)
    id = String(field: response.pointee.id)
    guard response.pointee.n_outputs == response.pointee.n_raw_output_contents else { return nil }
    outputs = []
    for index in 0..<response.pointee.n_outputs {
      guard let output = response.pointee.outputs[index] else { return nil }
      let raw = response.pointee.raw_output_contents[index]
      outputs.append(
        Tensor(
          name: String(field: output.pointee.name),
          datatype: String(field: output.pointee.datatype),
          shape: (0..<output.pointee.n_shape).map { output.pointee.shape[$0] },
          bytes: Array(UnsafeBufferPointer(start: raw.data, count: raw.len))))
    }
  }
}

/// A caller whose answer a test looks at.
final class TestCall: InferenceCall {
  private struct State {
    var outcomes: [Result<[UInt8], ServingError>] = []
    var isCancelled = false
    var waiters: [CheckedContinuation<Result<[UInt8], ServingError>, Never>] = []
  }

  private let state = Mutex(State())
  let deadline: ContinuousClock.Instant?
  let traceParent: String?

  init(deadline: ContinuousClock.Instant? = nil, traceParent: String? = nil) {
    self.deadline = deadline
    self.traceParent = traceParent
  }

  var isCancelled: Bool { state.withLock { $0.isCancelled } }
  func cancel() { state.withLock { $0.isCancelled = true } }
  func succeed(_ message: OutgoingMessage) { complete(.success(message.array)) }
  func fail(_ error: ServingError) { complete(.failure(error)) }

  private func complete(_ outcome: Result<[UInt8], ServingError>) {
    let waiters = state.withLock { state in
      state.outcomes.append(outcome)
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.resume(returning: outcome) }
  }

  /// Everything that this call was answered: to be one.
  var outcomes: [Result<[UInt8], ServingError>] { state.withLock { $0.outcomes } }

  var answer: Answer? {
    guard case .success(let bytes)? = outcomes.first else { return nil }
    return Answer(bytes)
  }

  var error: ServingError? {
    guard case .failure(let error)? = outcomes.first else { return nil }
    return error
  }

  /// Waits for the answer.
  func outcome() async -> Result<[UInt8], ServingError> {
    await withCheckedContinuation { continuation in
      let done = state.withLock { state -> Result<[UInt8], ServingError>? in
        if let outcome = state.outcomes.first { return outcome }
        state.waiters.append(continuation)
        return nil
      }
      if let done { continuation.resume(returning: done) }
    }
  }
}

/// Gives back its inputs as its outputs, counts its calls, and waits where a test says so.
final class IdentityModel: InferenceModel {
  let inputs: [TensorSpecification]
  let outputs: [TensorSpecification]
  let maxBatchSize: Int
  let executesInline: Bool
  let memoryByteCount = 4096
  /// What a call throws instead of answering, by the rows' first byte.
  let refusal: (@Sendable (UnsafeRawBufferPointer) -> PluginError?)?
  private let batches = Mutex<[Int]>([])
  private let carried = Mutex<[String?]>([])
  private let gate: Gate?

  init(
    _ inputs: [TensorSpecification] = [.init(name: "INPUT0", datatype: .fp32, shape: [4])],
    maxBatchSize: Int = 8, executesInline: Bool = false, gate: Gate? = nil,
    refusal: (@Sendable (UnsafeRawBufferPointer) -> PluginError?)? = nil
  ) {
    self.inputs = inputs
    outputs = inputs.enumerated().map {
      .init(name: "OUTPUT\($0.offset)", datatype: $0.element.datatype, shape: $0.element.shape)
    }
    self.maxBatchSize = maxBatchSize
    self.executesInline = executesInline
    self.gate = gate
    self.refusal = refusal
  }

  /// The rows of each call so far.
  var executions: [Int] { batches.withLock { $0 } }

  /// The trace context of each call so far.
  var traces: [String?] { carried.withLock { $0 } }

  func makeExecution() -> any InferenceExecution { Execution(model: self) }

  private final class Execution: InferenceExecution, @unchecked Sendable {
    let model: IdentityModel
    // SAFETY: used by one thread at a time, as the protocol has it.
    private var tensors: [Int: InferTensor] = [:]
    private var trace: String?

    init(model: IdentityModel) { self.model = model }

    func setInput(_ index: Int, _ tensor: InferTensor, datatype: DataType) {
      tensors[index] = tensor
    }

    func carry(traceParent: String) { trace = traceParent }

    func execute(rows: Int, isCancelled: (@Sendable () -> Bool)?) throws(PluginError) {
      model.gate?.wait()
      model.batches.withLock { $0.append(rows) }
      model.carried.withLock { $0.append(trace) }
      if let bytes = tensors[0]?.bytes, let error = model.refusal?(bytes) { throw error }
    }

    func output(_ index: Int) -> InferOutput {
      var output = InferOutput()
      guard let tensor = tensors[index] else { return output }
      output.extents = tensor.extents
      output.rank = tensor.rank
      output.bytes = tensor.bytes
      output.owner = tensor.owner
      return output
    }

    func reset() {
      tensors = [:]
      trace = nil
    }
  }
}

/// Holds a model's calls until a test lets them pass, and tells when one has come.
final class Gate: @unchecked Sendable {
  // SAFETY: a semaphore is thread-safe; it lives as long as this object.
  private let semaphore: UnsafeMutablePointer<sem_t>
  private let arrivals: AsyncStream<Void>
  private let continuation: AsyncStream<Void>.Continuation

  init() {
    semaphore = .allocate(capacity: 1)
    sem_init(semaphore, 0, 0)
    (arrivals, continuation) = AsyncStream<Void>.makeStream()
  }

  deinit {
    sem_destroy(semaphore)
    semaphore.deallocate()
  }

  /// Lets `count` calls pass.
  func open(_ count: Int = 1) {
    for _ in 0..<count { sem_post(semaphore) }
  }

  /// Waits until one more call has come.
  func arrival() async {
    for await _ in arrivals { return }
  }

  /// Waits to be let through.
  func wait() {
    continuation.yield()
    while sem_wait(semaphore) != 0 {}
  }
}

struct TestLoader: ModelLoader {
  let make: @Sendable (ModelVersionRecord) throws(ServingError) -> any InferenceModel

  func load(_ version: ModelVersionRecord) throws(ServingError) -> any InferenceModel {
    try make(version)
  }
}

func specification(_ datatype: DataType, _ shape: [Int] = [4], name: String = "INPUT0")
  -> TensorSpecification
{
  TensorSpecification(name: name, datatype: datatype, shape: shape)
}

/// The model that the goldens' `requests` are for.
let twoInputs = [
  specification(.fp32, [3]), specification(.int64, [1], name: "INPUT1"),
]
