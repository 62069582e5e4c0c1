// SPDX-License-Identifier: Apache-2.0
import CKernels

/// The kernels that decision trees are grown and asked with, of one instruction set.
///
/// Every function is single-threaded, keeps no state and allocates nothing.
public struct TreeKernels: Sendable {
  /// The code of a missing value among codes of one byte; values have `0..<255`.
  public static let missingCode = UInt8(MK_TREE_MISSING)
  /// The code of a missing value among codes of four bytes.
  public static let missingWideCode = UInt32.max
  /// Slots of a histogram, one for each code of one byte.
  public static let slotCount = 256
  /// Columns of a group, whose codes of a row are one 64-bit word.
  public static let groupWidth = Int(MK_TREE_GROUP)

  // SAFETY: the table is immutable and lives as long as the process.
  nonisolated(unsafe) let kernels: UnsafePointer<mk_kernels>

  /// The kernels of an instruction set.
  public init(_ instructionSet: InstructionSet) {
    kernels = instructionSet.kernels
  }

  /// Sorts in place, NaN last.
  ///
  /// - Parameter scratch: twice as many elements.
  public func sort(
    _ values: UnsafeMutableBufferPointer<Float>, scratch: UnsafeMutablePointer<UInt32>
  ) {
    guard let base = values.baseAddress else { return }
    kernels.pointee.sort(base, scratch, values.count)
  }

  /// Gives each value the number of bounds below it, and NaN the missing code.
  ///
  /// - Parameter upper: ascending, fewer than 255.
  public func codes(
    of values: UnsafePointer<Float>, stride: Int = 1, count: Int, upper: [Float],
    into codes: UnsafeMutablePointer<UInt8>, codeStride: Int
  ) {
    kernels.pointee.tree_codes(codes, codeStride, values, stride, count, upper, upper.count)
  }

  /// The same with any number of bounds.
  public func wideCodes(
    of values: UnsafePointer<Float>, count: Int, upper: [Float],
    into codes: UnsafeMutablePointer<UInt32>
  ) {
    kernels.pointee.tree_wide_codes(codes, values, count, upper, upper.count)
  }

  /// The best split of a node along a column; of equal ones, that of the lowest codes.
  public func split(
    _ node: borrowing TreeNodeSamples, along column: TreeColumn, scratch: TreeScratch
  ) -> TreeSplit {
    var split = TreeSplit()
    withUnsafePointer(to: node.node) { node in
      withUnsafePointer(to: column.column) { column in
        kernels.pointee.tree_split(node, column, scratch.scratch, &split.split)
      }
    }
    return split
  }

  /// Moves the samples that go left before the others, both in their order.
  ///
  /// - Parameter scratch: as many elements.
  /// - Returns: how many go left.
  public func partition(
    _ samples: UnsafeMutableBufferPointer<UInt64>, along column: TreeColumn, by split: TreeSplit,
    scratch: UnsafeMutablePointer<UInt64>
  ) -> Int {
    guard let base = samples.baseAddress else { return 0 }
    return withUnsafePointer(to: column.column) { column in
      withUnsafePointer(to: split.split) { split in
        kernels.pointee.tree_partition(base, scratch, samples.count, column, split)
      }
    }
  }

  /// The leaf that each row comes to.
  ///
  /// - Parameters:
  ///   - rows: (rows, columns), row-major, `stride` elements apart.
  ///   - links: whose children and columns have been checked.
  public func leaves(
    of rows: UnsafePointer<Float>, stride: Int, count: Int, links: UnsafePointer<TreeLink>,
    root: UInt32, categories: UnsafePointer<UInt32>, into leaves: UnsafeMutablePointer<UInt32>
  ) {
    links.withMemoryRebound(to: mk_tree_link.self, capacity: 1) { links in
      kernels.pointee.tree_leaves(leaves, rows, stride, count, links, root, categories)
    }
  }

  /// Adds each row's leaf's values (leaves, `width`) to its sums.
  public func add(
    _ values: UnsafePointer<Float>, width: Int, of leaves: UnsafePointer<UInt32>, count: Int,
    to sums: UnsafeMutablePointer<Double>, stride: Int
  ) {
    kernels.pointee.tree_add_values(sums, stride, leaves, count, values, width)
  }
}

