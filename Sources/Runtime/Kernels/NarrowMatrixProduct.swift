// SPDX-License-Identifier: Apache-2.0

import CKernels

/// A product of matrices C(M, N) = A(M, K) · B(K, N) of narrow elements, C in single precision.
///
/// Made once for a shape and run many times. An element's bits depend on the shape and the
/// instruction set alone; those of int8 are the same on every instruction set.
public struct NarrowMatrixProduct: Sendable {
  /// What is multiplied.
  public enum Element: Sendable, Hashable {
    /// The upper halves of singles; sums in single precision.
    case bf16
    /// A as unsigned bytes of this quantisation, B as signed bytes with a scale for each column; sums as 32-bit
    /// integers.
    case int8(Quantization)
  }

  private let m: Int
  private let n: Int
  private let k: Int
  private let format: NarrowFormat
  private let kernels: mk_narrow_type
  private let panel: Int
  private let tiling: MatrixTiling

  /// Describes a product of dense matrices.
  public init(_ element: Element, m: Int, n: Int, k: Int, instructionSet: InstructionSet) {
    (self.m, self.n, self.k) = (m, n, k)
    format =
      switch element {
      case .bf16: .bf16
      case .int8(let quantization): .uint8(quantization)
      }
    kernels = format.kernels(instructionSet)
    panel = instructionSet.narrow.pointee.panel_width
    tiling = MatrixTiling(
      m: m, n: n, words: Tiling.count(k, by: format.perWord), kernels: instructionSet.narrow)
  }

  /// Bytes of B packed, its scales and offsets included.
  public var packedByteCount: Int { weightByteCount + 8 * n }

  private var weightByteCount: Int { kernels.packed_size(1, k, n) }

  /// Bytes of scratch memory that a run on so many threads needs.
  public func scratchByteCount(threads: Int) -> Int { threads * workerScratch }

  /// Rounded up to a page, so that no two threads' parts share a cache line.
  private var workerScratch: Int {
    var gemm = mk_narrow_gemm()
    (gemm.m, gemm.n, gemm.k, gemm.a_stride) = (m, n, k, k)
    return Tiling.count(kernels.gemm_scratch_size(&gemm), by: 4096) * 4096
  }

  /// Rounds or quantises B and lays it out as products read it.
  ///
  /// - Parameter packed: `packedByteCount` bytes aligned to 4.
  public func pack(
    _ b: UnsafePointer<Float>, into packed: UnsafeMutableRawPointer, workers: WorkerPool
  ) {
    let tables = packed + weightByteCount
    let scales = tables.assumingMemoryBound(to: Float.self)
    let offsets = tables.assumingMemoryBound(to: Int32.self) + n
    let quantization = format.quantization
    workers.parallelTiles(Tiling.count(n, by: panel)) { tile, _ in
      let range = Tiling.range(tile, of: panel, total: n)
      kernels.pack(packed, b, 1, k, n, range.lowerBound, range.upperBound, scales, offsets)
      guard format != .bf16 else { return }
      for column in range {
        scales[column] *= quantization.scale
        offsets[column] = offsets[column] &* -quantization.zero_point
      }
    }
  }

  /// Computes C on a pool's threads.
  ///
  /// - Parameters:
  ///   - a: dense rows of K narrow elements.
  ///   - packed: B, by `pack`.
  ///   - scratch: `scratchByteCount` bytes for the time of the call.
  public func run(
    a: UnsafeRawPointer, packed: UnsafeRawPointer, into c: UnsafeMutablePointer<Float>,
    workers: WorkerPool, scratch: UnsafeMutableRawPointer
  ) {
    var gemm = mk_narrow_gemm()
    (gemm.m, gemm.n, gemm.k, gemm.a_stride, gemm.c_stride) = (m, n, k, k, n)
    gemm.a = a
    gemm.b = packed
    gemm.c = UnsafeMutableRawPointer(c)
    gemm.result.format = mk_format(MK_FORMAT_F32)
    if format != .bf16 {
      let tables = packed + weightByteCount
      gemm.result.scales = tables.assumingMemoryBound(to: Float.self)
      gemm.result.offsets = tables.assumingMemoryBound(to: Int32.self) + n
    }
    let described = gemm
    workers.parallelTiles(tiling.count(m: m, n: n)) { tile, worker in
      var gemm = described
      let part = tiling.ranges(tile, m: m, n: n)
      kernels.gemm(
        &gemm, part.rows.lowerBound, part.rows.upperBound, part.columns.lowerBound,
        part.columns.upperBound, scratch + worker * workerScratch)
    }
  }
}
