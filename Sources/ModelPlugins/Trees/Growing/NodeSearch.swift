// SPDX-License-Identifier: Apache-2.0
import Runtime

/// Takes nodes of one tree from their samples to their split.
struct NodeSearch: Sendable {
  let grower: TreeGrower
  let samples: TreeGrower.Samples
  /// Of the tree's random numbers.
  let key: UInt64
  /// Of all samples drawn.
  let totalWeight: Double

  /// A node that is to be searched.
  struct Place: Sendable {
    var drawn: Range<Int>
    var outOfBag: Range<Int>
    var depth: Int
    /// A number for the way from the root.
    var path: UInt64
    /// Columns that are not constant, as far as is known; nil: all.
    var columns: [Int32]?
  }

  /// What became of a node.
  struct Outcome {
    var node: GrownTree.Node
    var values: [Float]
    var categories: [UInt64] = []
    /// Its children; nil for a leaf.
    var children: (left: Place, right: Place)?
  }

  /// The best split of the columns searched so far.
  struct Best {
    var split = TreeSplit()
    var column = -1
    var score = -Double.greatestFiniteMagnitude

    /// Takes a split that is better; of equal ones, the first stays.
    mutating func take(_ other: TreeSplit, _ column: Int) {
      guard other.score > score else { return }
      (split, self.column, score) = (other, column, other.score)
    }
  }

  /// Searches a node, moves its samples to their sides, and says what became of it.
  func search(_ place: Place, _ scratch: NodeScratch, workers: WorkerPool?) -> Outcome {
    let drawn = UnsafeBufferPointer(rebasing: samples.drawn[place.drawn])
    let statistics = Statistics(drawn, grower.target, scratch)
    var node = GrownTree.Node()
    node.samples = statistics.sampleCount
    node.weight = statistics.weight
    node.impurity = statistics.impurity
    var outcome = Outcome(node: node, values: statistics.values(grower.target))
    let rules = grower.rules
    guard place.depth < rules.maxDepth, statistics.sampleCount >= rules.minSamplesSplit,
      statistics.sampleCount >= 2 * rules.minSamplesLeaf, statistics.impurity > 1e-12
    else { return outcome }

    var columns = place.columns
    let best = bestSplit(drawn, statistics, place, &columns, scratch, workers)
    guard best.column >= 0 else { return outcome }
    let gain = best.score - statistics.score
    guard gain / totalWeight + 1e-14 >= rules.minImpurityDecrease else { return outcome }
    split(place, by: best, gain: max(gain, 0), columns, scratch, &outcome)
    return outcome
  }

  private func bestSplit(
    _ drawn: UnsafeBufferPointer<UInt64>, _ statistics: Statistics, _ place: Place,
    _ columns: inout [Int32]?, _ scratch: NodeScratch, _ workers: WorkerPool?
  ) -> Best {
    if let count = grower.rules.columnsAtSplit {
      return drawnSplit(drawn, statistics, place, count, scratch)
    }
    let candidates = columns ?? Array(0..<Int32(grower.table.columnCount))
    let results = SplitResults(count: candidates.count)
    let tiles = (candidates.count + Self.tileWidth - 1) / Self.tileWidth
    let (grower, minimumLeaf) = (grower, grower.rules.minSamplesLeaf)
    // SAFETY: the samples stand still until all columns are searched.
    nonisolated(unsafe) let drawn = drawn
    let search = { (tile: Int, scratch: TreeScratch) in
      let range = (tile * Self.tileWidth)..<min((tile + 1) * Self.tileWidth, candidates.count)
      statistics.withNode(drawn, grower.target, minimumLeaf) { node in
        for index in range {
          let column = grower.table.column(Int(candidates[index]), samples: drawn.count)
          results[index] = grower.kernels.split(node, along: column, scratch: scratch)
        }
      }
    }
    if let workers {
      workers.parallelFor(tiles) { tile in
        let own = grower.scratches.take()
        search(tile, own.kernels)
        grower.scratches.giveBack(own)
      }
    } else {
      for tile in 0..<tiles { search(tile, scratch.kernels) }
    }
    var best = Best()
    var varying: [Int32] = []
    varying.reserveCapacity(candidates.count)
    for (index, column) in candidates.enumerated() where !results[index].isConstant {
      varying.append(column)
      best.take(results[index], Int(column))
    }
    columns = varying
    return best
  }

