// SPDX-License-Identifier: Apache-2.0

import Runtime

/// C = A · B with A as bytes or halves and B packed beforehand.
struct NarrowMatmulCase: Case {
  private let product: NarrowMatrixProduct
  private let workers: WorkerPool
  private let a: UnsafeMutableRawBufferPointer
  private let packed: UnsafeMutableRawBufferPointer
  private let scratch: UnsafeMutableRawBufferPointer
  private let c: UnsafeMutableBufferPointer<Float>

  init(_ setting: Setting) throws {
    let (m, n, k) = (try setting.number("m"), try setting.number("n"), try setting.number("k"))
    // The driver's bytes are levels of numbers in -1 ... 1.
    let element: NarrowMatrixProduct.Element =
      try setting.text("type") == "bf16" ? .bf16 : .int8(Quantization(covering: -1...1))
    product = NarrowMatrixProduct(
      element, m: m, n: n, k: k, instructionSet: setting.instructionSet)
    workers = setting.workers
    a = try setting.tensor("a")
    c = try floats(m * n)
    packed = .allocate(byteCount: product.packedByteCount, alignment: 4096)
    scratch = .allocate(
      byteCount: max(1, product.scratchByteCount(threads: workers.threadCount)), alignment: 4096)
    let b = try setting.tensor("b")
    if let weights = b.baseAddress, let packed = packed.baseAddress {
      product.pack(weights.assumingMemoryBound(to: Float.self), into: packed, workers: workers)
    }
  }

  func run() throws {
    guard let a = a.baseAddress, let packed = packed.baseAddress, let c = c.baseAddress,
      let scratch = scratch.baseAddress
    else { return }
    product.run(a: a, packed: packed, into: c, workers: workers, scratch: scratch)
  }

  func results() -> [UnsafeRawBufferPointer] { [UnsafeRawBufferPointer(c)] }
}
