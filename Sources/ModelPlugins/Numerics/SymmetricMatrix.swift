// SPDX-License-Identifier: Apache-2.0

/// Dense linear algebra in double precision on symmetric matrices of a few thousand rows.
enum SymmetricMatrix {
  /// The Cholesky factor L (lower triangle, row-major) of a positive semidefinite matrix.
  ///
  /// A pivot below `tolerance` times the diagonal element that it came from marks a column that
  /// depends on those before it: its row and column of L become those of the identity, without
  /// coupling, and its index is returned.
  static func cholesky(
    _ matrix: [Double], count n: Int, tolerance: Double = 1e-11
  ) -> (factor: [Double], dependent: [Int]) {
    var factor = matrix
    var dependent: [Int] = []
    factor.withUnsafeMutableBufferPointer { buffer in
      guard let l = buffer.baseAddress else { return }
      for j in 0..<n {
        let scale = l[j &* n &+ j]
        let pivot = scale - dot(l + j * n, l + j * n, count: j)
        if !(pivot > tolerance * scale) || !(scale > 0) {
          dependent.append(j)
          for k in 0..<j { l[j &* n &+ k] = 0 }
          for i in (j + 1)..<max(n, j + 1) { l[i &* n &+ j] = 0 }
          l[j &* n &+ j] = 1
          continue
        }
        let root = pivot.squareRoot()
        l[j &* n &+ j] = root
        for i in (j + 1)..<max(n, j + 1) {
          l[i &* n &+ j] = (l[i &* n &+ j] - dot(l + i * n, l + j * n, count: j)) / root
        }
      }
    }
    return (factor, dependent)
  }

  /// Solves L Lᵀ x = b; the unknowns of `dependent` columns are 0.
  static func solve(
    _ factor: [Double], dependent: [Int], count n: Int, _ b: [Double]
  ) -> [Double] {
    var x = b
    for index in dependent { x[index] = 0 }
    factor.withUnsafeBufferPointer { l in
      for i in 0..<n {
        var sum = x[i]
        for k in 0..<i { sum -= l[i &* n &+ k] * x[k] }
        x[i] = sum / l[i &* n &+ i]
      }
      for i in stride(from: n - 1, through: 0, by: -1) {
        x[i] /= l[i &* n &+ i]
        let value = x[i]
        for k in 0..<i { x[k] -= l[i &* n &+ k] * value }
      }
    }
    for index in dependent { x[index] = 0 }
    return x
  }

  /// The inverse of L, lower triangle.
  static func inverseOfLower(_ factor: [Double], count n: Int) -> [Double] {
    var inverse = [Double](repeating: 0, count: n * n)
    factor.withUnsafeBufferPointer { l in
      inverse.withUnsafeMutableBufferPointer { out in
        for i in 0..<n {
          // Row i: (e_i - L[i, :i] · out[:i, :]) / L[i, i]
          for k in 0..<i {
            let factor = l[i &* n &+ k]
            if factor == 0 { continue }
            for j in 0...k { out[i &* n &+ j] -= factor * out[k &* n &+ j] }
          }
          let scale = 1 / l[i &* n &+ i]
          for j in 0..<i { out[i &* n &+ j] *= scale }
          out[i &* n &+ i] = scale
        }
      }
    }
    return inverse
  }

  /// The pseudo-inverse of a positive semidefinite matrix: eigenvalues below 10⁻¹⁰ of the largest
  /// count as 0.
  static func pseudoInverse(_ matrix: [Double], count n: Int) -> [Double] {
    let (values, vectors) = eigen(matrix, count: n)
    var inverse = [Double](repeating: 0, count: n * n)
    guard let largest = values.first else { return inverse }
    inverse.withUnsafeMutableBufferPointer { out in
      vectors.withUnsafeBufferPointer { vectors in
        for (k, value) in values.enumerated() where value > 1e-10 * largest {
          for i in 0..<n {
            let scaled = vectors[k &* n &+ i] / value
            for j in 0..<n { out[i &* n &+ j] += scaled * vectors[k &* n &+ j] }
          }
        }
      }
    }
    return inverse
  }

  /// All eigenvalues, from high to low, and their eigenvectors as rows.
  ///
  /// Householder's reduction to a tridiagonal matrix, then QL with implicit shifts (Martin, Reinsch
  /// and Wilkinson, "Householder's tridiagonalization of a symmetric matrix", 1968; Dubrulle, Martin
  /// and Wilkinson, "The implicit QL algorithm", 1968: tred2 and imtql2). Cost: about 9 n³ operations.
  static func eigen(_ matrix: [Double], count n: Int) -> (values: [Double], vectors: [Double]) {
    guard n > 0 else { return ([], []) }
    var z = matrix
    var d = [Double](repeating: 0, count: n)
    var e = [Double](repeating: 0, count: n)
    z.withUnsafeMutableBufferPointer { z in
      tridiagonalize(z, &d, &e, n)
      // From here on row i of z is the i-th column of the transformation, so that a rotation runs
      // over contiguous numbers.
      for i in 0..<n {
        for j in 0..<i { z.swapAt(i &* n &+ j, j &* n &+ i) }
      }
      implicitQL(z, &d, &e, n)
    }
    let order = (0..<n).sorted { d[$0] != d[$1] ? d[$0] > d[$1] : $0 < $1 }
    return (order.map { d[$0] }, order.flatMap { Array(z[$0 * n..<($0 + 1) * n]) })
  }