/// A column as codes: the code of row r is element r · stride.
public struct TreeColumn: @unchecked Sendable {
  // SAFETY: the codes are immutable, and their owner outlives the column.
  let column: mk_tree_column

  /// A column of at most 255 codes and the missing one.
  public init(codes: UnsafePointer<UInt8>, stride: Int, isCategorical: Bool) {
    column = mk_tree_column(
      codes: codes, stride: stride, is_wide: 0, is_categorical: isCategorical ? 1 : 0)
  }

  /// A column of any number of ordered codes.
  public init(wideCodes: UnsafePointer<UInt32>) {
    column = mk_tree_column(codes: wideCodes, stride: 1, is_wide: 1, is_categorical: 0)
  }
}

/// A split of a node's samples along a column.
public struct TreeSplit: Sendable {
  var split = mk_tree_split()

  /// No split.
  public init() {}

  /// How good it is; the larger, the better.
  public var score: Double { split.score }
  /// The highest code that goes left.
  public var bin: Int { Int(split.bin) }
  /// The next code in use, which goes right; the missing code when only missing values do.
  public var next: Int { Int(split.next) }
  /// Whether missing values go left.
  public var missingGoLeft: Bool {
    get { split.missing_left != 0 }
    set { split.missing_left = newValue ? 1 : 0 }
  }
  /// Whether a sample's value is missing.
  public var hasMissing: Bool { split.has_missing != 0 }
  /// Whether all samples have one code, so that there is no split.
  public var isConstant: Bool { split.is_constant != 0 }
  /// Whether `categories` says who goes left, and not `bin`.
  public var isCategorical: Bool { split.is_categorical != 0 }
  /// The categories that go left, a bit each.
  public var categories: [UInt64] {
    let (a, b, c, d) = split.categories
    return [a, b, c, d]
  }
  /// Gradients: the packed sums of the left side.
  public var leftSums: Int64 { split.left_sums }
}

/// A node of a finished tree, 16 bytes.
public struct TreeLink: BitwiseCopyable, Sendable, Hashable {
  /// The column, with flags in the upper bits.
  public var column: UInt32
  /// What goes left is at most this; of a categorical node, the bits are the number of its set.
  public var threshold: Float
  /// The child for what goes left; of a leaf, its number.
  public var left: UInt32
  /// The child for what goes right.
  public var right: UInt32

  /// The part of `column` that is the column.
  public static let columnMask = UInt32(MK_TREE_LINK_COLUMN)
  /// Set in `column` when the node asks for a set of categories.
  public static let categoricalFlag = UInt32(MK_TREE_LINK_CATEGORICAL)
  /// Set in `column` when missing values go left.
  public static let missingLeftFlag = UInt32(MK_TREE_LINK_MISSING_LEFT)
  /// Set in `column` when the node is a leaf.
  public static let leafFlag = UInt32(MK_TREE_LINK_LEAF)

  /// Makes a node.
  public init(column: UInt32, threshold: Float, left: UInt32, right: UInt32) {
    self.column = column
    self.threshold = threshold
    self.left = left
    self.right = right
  }
}

/// Memory that a search for splits works in; used by one thread at a time.
public final class TreeScratch: @unchecked Sendable {
  let scratch: UnsafeMutablePointer<mk_tree_scratch>
  private let keys: UnsafeMutablePointer<UInt64>
  private let slots: UnsafeMutablePointer<UInt32>
  private let counts: UnsafeMutablePointer<Double>

  /// Makes scratch for nodes of up to `samples` samples and `classes` classes, 0 for a regression.
  public init(samples: Int, classes: Int) {
    let slotCount = max(classes, 1) * TreeKernels.slotCount
    keys = .allocate(capacity: 2 * max(samples, 1))
    slots = .allocate(capacity: slotCount)
    slots.initialize(repeating: 0, count: slotCount)
    counts = .allocate(capacity: max(classes, 1))
    scratch = .allocate(capacity: 1)
    scratch.initialize(
      to: mk_tree_scratch(keys: keys, capacity: samples, slots: slots, class_counts: counts))
  }

  deinit {
    keys.deallocate()
    slots.deallocate()
    counts.deallocate()
    scratch.deallocate()
  }

  /// Room for as many elements as samples, for a partition; not during a search.
  public var samples: UnsafeMutablePointer<UInt64> { keys }
}