  /// Columns that one tile searches, so that a tile is worth its hand-over.
  private static let tileWidth = 16

  /// Searches columns in a random order until `count` were drawn and one of them varies (as
  /// scikit-learn does).
  private func drawnSplit(
    _ drawn: UnsafeBufferPointer<UInt64>, _ statistics: Statistics, _ place: Place, _ count: Int,
    _ scratch: NodeScratch
  ) -> Best {
    let columnCount = grower.table.columnCount
    let stream = Philox(key: key, stream: place.path)
    let minimumLeaf = grower.rules.minSamplesLeaf
    var best = Best()
    var foundVarying = false
    var position = 0
    scratch.exchanges.removeAll(keepingCapacity: true)
    statistics.withNode(drawn, grower.target, minimumLeaf) { node in
      while position < columnCount, position < count || !foundVarying {
        let word = position % scratch.words.count
        if word == 0 {
          scratch.words.withUnsafeMutableBufferPointer {
            stream.fill($0, first: UInt64(position), on: grower.instructionSet)
          }
        }
        let rest = UInt64(columnCount - position)
        let other = position + Int((UInt64(scratch.words[word]) * rest) >> 32)
        scratch.drawOrder.swapAt(position, other)
        scratch.exchanges.append((position, other))
        position += 1
        let index = Int(scratch.drawOrder[position - 1])
        let column = grower.table.column(index, samples: drawn.count)
        let split = grower.kernels.split(node, along: column, scratch: scratch.kernels)
        guard !split.isConstant else { continue }
        foundVarying = true
        best.take(split, index)
      }
    }
    for (a, b) in scratch.exchanges.reversed() { scratch.drawOrder.swapAt(a, b) }
    return best
  }

  private func split(
    _ place: Place, by best: Best, gain: Double, _ columns: [Int32]?, _ scratch: NodeScratch,
    _ outcome: inout Outcome
  ) {
    let bins = grower.table.bins[best.column]
    let column = grower.table.column(best.column, samples: place.drawn.count)
    let drawn = UnsafeMutableBufferPointer(rebasing: samples.drawn[place.drawn])
    let outOfBag = UnsafeMutableBufferPointer(rebasing: samples.outOfBag[place.outOfBag])
    let room = scratch.kernels.samples
    var split = best.split
    let left = grower.kernels.partition(drawn, along: column, by: split, scratch: room)
    // Where nothing was missing, what is missing later goes the way of most samples.
    if !split.hasMissing { split.missingGoLeft = left > drawn.count - left }
    let leftOut = grower.kernels.partition(outOfBag, along: column, by: split, scratch: room)

    outcome.node.column = Int32(best.column)
    outcome.node.missingGoLeft = split.missingGoLeft
    outcome.node.gain = gain
    if split.isCategorical {
      outcome.categories = split.categories
    } else {
      let next = split.next < bins.count ? split.next : nil
      outcome.node.threshold = bins.threshold(after: split.bin, before: next)
    }
    let middle = place.drawn.lowerBound + left
    let middleOut = place.outOfBag.lowerBound + leftOut
    let child = Place(
      drawn: place.drawn.lowerBound..<middle, outOfBag: place.outOfBag.lowerBound..<middleOut,
      depth: place.depth + 1, path: Self.path(place.path, 0), columns: columns)
    var other = child
    other.drawn = middle..<place.drawn.upperBound
    other.outOfBag = middleOut..<place.outOfBag.upperBound
    other.path = Self.path(place.path, 1)
    outcome.children = (child, other)
  }

  /// The number of a child's way: SplitMix64 of its parent's and its side.
  private static func path(_ parent: UInt64, _ side: UInt64) -> UInt64 {
    var z = parent &* 2 &+ side &+ 0x9E37_79B9_7F4A_7C15
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

/// One result for each column, each written by one tile.
private final class SplitResults: @unchecked Sendable {
  private let splits: UnsafeMutablePointer<TreeSplit>

  init(count: Int) {
    splits = .allocate(capacity: max(count, 1))
    splits.initialize(repeating: TreeSplit(), count: count)
  }

  deinit { splits.deallocate() }

  subscript(index: Int) -> TreeSplit {
    get { splits[index] }
    set { splits[index] = newValue }
  }
}
