// SPDX-License-Identifier: Apache-2.0
import Runtime

extension NodeSearch {
  /// What is known of a node's samples before any column is looked at.
  struct Statistics: @unchecked Sendable {
    /// Samples, counted as often as they were drawn.
    private(set) var sampleCount = 0
    private(set) var weight = 0.0
    private(set) var impurity = 0.0
    /// The node's score if it were one side of a split and nothing the other.
    private(set) var score = 0.0
    private var scoreSum = 0.0
    private var sum = 0.0
    // SAFETY: belongs to the scratch of the thread that searches the node.
    private let classCounts: UnsafeMutablePointer<Double>

    init(_ drawn: UnsafeBufferPointer<UInt64>, _ target: TreeTarget, _ scratch: NodeScratch) {
      classCounts = scratch.classCounts
      switch target {
      case .classes(let classes): count(drawn, classes)
      case .numbers: sum(drawn)
      }
    }

    private mutating func count(_ drawn: UnsafeBufferPointer<UInt64>, _ classes: ClassTarget) {
      classCounts.update(repeating: 0, count: classes.count)
      for sample in drawn {
        classCounts[Int(sample >> 32 & 0xFFFF)] += Double(sample >> 48)
      }
      var samples = 0.0
      for index in 0..<classes.count {
        let count = classCounts[index]
        let weighted = count * classes.weights[index]
        samples += count
        weight += weighted
        switch classes.impurity {
        case .gini: scoreSum += weighted * weighted
        case .entropy: if weighted > 0 { scoreSum += weighted * Logarithm.base2(weighted) }
        }
      }
      sampleCount = Int(samples)
      guard weight > 0 else { return }
      switch classes.impurity {
      case .gini:
        score = scoreSum / weight
        impurity = 1 - score / weight
      case .entropy:
        score = scoreSum - weight * Logarithm.base2(weight)
        impurity = -score / weight
      }
    }

    private mutating func sum(_ drawn: UnsafeBufferPointer<UInt64>) {
      for sample in drawn { sum += Double(Self.target(sample)) }
      sampleCount = drawn.count
      weight = Double(drawn.count)
      guard weight > 0 else { return }
      let mean = sum / weight
      score = sum * mean
      var squares = 0.0
      for sample in drawn {
        let deviation = Double(Self.target(sample)) - mean
        squares += deviation * deviation
      }
      impurity = squares / weight
    }

    private static func target(_ sample: UInt64) -> Float {
      Float(bitPattern: UInt32(truncatingIfNeeded: sample >> 32))
    }

    /// The node's class probabilities, or its mean.
    func values(_ target: TreeTarget) -> [Float] {
      switch target {
      case .classes(let classes):
        classes.weights.indices.map { Float(classCounts[$0] * classes.weights[$0] / weight) }
      case .numbers: [Float(sum / weight)]
      }
    }

    /// Lends the node as the kernels know it.
    func withNode(
      _ drawn: UnsafeBufferPointer<UInt64>, _ target: TreeTarget, _ minimumLeaf: Int,
      _ body: (borrowing TreeNodeSamples) -> Void
    ) {
      switch target {
      case .classes(let classes):
        classes.withKernelClasses { kernelClasses in
          body(
            TreeNodeSamples(
              drawn, classes: kernelClasses, counts: classCounts, sampleCount: sampleCount,
              weight: weight, scoreSum: scoreSum, minimumLeaf: minimumLeaf))
        }
      case .numbers:
        body(TreeNodeSamples(drawn, sum: sum, minimumLeaf: minimumLeaf))
      }
    }
  }
}
