// SPDX-License-Identifier: Apache-2.0
import Runtime
import Synchronization

/// What one thread needs to search a node.
///
/// `@unchecked Sendable`: used by the thread that took it from the pool.
final class NodeScratch: @unchecked Sendable {
  let kernels: TreeScratch
  /// Samples of each class of the node at hand.
  let classCounts: UnsafeMutablePointer<Double>
  let classes: Int
  /// The columns in the order in which a node draws them; the identity between nodes.
  var drawOrder: [Int32]
  /// The exchanges that brought the draw order about, to be undone.
  var exchanges: [(Int, Int)] = []
  /// Random words of the node at hand.
  var words = [UInt32](repeating: 0, count: 64)

  init(samples: Int, classes: Int, columns: Int) {
    kernels = TreeScratch(samples: samples, classes: classes)
    self.classes = classes
    classCounts = .allocate(capacity: max(classes, 1))
    classCounts.initialize(repeating: 0, count: max(classes, 1))
    drawOrder = Array(0..<Int32(columns))
  }

  deinit { classCounts.deallocate() }
}

/// Scratch that goes from thread to thread.
final class TreeScratchPool: Sendable {
  private let idle = Mutex<[NodeScratch]>([])
  private let samples: Int
  private let classes: Int
  private let columns: Int

  init(samples: Int, classes: Int, columns: Int) {
    (self.samples, self.classes, self.columns) = (samples, classes, columns)
  }

  func take() -> NodeScratch {
    idle.withLock { $0.popLast() }
      ?? NodeScratch(samples: samples, classes: classes, columns: columns)
  }

  func giveBack(_ scratch: NodeScratch) { idle.withLock { $0.append(scratch) } }
}
