// SPDX-License-Identifier: Apache-2.0

/// A k-d tree over rows (Bentley, "Multidimensional binary search trees used for associative
/// searching", 1975) whose leaves hold their rows side by side.
///
/// Built from the rows alone, so that its answers and their order are the same everywhere.
final class NeighbourTree: @unchecked Sendable {
  // SAFETY: written in `init` alone.
  private let points: UnsafeMutablePointer<Float>
  /// The row of each point.
  private var rows: [Int32]
  private let columns: Int
  /// Of each node: the box around its points, (nodes, 2, columns).
  private var boxes: [Float] = []
  private var nodes: [Node] = []

  private struct Node {
    var points: Range<Int>
    /// Indices of the halves; -1 in a leaf.
    var left = -1
    var right = -1
  }

  private static let leafSize = 32

  /// Copies the rows.
  init(_ x: UnsafePointer<Float>, rows count: Int, columns: Int) {
    self.columns = columns
    rows = (0..<Int32(count)).map { $0 }
    points = .allocate(capacity: max(1, count * columns))
    build(0..<count, x)
    for (position, row) in rows.enumerated() {
      (points + position * columns).update(from: x + Int(row) * columns, count: columns)
    }
  }

  deinit { points.deallocate() }

  @discardableResult
  private func build(_ range: Range<Int>, _ x: UnsafePointer<Float>) -> Int {
    let index = nodes.count
    nodes.append(Node(points: range))
    var low = [Float](repeating: .infinity, count: columns)
    var high = [Float](repeating: -.infinity, count: columns)
    for position in range {
      let values = x + Int(rows[position]) * columns
      for column in 0..<columns {
        low[column] = min(low[column], values[column])
        high[column] = max(high[column], values[column])
      }
    }
    boxes += low + high
    var widest = 0
    for column in 0..<columns where high[column] - low[column] > high[widest] - low[widest] {
      widest = column
    }
    guard range.count > Self.leafSize, high[widest] > low[widest] else { return index }
    rows[range].sort {
      let (a, b) = (x[Int($0) * columns + widest], x[Int($1) * columns + widest])
      return a != b ? a < b : $0 < $1
    }
    let middle = range.lowerBound + range.count / 2
    let left = build(range.lowerBound..<middle, x)
    let right = build(middle..<range.upperBound, x)
    nodes[index].left = left
    nodes[index].right = right
    return index
  }

  /// Calls `body` with every row within `radius` of a point, and its squared distance.
  func forEachNeighbour(
    of point: UnsafePointer<Float>, radius: Double, _ body: (Int32, Double) -> Void
  ) {
    let limit = radius * radius
    withUnsafeTemporaryAllocation(of: Int.self, capacity: 128) { stack in
      boxes.withUnsafeBufferPointer { boxes in
        nodes.withUnsafeBufferPointer { nodes in
          guard let base = boxes.baseAddress, !nodes.isEmpty else { return }
          var depth = 1
          stack[0] = 0
          while depth > 0 {
            depth -= 1
            let index = stack[depth]
            // Rounded down a little, so that no neighbour is lost by rounding.
            guard distance(point, base + index * 2 * columns) * (1 - 1e-12) <= limit else {
              continue
            }
            let node = nodes[index]
            if node.left >= 0 {
              stack[depth] = node.right
              stack[depth + 1] = node.left
              depth += 2
              continue
            }
            for position in node.points {
              let squared = squaredDistanceOf(point, points + position * columns, count: columns)
              if squared <= limit { body(rows[position], squared) }
            }
          }
        }
      }
    }
  }

  /// The squared distance of a point from a box.
  private func distance(_ point: UnsafePointer<Float>, _ box: UnsafePointer<Float>) -> Double {
    var sum = 0.0
    for column in 0..<columns {
      let (low, high, value) = (box[column], box[columns &+ column], point[column])
      if value < low {
        let gap = Double(low) - Double(value)
        sum += gap * gap
      } else if value > high {
        let gap = Double(value) - Double(high)
        sum += gap * gap
      }
    }
    return sum
  }
}
