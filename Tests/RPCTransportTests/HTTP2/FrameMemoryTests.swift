// SPDX-License-Identifier: Apache-2.0
import CNghttp2
import Glibc
import Testing

@testable import RPCTransport

@Suite struct FrameMemoryTests {
  /// The functions as nghttp2 would call them.
  private func withFunctions(_ body: (nghttp2_mem) throws -> Void) rethrows {
    let memory = FrameMemory()
    try withExtendedLifetime(memory) { try body(memory.functions) }
  }

  @Test func everySizeHoldsWhatWasAskedFor() throws {
    try withFunctions { functions in
      for size in [0, 1, 31, 32, 33, 63, 64, 100, 2047, 2048, 2049, 100_000] {
        let piece = try #require(functions.malloc(size, functions.mem_user_data))
        #expect(UInt(bitPattern: piece) % 16 == 0)
        memset(piece, 0xa5, size)
        functions.free(piece, functions.mem_user_data)
      }
      functions.free(nil, functions.mem_user_data)
    }
  }

  @Test func freedPiecesAreUsedAgainForTheirSize() throws {
    try withFunctions { functions in
      let first = try #require(functions.malloc(40, functions.mem_user_data))
      functions.free(first, functions.mem_user_data)
      #expect(functions.malloc(100, functions.mem_user_data) != first)
      #expect(functions.malloc(64, functions.mem_user_data) == first)
    }
  }

  @Test func clearedAndGrownPiecesAreWhatCSays() throws {
    try withFunctions { functions in
      let dirty = try #require(functions.malloc(64, functions.mem_user_data))
      memset(dirty, 0xff, 64)
      functions.free(dirty, functions.mem_user_data)
      let clear = try #require(functions.calloc(8, 8, functions.mem_user_data))
      #expect((0..<64).allSatisfy { clear.load(fromByteOffset: $0, as: UInt8.self) == 0 })
      for index in 0..<64 {
        clear.storeBytes(of: UInt8(index), toByteOffset: index, as: UInt8.self)
      }
      let grown = try #require(functions.realloc(clear, 5000, functions.mem_user_data))
      #expect((0..<64).allSatisfy { grown.load(fromByteOffset: $0, as: UInt8.self) == $0 })
      #expect(functions.realloc(grown, 10, functions.mem_user_data) == grown)
      #expect(functions.calloc(Int.max, 2, functions.mem_user_data) == nil)
      #expect(functions.malloc(Int.max, functions.mem_user_data) == nil)
      let fresh = try #require(functions.realloc(nil, 10, functions.mem_user_data))
      functions.free(fresh, functions.mem_user_data)
      functions.free(grown, functions.mem_user_data)
    }
  }
}
