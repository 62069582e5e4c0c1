// SPDX-License-Identifier: Apache-2.0

import Glibc
import Runtime

/// C = A · B in single precision, nothing packed beforehand.
struct SgemmCase: Case {
  private let product: MatrixProduct
  private let workers: WorkerPool
  private let a: UnsafeMutableRawBufferPointer
  private let b: UnsafeMutableRawBufferPointer
  private let c: UnsafeMutableBufferPointer<Float>
  private let n: Int
  private let scratch: UnsafeMutableBufferPointer<Float>

  init(_ setting: Setting) throws {
    let (m, k) = (try setting.number("m"), try setting.number("k"))
    n = try setting.number("n")
    product = MatrixProduct(
      m: m, n: n, k: k, aRowStride: k, bStride: n, instructionSet: setting.instructionSet)
    workers = setting.workers
    a = try setting.tensor("a")
    b = try setting.tensor("b")
    c = try floats(m * n)
    scratch = try floats(product.sharedScratchCount(threads: workers.threadCount))
  }

  func run() throws {
    guard let a = a.baseAddress, let b = b.baseAddress, let c = c.baseAddress,
      let scratch = scratch.baseAddress
    else { return }
    product.run(
      a: a.assumingMemoryBound(to: Float.self), b: b.assumingMemoryBound(to: Float.self), into: c,
      cStride: n, workers: workers, scratch: scratch)
  }

  func results() -> [UnsafeRawBufferPointer] { [UnsafeRawBufferPointer(c)] }
}

/// Zeros in memory as plans have it.
func floats(_ count: Int) throws -> UnsafeMutableBufferPointer<Float> {
  let bytes = memory(byteCount: max(1, count) * MemoryLayout<Float>.stride)
  bytes.initializeMemory(as: UInt8.self, repeating: 0)
  return bytes.bindMemory(to: Float.self)
}

/// Memory aligned to a huge page where it is large, as that of plans.
func memory(byteCount: Int) -> UnsafeMutableRawBufferPointer {
  let hugePage = 2 << 20
  let isLarge = byteCount >= hugePage
  let bytes = UnsafeMutableRawBufferPointer.allocate(
    byteCount: byteCount, alignment: isLarge ? hugePage : 4096)
  if isLarge { madvise(bytes.baseAddress, byteCount, Int32(MADV_HUGEPAGE)) }
  return bytes
}
