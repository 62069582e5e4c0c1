// SPDX-License-Identifier: Apache-2.0
import CKernels
import Glibc
import Testing

/// One kernel table; every suite is swept over `all`.
struct InstructionSet: @unchecked Sendable, CustomTestStringConvertible {
  // SAFETY: a table is immutable and lives as long as the process.
  let pointer: UnsafePointer<mk_kernels>

  var kernels: mk_kernels { pointer.pointee }
  var name: String { String(cString: kernels.name) }
  var testDescription: String { name }

  /// Every table that runs on this CPU, best first.
  static let all: [InstructionSet] = {
    let count = mk_available(nil, 0)
    var tables = [UnsafePointer<mk_kernels>?](repeating: nil, count: count)
    return tables.withUnsafeMutableBufferPointer { buffer in
      buffer.withMemoryRebound(to: UnsafePointer<mk_kernels>.self) { rebound in
        _ = mk_available(rebound.baseAddress, count)
        return rebound.map { InstructionSet(pointer: $0) }
      }
    }
  }()
}

@Suite struct SelectionTests {
  @Test func scalarIsAlwaysAvailableAndLast() throws {
    let last = try #require(InstructionSet.all.last)
    #expect(last.name == "scalar")
  }

  @Test func theBestIsChosenUnlessOneIsForced() throws {
    let best = try #require(mk_select(nil))
    #expect(best == InstructionSet.all.first?.pointer)
    for set in InstructionSet.all {
      #expect(mk_select(set.name) == set.pointer)
    }
  }

  @Test(arguments: ["", "avx", "AVX2", "avx512 ", "neon"])
  func unknownNamesAreRefused(name: String) {
    #expect(mk_select(name) == nil)
  }

  @Test func listingRespectsTheCapacity() throws {
    let scalar = try #require(mk_select("scalar"))
    var tables = [scalar, scalar]
    let count = mk_available(&tables, 1)
    #expect(count == InstructionSet.all.count)
    #expect(tables[0] == InstructionSet.all.first?.pointer)
    #expect(tables[1] == scalar)
  }

  @Test(arguments: InstructionSet.all)
  func theTileFitsTheVectors(set: InstructionSet) {
    #expect(set.kernels.panel_width == 2 * set.kernels.lanes)
    #expect(set.kernels.tile_rows >= 1)
  }
}
