// SPDX-License-Identifier: Apache-2.0
import RPCTransport

/// A tensor of an answer: a slice of what the model made, lent.
struct InferOutput {
  var extents = InlineArray<8, Int64>(repeating: 0)
  var rank = 0
  var bytes = UnsafeRawBufferPointer(start: nil, count: 0)
  /// What keeps `bytes`; nil when they must be copied before the model runs again.
  var owner: AnyObject?
}

/// The outputs of an answer, with the place of each in the signature, in the order of the answer.
///
/// The first lies in place, because most models have one output, and no memory is taken for it.
struct InferOutputs {
  let count: Int
  private var first = InferOutput()
  private var others: [InferOutput] = []
  /// Places in the signature; nil: all, in its order.
  private let requested: [Int]?

  /// The outputs that a request asks for, of all that the model made.
  init(_ outputs: [InferOutput], _ requested: [Int]?) {
    self.requested = requested
    count = requested?.count ?? outputs.count
    for position in 0..<count { set(position, outputs[place(position)]) }
  }

  /// The outputs that a request asks for, of an execution that has ended without an error.
  init(of execution: any InferenceExecution, _ requested: [Int]?, _ signature: ModelSignature) {
    self.requested = requested
    count = requested?.count ?? signature.outputs.count
    for position in 0..<count { set(position, execution.output(place(position))) }
  }

  private mutating func set(_ position: Int, _ output: InferOutput) {
    if position == 0 { first = output } else { others.append(output) }
  }

  /// Where the output stands in the signature.
  func place(_ position: Int) -> Int { requested?[position] ?? position }

  subscript(position: Int) -> InferOutput { position == 0 ? first : others[position - 1] }
}

/// Writes a `ModelInferResponse`: the head into one small buffer, the tensors as borrowed segments.
struct InferResponseWriter {
  /// A tensor up to this size is copied behind the head: cheaper than a segment of its own, and it
  /// lets go of the memory it lies in.
  static let maxCopiedByteCount = 2048

  /// inference.ModelInferResponse and its InferOutputTensor, field number and wire type 2.
  private enum Tag {
    static let modelName: UInt8 = 1 << 3 | 2
    static let modelVersion: UInt8 = 2 << 3 | 2
    static let id: UInt8 = 3 << 3 | 2
    static let outputs: UInt8 = 5 << 3 | 2
    static let rawOutputContents: UInt8 = 6 << 3 | 2
    static let tensorShape: UInt8 = 3 << 3 | 2
  }

  let pool: BufferPool

  /// Encodes an answer.
  ///
  /// - Parameter buffer: asked first for the memory of the head.
  /// - Returns: a message that holds on to the owners of large tensors; `.unavailable` where there
  ///   is no memory for it.
  func write(
    modelName: String, version: String, id: String, signature: ModelSignature,
    outputs: borrowing InferOutputs, buffer: (_ capacity: Int) -> PooledBuffer? = { _ in nil }
  ) -> OutgoingMessage {
    var small = 0
    var size = fieldSize(modelName.utf8.count) + fieldSize(version.utf8.count)
    size += fieldSize(id.utf8.count)
    for position in 0..<outputs.count {
      let tensor = outputs[position]
      let index = outputs.place(position)
      size += 1 + lengthSize(tensorSize(tensor, signature.outputs[index]))
      size += 1 + WireWriter.size(ofVarint: UInt64(tensor.bytes.count))
      if isCopied(tensor) { small += tensor.bytes.count }
    }
    guard let head = buffer(size + small) ?? pool.bufferIfAvailable(capacity: size + small) else {
      return .unavailable
    }
    var cursor = HeadCursor(head)
    cursor.put(Tag.modelName, modelName)
    cursor.put(Tag.modelVersion, version)
    cursor.put(Tag.id, id)
    for position in 0..<outputs.count {
      let tensor = outputs[position]
      let output = signature.outputs[outputs.place(position)]
      cursor.put(Tag.outputs)
      cursor.put(varint: UInt64(tensorSize(tensor, output)))
      output.encodedPrefix.withUnsafeBytes { cursor.put($0) }
      if tensor.rank > 0 {
        cursor.put(Tag.tensorShape)
        cursor.put(varint: UInt64(shapeSize(tensor)))
        for axis in 0..<tensor.rank {
          cursor.put(varint: UInt64(bitPattern: tensor.extents[axis]))
        }
      }
    }
    // Tensors are the last field. Until the first large one everything goes on in the head; from
    // there on, what lies between large tensors is a segment of the head's own memory.
    var message = OutgoingMessage(head: head)
    var started: Int?
    for position in 0..<outputs.count {
      let tensor = outputs[position]
      cursor.put(Tag.rawOutputContents)
      cursor.put(varint: UInt64(tensor.bytes.count))
      if isCopied(tensor) {
        cursor.put(tensor.bytes)
      } else {
        closeSegment(of: &message, head, from: started, to: cursor.offset)
        if started == nil { head.count = cursor.offset }
        message.segments.append(.init(tensor.bytes, owner: tensor.owner))
        started = cursor.offset
      }
    }
    if started == nil { head.count = cursor.offset }
    closeSegment(of: &message, head, from: started, to: cursor.offset)
    return message
  }

  private func isCopied(_ tensor: InferOutput) -> Bool {
    tensor.bytes.count <= Self.maxCopiedByteCount || tensor.owner == nil
  }

  private func closeSegment(
    of message: inout OutgoingMessage, _ head: PooledBuffer, from start: Int?, to end: Int
  ) {
    guard let start, end > start else { return }
    message.segments.append(
      .init(UnsafeRawBufferPointer(start: head.base + start, count: end - start), owner: head))
  }

  private func tensorSize(_ tensor: InferOutput, _ output: ModelSignature.Output) -> Int {
    let shape = tensor.rank == 0 ? 0 : 1 + lengthSize(shapeSize(tensor))
    return output.encodedPrefix.count + shape
  }

  private func shapeSize(_ tensor: InferOutput) -> Int {
    var size = 0
    for axis in 0..<tensor.rank {
      size += WireWriter.size(ofVarint: UInt64(bitPattern: tensor.extents[axis]))
    }
    return size
  }

  /// A length and what it counts.
  private func lengthSize(_ count: Int) -> Int {
    WireWriter.size(ofVarint: UInt64(count)) + count
  }

  private func fieldSize(_ count: Int) -> Int { count == 0 ? 0 : 1 + lengthSize(count) }
}

/// Appends to memory whose size was computed beforehand.
private struct HeadCursor {
  // SAFETY: every put is checked against the capacity; the buffer outlives the cursor.
  private let memory: UnsafeMutableRawBufferPointer
  private(set) var offset = 0

  init(_ buffer: PooledBuffer) {
    memory = UnsafeMutableRawBufferPointer(start: buffer.base, count: buffer.capacity)
  }

  mutating func put(_ byte: UInt8) {
    precondition(offset < memory.count)
    memory[offset] = byte
    offset += 1
  }

  mutating func put(varint value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      put(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    put(UInt8(rest))
  }

  mutating func put(_ bytes: UnsafeRawBufferPointer) {
    precondition(bytes.count <= memory.count - offset)
    guard let source = bytes.baseAddress, let target = memory.baseAddress else { return }
    (target + offset).copyMemory(from: source, byteCount: bytes.count)
    offset += bytes.count
  }

  mutating func put(_ tag: UInt8, _ text: String) {
    guard !text.isEmpty else { return }
    var text = text
    text.withUTF8 {
      put(tag)
      put(varint: UInt64($0.count))
      put(UnsafeRawBufferPointer($0))
    }
  }
}
