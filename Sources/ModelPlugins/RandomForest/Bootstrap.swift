// SPDX-License-Identifier: Apache-2.0
import Runtime

/// The rows of one tree: as many draws with replacement as there are rows.
///
/// Draw i of tree t is a function of the seed, t and i.
struct Bootstrap {
  /// How often each row was drawn.
  let counts: [UInt16]
  /// How many rows were drawn at all.
  let drawnRows: Int

  init(rows: Int, key: UInt64, instructionSet: InstructionSet) {
    var counts = [UInt16](repeating: 0, count: rows)
    let stream = Philox(key: key, stream: 0)
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 4096) { words in
      for first in stride(from: 0, to: rows, by: words.count) {
        let part = UnsafeMutableBufferPointer(
          rebasing: words[..<min(words.count, rows - first)])
        stream.fill(part, first: UInt64(first), on: instructionSet)
        for word in part {
          let row = Int((UInt64(word) * UInt64(rows)) >> 32)
          // 65535 draws of one row do not happen; if they did, more would not count.
          if counts[row] < UInt16.max { counts[row] += 1 }
        }
      }
    }
    self.counts = counts
    drawnRows = counts.count { $0 > 0 }
  }
}
