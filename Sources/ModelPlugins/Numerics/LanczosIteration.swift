// SPDX-License-Identifier: Apache-2.0
import Runtime

/// The largest eigenvalues of a symmetric matrix of which few are wanted.
enum LanczosIteration {
  /// The `count` largest eigenvalues, from high to low, and their eigenvectors as rows.
  ///
  /// Lanczos's method with full reorthogonalisation (Golub and Van Loan, "Matrix computations",
  /// 4th edition, 10.3), from a start that the seed decides, until the wanted pairs' residuals are
  /// below 1e-12 of the largest eigenvalue. Cost: a product with the matrix a step.
  ///
  /// - Returns: nil when that takes more steps than half of the matrix has rows; then reducing the
  ///   whole matrix is the better way.
  static func largest(
    _ count: Int, of matrix: [Double], size n: Int, seed: UInt64, workers: WorkerPool
  ) -> (values: [Double], vectors: [Double])? {
    let limit = n / 2
    guard count * 2 < limit else { return nil }
    let random = Philox(key: seed, stream: 1)
    var q: [[Double]] = []
    var (diagonal, coupling): ([Double], [Double]) = ([], [])
    var next = (0..<n).map { Double(random.word(at: UInt64($0))) / 4_294_967_296 - 0.5 }
    normalise(&next)
    var check = max(2 * count, count + 20)
    while q.count < limit {
      q.append(next)
      var w = product(matrix, next, n, workers)
      diagonal.append(zip(w, next).reduce(0) { $0 + $1.0 * $1.1 })
      // Twice is enough (Kahan and Parlett).
      for _ in 0..<2 {
        for vector in q {
          let projection = product(vector, w)
          for index in 0..<n { w[index] -= projection * vector[index] }
        }
      }
      let beta = product(w, w).squareRoot()
      if q.count >= check || q.count == limit || beta <= 1e-14 * abs(diagonal[0]) {
        let m = q.count
        var t = [Double](repeating: 0, count: m * m)
        for index in 0..<m {
          t[index * m + index] = diagonal[index]
          if index + 1 < m {
            t[index * m + index + 1] = coupling[index]
            t[(index + 1) * m + index] = coupling[index]
          }
        }
        let small = SymmetricMatrix.eigen(t, count: m)
        // An invariant subspace smaller than what is wanted: the start had no part of the rest.
        guard m >= count else { return nil }
        let bound = 1e-12 * abs(small.values[0])
        let isDone = (0..<count).allSatisfy { beta * abs(small.vectors[$0 * m + m - 1]) <= bound }
        if isDone { return ritz(small, q, count: count, n: n) }
        if beta <= 1e-14 * abs(diagonal[0]) { return nil }
        check = m + max(20, m / 4)
      }
      coupling.append(beta)
      next = w.map { $0 / beta }
    }
    return nil
  }

  private static func ritz(
    _ small: (values: [Double], vectors: [Double]), _ q: [[Double]], count: Int, n: Int
  ) -> (values: [Double], vectors: [Double]) {
    let m = q.count
    var vectors = [Double](repeating: 0, count: count * n)
    for index in 0..<count {
      var vector = [Double](repeating: 0, count: n)
      for (step, basis) in q.enumerated() {
        let factor = small.vectors[index * m + step]
        for column in 0..<n { vector[column] += factor * basis[column] }
      }
      normalise(&vector)
      for column in 0..<n { vectors[index * n + column] = vector[column] }
    }
    return (Array(small.values.prefix(count)), vectors)
  }

  private static func product(
    _ matrix: [Double], _ vector: [Double], _ n: Int, _ workers: WorkerPool
  ) -> [Double] {
    var result = [Double](repeating: 0, count: n)
    let rows = 64
    result.withUnsafeMutableBufferPointer { result in
      matrix.withUnsafeBufferPointer { matrix in
        vector.withUnsafeBufferPointer { vector in
          guard let out = result.baseAddress, let a = matrix.baseAddress,
            let x = vector.baseAddress
          else { return }
          // SAFETY: each part writes its own rows.
          nonisolated(unsafe) let (out2, a2, x2) = (out, a, x)
          workers.parallelFor((n + rows - 1) / rows) { part in
            for row in part * rows..<min(n, (part + 1) * rows) {
              out2[row] = dot(a2 + row * n, x2, count: n)
            }
          }
        }
      }
    }
    return result
  }

  private static func product(_ a: [Double], _ b: [Double]) -> Double {
    a.withUnsafeBufferPointer { a in
      b.withUnsafeBufferPointer { b in
        guard let x = a.baseAddress, let y = b.baseAddress else { return 0 }
        return dot(x, y, count: min(a.count, b.count))
      }
    }
  }

  private static func normalise(_ vector: inout [Double]) {
    let length = product(vector, vector).squareRoot()
    if length > 0 { for index in vector.indices { vector[index] /= length } }
  }
}
