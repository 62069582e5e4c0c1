// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Runtime

struct MemoryPlannerTests {
  @Test func buffersThatLiveTogetherNeverOverlap() throws {
    for round in 0..<200 {
      let random = Philox(key: 4, stream: UInt64(round))
      let requests = (0..<30).map { index -> MemoryPlanner.Request in
        let first = random.integer(at: UInt64(index * 3), below: 40)
        let length = random.integer(at: UInt64(index * 3 + 1), below: 10)
        let size = random.integer(at: UInt64(index * 3 + 2), below: 10_000)
        return .init(byteCount: size, lifetime: first...first + length)
      }
      let plan = try MemoryPlanner.plan(requests)
      for a in requests.indices {
        let end = plan.offsets[a] + requests[a].byteCount
        #expect(end <= plan.byteCount)
        #expect(plan.offsets[a] % MemoryPlanner.alignment == 0)
        for b in 0..<a where requests[a].lifetime.overlaps(requests[b].lifetime) {
          let apart =
            end <= plan.offsets[b] || plan.offsets[b] + requests[b].byteCount <= plan.offsets[a]
          #expect(apart)
        }
      }
    }
  }

  @Test func memoryIsUsedAgain() throws {
    let requests = (0..<10).map {
      MemoryPlanner.Request(byteCount: 1000, lifetime: $0...$0 + 1)
    }
    #expect(try MemoryPlanner.plan(requests).byteCount < 3 * 1200)
  }

  @Test func refusesWhatDoesNotFit() {
    #expect(throws: RuntimeError.self) {
      try MemoryPlanner.plan([
        .init(byteCount: Int.max - 200, lifetime: 0...1),
        .init(byteCount: Int.max - 200, lifetime: 0...1),
      ])
    }
    #expect(throws: RuntimeError.self) {
      try MemoryPlanner.plan([.init(byteCount: Int.max, lifetime: 0...1)])
    }
  }
}
