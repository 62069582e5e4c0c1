// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import RPCTransport

@Suite struct DecompressionTests {
  private let pool = BufferPool()
  private static let text = [UInt8]((0..<20_000).map { UInt8(truncatingIfNeeded: $0 / 9) })

  private func compressed(_ encoding: MessageEncoding) throws -> PooledBuffer {
    let message = OutgoingMessage(Self.text).compressed(encoding, pool: pool)
    #expect(message.isCompressed)
    return try #require(message.head)
  }

  private func run(
    _ work: Decompression, step: Int
  ) -> (bytes: [UInt8]?, failure: Status.Code?) {
    while true {
      switch work.run(atMost: step) {
      case .more: continue
      case .done(let buffer): return (buffer.array, nil)
      case .failure(let status): return (nil, status.code)
      }
    }
  }

  @Test(arguments: [MessageEncoding.gzip, .deflate], [1, 1000, 19_999, 20_000, 1 << 20])
  func anyStepGivesTheSameBytes(_ encoding: MessageEncoding, _ step: Int) throws {
    let work = Decompression(
      try compressed(encoding), encoding, limit: 1 << 20, pool: pool,
      budget: DecompressionBudget(limit: 1 << 20))
    #expect(run(work, step: step).bytes == Self.text)
  }

  @Test func theLimitIsExact() throws {
    for (limit, expected) in [(20_000, nil), (19_999, .resourceExhausted), (0, .resourceExhausted)]
      as [(Int, Status.Code?)]
    {
      let work = Decompression(
        try compressed(.gzip), .gzip, limit: limit, pool: pool,
        budget: DecompressionBudget(limit: 1 << 20))
      #expect(run(work, step: 1 << 20).failure == expected)
    }
  }

  @Test func theBudgetIsGivenBackWithTheMemory() throws {
    let budget = DecompressionBudget(limit: 1 << 20)
    var work: Decompression? = Decompression(
      try compressed(.gzip), .gzip, limit: 1 << 20, pool: pool, budget: budget)
    var result = try #require(work).run(atMost: .max)
    work = nil
    guard case .done(let buffer) = result else { throw WrongStep() }
    #expect(budget.byteCount == buffer.capacity)
    result = .more
    _ = consume buffer
    #expect(budget.byteCount == 0)
  }

  private struct WrongStep: Error {}

  @Test func aBudgetThatIsUsedUpFailsTheMessage() throws {
    let work = Decompression(
      try compressed(.gzip), .gzip, limit: 1 << 20, pool: pool,
      budget: DecompressionBudget(limit: 10_000))
    #expect(run(work, step: 1000).failure == .resourceExhausted)
  }
}
