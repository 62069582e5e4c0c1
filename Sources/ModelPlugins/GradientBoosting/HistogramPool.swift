// SPDX-License-Identifier: Apache-2.0
import Runtime
import Synchronization

/// Histograms of all columns that leaves keep until they are split, used again and again.
final class HistogramPool: Sendable {
  private let idle = Mutex<[TreeMemory<Int64>]>([])
  private let count: Int

  /// - Parameter groups: groups of columns.
  init(groups: Int) {
    count = groups * Self.groupSlots
  }

  /// Slots of a group of columns.
  static let groupSlots = TreeKernels.groupWidth * TreeKernels.slotCount

  /// A histogram with any contents.
  ///
  /// - Throws: `.resourceExhausted` when memory is short.
  func take() throws(PluginError) -> TreeMemory<Int64> {
    if let used = idle.withLock({ $0.popLast() }) { return used }
    return try TreeMemory(count: count)
  }

  func giveBack(_ histogram: TreeMemory<Int64>) { idle.withLock { $0.append(histogram) } }
}
