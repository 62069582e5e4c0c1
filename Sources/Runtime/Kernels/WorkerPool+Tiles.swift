// SPDX-License-Identifier: Apache-2.0

extension WorkerPool {
  /// Runs `body` with (tile, worker) for every tile in `0..<count` and returns when all are done.
  ///
  /// Tiles that run at the same time have different workers in `0..<threadCount`, so a worker may
  /// have scratch memory of its own; results must not depend on it.
  public func parallelTiles(_ count: Int, _ body: (_ tile: Int, _ worker: Int) -> Void) {
    withoutActuallyEscaping(body) { escaping in
      var box: @Sendable (Int, Int) -> Void = unsafeBitCast(
        escaping, to: (@Sendable (Int, Int) -> Void).self)
      withUnsafeMutablePointer(to: &box) { pointer in
        // SAFETY: the pointer is used by tiles only, and all tiles are done when the call returns.
        parallelFor(count, context: pointer) { context, tile, worker in
          context?.assumingMemoryBound(to: (@Sendable (Int, Int) -> Void).self).pointee(
            tile, worker)
        }
      }
    }
  }
}