  private static func tridiagonalize(
    _ z: UnsafeMutableBufferPointer<Double>, _ d: inout [Double], _ e: inout [Double], _ n: Int
  ) {
    for i in stride(from: n - 1, to: 0, by: -1) {
      let last = i - 1
      var h = 0.0
      if last > 0 {
        var scale = 0.0
        for k in 0...last { scale += abs(z[i &* n &+ k]) }
        if scale == 0 {
          e[i] = z[i &* n &+ last]
        } else {
          for k in 0...last {
            z[i &* n &+ k] /= scale
            h += z[i &* n &+ k] * z[i &* n &+ k]
          }
          var f = z[i &* n &+ last]
          var g = f >= 0 ? -h.squareRoot() : h.squareRoot()
          e[i] = scale * g
          h -= f * g
          z[i &* n &+ last] = f - g
          f = 0
          // p = A u / h from the lower triangle, row by row.
          for j in 0...last { e[j] = 0 }
          for j in 0...last {
            let u = z[i &* n &+ j]
            var sum = 0.0
            for k in 0..<j {
              let a = z[j &* n &+ k]
              sum += a * z[i &* n &+ k]
              e[k] += a * u
            }
            e[j] += sum + z[j &* n &+ j] * u
          }
          for j in 0...last {
            z[j &* n &+ i] = z[i &* n &+ j] / h
            e[j] /= h
            f += e[j] * z[i &* n &+ j]
          }
          let hh = f / (h + h)
          for j in 0...last {
            f = z[i &* n &+ j]
            g = e[j] - hh * f
            e[j] = g
            for k in 0...j { z[j &* n &+ k] -= f * e[k] + g * z[i &* n &+ k] }
          }
        }
      } else {
        e[i] = z[i &* n &+ last]
      }
      d[i] = h
    }
    d[0] = 0
    e[0] = 0
    var sums = [Double](repeating: 0, count: n)
    for i in 0..<n {
      if d[i] != 0 {
        for j in 0..<i { sums[j] = 0 }
        for k in 0..<i {
          let factor = z[i &* n &+ k]
          for j in 0..<i { sums[j] += factor * z[k &* n &+ j] }
        }
        for k in 0..<i {
          let factor = z[k &* n &+ i]
          for j in 0..<i { z[k &* n &+ j] -= sums[j] * factor }
        }
      }
      d[i] = z[i &* n &+ i]
      z[i &* n &+ i] = 1
      for j in 0..<i {
        z[j &* n &+ i] = 0
        z[i &* n &+ j] = 0
      }
    }
  }

  private static func implicitQL(
    _ z: UnsafeMutableBufferPointer<Double>, _ d: inout [Double], _ e: inout [Double], _ n: Int
  ) {
    for i in 1..<max(1, n) { e[i - 1] = e[i] }
    e[n - 1] = 0
    for l in 0..<n {
      // Thirty rounds are never needed; without an end a NaN would have none.
      for _ in 0..<64 {
        var m = l
        while m < n - 1 {
          let sum = abs(d[m]) + abs(d[m + 1])
          if abs(e[m]) <= 2.3e-16 * sum { break }
          m += 1
        }
        if m == l { break }
        var g = (d[l + 1] - d[l]) / (2 * e[l])
        var r = (g * g + 1).squareRoot()
        g = d[m] - d[l] + e[l] / (g + (g >= 0 ? r : -r))
        var (s, c, p) = (1.0, 1.0, 0.0)
        var i = m - 1
        var isSplit = false
        while i >= l {
          var f = s * e[i]
          let b = c * e[i]
          r = (f * f + g * g).squareRoot()
          e[i + 1] = r
          if r == 0 {
            d[i + 1] -= p
            e[m] = 0
            isSplit = true
            break
          }
          s = f / r
          c = g / r
          g = d[i + 1] - p
          r = (d[i] - g) * s + 2 * c * b
          p = s * r
          d[i + 1] = g + p
          g = c * r - b
          let (upper, lower) = (i &* n, (i &+ 1) &* n)
          for k in 0..<n {
            f = z[lower &+ k]
            let a = z[upper &+ k]
            z[lower &+ k] = s * a + c * f
            z[upper &+ k] = c * a - s * f
          }
          i -= 1
        }
        if isSplit { continue }
        d[l] -= p
        e[l] = g
        e[m] = 0
      }
    }
  }
}
