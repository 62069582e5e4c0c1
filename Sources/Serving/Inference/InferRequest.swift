// SPDX-License-Identifier: Apache-2.0
import RPCTransport
import Runtime

/// A tensor of a request that has been checked against its model, lent in place.
struct InferTensor {
  var extents = InlineArray<8, Int64>(repeating: 0)
  var rank = 0
  /// Dense, row-major, aligned to the element's size.
  var bytes = UnsafeRawBufferPointer(start: nil, count: 0)
  /// Where `bytes` stand in the message, also when they were moved from there; nil for those that
  /// were decoded.
  var offset: Int?
  /// What keeps `bytes`: the message as received, or memory into which they were decoded.
  var owner: PooledBuffer?

  /// The extents, for as long as the call lasts.
  func withExtents<Result>(_ body: (UnsafeBufferPointer<Int64>) -> Result) -> Result {
    extents.span.withUnsafeBufferPointer { body(UnsafeBufferPointer(rebasing: $0[..<rank])) }
  }

  /// Leaves the bytes in the message, or copies them when an element would be misaligned there.
  ///
  /// - Throws: `.resourceExhausted` when there is no memory for the copy.
  mutating func lend(
    _ bytes: UnsafeRawBufferPointer, of message: PooledBuffer, elementSize: Int, pool: BufferPool
  ) throws(ServingError) {
    if UInt(bitPattern: bytes.baseAddress) % UInt(elementSize) == 0 {
      self.bytes = bytes
      owner = message
      return
    }
    guard let copy = pool.bufferIfAvailable(capacity: bytes.count) else {
      throw .noMemory(byteCount: bytes.count)
    }
    copy.append(bytes)
    self.bytes = copy.bytes
    owner = copy
  }

  /// Whether this tensor and another may be rows of one batch: all extents but the first agree.
  func isBatchable(with other: InferTensor) -> Bool {
    guard rank == other.rank else { return false }
    for axis in 1..<max(rank, 1) where extents[axis] != other.extents[axis] { return false }
    return true
  }
}

/// The tensors of a request, in the model's order.
///
/// The first lies in place, because most models have one input, and no memory is taken for it.
struct InferTensors: RandomAccessCollection, MutableCollection {
  let count: Int
  private var lead = InferTensor()
  private var others: [InferTensor]

  /// Tensors that are yet to be bound.
  init(count: Int) {
    self.count = count
    others = count > 1 ? [InferTensor](repeating: InferTensor(), count: count - 1) : []
  }

  var startIndex: Int { 0 }
  var endIndex: Int { count }

  subscript(index: Int) -> InferTensor {
    get { index == 0 ? lead : others[index - 1] }
    set {
      if index == 0 { lead = newValue } else { others[index - 1] = newValue }
    }
  }

  /// Changes a tensor in place.
  ///
  /// A `_modify` accessor would do the same, but its frame is too large for the stack's part that
  /// the caller lends, and is taken from the heap at every access.
  @inline(__always)
  mutating func change<Failure: Error>(
    _ index: Int, _ body: (inout InferTensor) throws(Failure) -> Void
  ) throws(Failure) {
    if index == 0 { try body(&lead) } else { try body(&others[index - 1]) }
  }
}

/// A `ModelInferRequest` whose every tensor fits the model that it is for.
struct InferRequest {
  /// The model as the caller wrote it, echoed in the answer.
  var modelName: String
  /// Echoed in the answer.
  var id: String
  /// One for each of the model's inputs, in the model's order.
  var inputs: InferTensors
  /// Rows of the batch dimension; 0 when the model does not batch.
  var rows: Int
  /// The outputs to answer, by the model's order of them, in the caller's order; nil: all.
  var requestedOutputs: [Int]?
  /// The longest that the request may wait, from the parameter `timeout`; nil: no such bound.
  var queueTimeout: Duration?
}
