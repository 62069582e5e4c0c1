// SPDX-License-Identifier: Apache-2.0
@testable import RPCTransport

extension FuzzEntry {
  /// Decompression: the same result in one step as in many, never more than the limit, all memory
  /// given back, and what was compressed comes back as it was.
  ///
  /// Input: an encoding, a limit, how large the steps are, the bytes.
  static let decompression = FuzzEntry("decompression") { bytes in
    var input = FuzzInput(bytes)
    let encoding: MessageEncoding = input.byte() & 1 == 0 ? .gzip : .deflate
    let limit = Int(input.byte()) << 8
    let step = 1 + Int(input.byte()) << 4
    let whole = try Inflated(input.rest, encoding, limit: limit, step: .max)
    let stepwise = try Inflated(input.rest, encoding, limit: limit, step: step)
    try require(whole == stepwise, "\(whole) in one step, \(stepwise) in steps of \(step)")

    let message = OutgoingMessage(input.rest).compressed(encoding, pool: BufferPool())
    guard message.isCompressed, let head = message.head else { return }
    let back = try Inflated(head.bytes, encoding, limit: input.rest.count, step: step)
    try require(
      back.bytes.map { $0.elementsEqual(input.rest) } == true, "\(back) of what was compressed")
  }
}

/// What decompression comes to.
private struct Inflated: Equatable {
  /// Nil where it failed.
  var bytes: [UInt8]?
  var failure: Status.Code?

  init(
    _ bytes: UnsafeRawBufferPointer, _ encoding: MessageEncoding, limit: Int, step: Int
  ) throws(FuzzFinding) {
    let budget = DecompressionBudget(limit: 1 << 20)
    try decompress(bytes, encoding, limit: limit, step: step, budget)
    try require(budget.byteCount == 0, "\(budget.byteCount) bytes were not given back")
  }

  private mutating func decompress(
    _ input: UnsafeRawBufferPointer, _ encoding: MessageEncoding, limit: Int, step: Int,
    _ budget: DecompressionBudget
  ) throws(FuzzFinding) {
    let work = Decompression(
      PooledBuffer(copying: input), encoding, limit: limit, pool: BufferPool(), budget: budget)
    while true {
      switch work.run(atMost: step) {
      case .more: continue
      case .done(let buffer):
        try require(buffer.count <= limit, "\(buffer.count) bytes; the limit is \(limit)")
        bytes = Array(buffer.bytes)
      case .failure(let status): failure = status.code
      }
      return
    }
  }
}
