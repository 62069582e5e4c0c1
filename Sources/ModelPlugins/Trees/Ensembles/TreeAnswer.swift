// SPDX-License-Identifier: Apache-2.0
import Runtime

/// How the scores of an ensemble become an answer.
enum TreeAnswer: Sendable, Hashable {
  /// The mean of the trees' class probabilities.
  case meanProbabilities
  /// The mean of the trees' numbers.
  case mean
  /// The softmax of the trees' sums, one for each class, on top of `start`.
  case softmax(start: [Double])
  /// The logistic function of the trees' sum: the probability of the second of two classes.
  case logistic(start: Double)
  /// The trees' sum.
  case sum(start: Double)

  /// Sums of a row.
  func outputs(width: Int) -> Int {
    switch self {
    case .meanProbabilities: width
    case .softmax(let start): start.count
    case .mean, .logistic, .sum: 1
    }
  }

  fileprivate func combination(width: Int) -> TreeEnsemble.Combination {
    if case .softmax(let start) = self { return .oneOutputEach(outputs: start.count) }
    return .everyOutput
  }

  fileprivate func start(_ sums: UnsafeMutablePointer<Double>, rows: Int, outputs: Int) {
    switch self {
    case .meanProbabilities, .mean: sums.update(repeating: 0, count: rows * outputs)
    case .logistic(let start), .sum(let start): sums.update(repeating: start, count: rows)
    case .softmax(let start):
      for row in 0..<rows {
        for (output, value) in start.enumerated() { sums[row * outputs + output] = value }
      }
    }
  }

  /// Turns sums into class probabilities (rows, classes), or into numbers (rows).
  fileprivate func finish(
    _ sums: UnsafeMutablePointer<Double>, rows: Int, outputs: Int, trees: Int,
    into answers: UnsafeMutablePointer<Float>
  ) {
    switch self {
    case .meanProbabilities, .mean:
      let trees = Double(max(trees, 1))
      for index in 0..<(rows * outputs) { answers[index] = Float(sums[index] / trees) }
    case .sum:
      for row in 0..<rows { answers[row] = Float(sums[row]) }
    case .logistic:
      for row in 0..<rows {
        let probability = Probability.logistic(sums[row])
        answers[2 * row] = Float(1 - probability)
        answers[2 * row + 1] = Float(probability)
      }
    case .softmax:
      for row in 0..<rows {
        Probability.softmax(sums + row * outputs, count: outputs)
        for output in 0..<outputs {
          answers[row * outputs + output] = Float(sums[row * outputs + output])
        }
      }
    }
  }
}

extension TreeEnsemble {
  /// Answers rows: class probabilities (rows, classes), or numbers (rows).
  func answer(
    _ rows: UnsafePointer<Float>, count: Int, as answer: TreeAnswer, workers: WorkerPool,
    kernels: TreeKernels, into answers: UnsafeMutablePointer<Float>
  ) {
    let outputs = answer.outputs(width: width)
    withUnsafeTemporaryAllocation(of: Double.self, capacity: count * outputs) { sums in
      guard let sums = sums.baseAddress else { return }
      answer.start(sums, rows: count, outputs: outputs)
      addScores(
        of: rows, count: count, to: sums, answer.combination(width: width), workers: workers,
        kernels: kernels)
      answer.finish(sums, rows: count, outputs: outputs, trees: treeCount, into: answers)
    }
  }

  /// Measures the answers about a split.
  ///
  /// - Throws: as `TableRows.init` and `TreeData.target`.
  func measure(
    split: String, of dataset: DataSetView, _ schema: TableSchema, target name: String,
    classes: ClassNames?, as answer: TreeAnswer, workers: WorkerPool, kernels: TreeKernels,
    observer: TrainingObserver
  ) throws(PluginError) -> [TrainingMetric] {
    let target = try TreeData.target(
      name, classes == nil ? .regression : .classification, split: split, in: dataset,
      known: classes)
    let rows = try TableRows(schema, split: split, in: dataset)
    let width = classes?.count ?? 1
    let answers = UnsafeMutablePointer<Float>.allocate(capacity: rows.rowCount * width)
    defer { answers.deallocate() }
    try rows.forEachBlock { first, count, block throws(PluginError) in
      self.answer(
        block, count: count, as: answer, workers: workers, kernels: kernels,
        into: answers + first * width)
      try observer.progress(samplesDone: first + count)
    }
    switch target {
    case .classes(let labels):
      return Metrics.classification(answers, labels: labels.codes, classes: width)
    case .numbers(let numbers):
      return Metrics.regression(
        (0..<rows.rowCount).map { Double(answers[$0]) }, targets: numbers)
    }
  }
}

/// Probabilities of scores, in double precision.
enum Probability {
  static func logistic(_ score: Double) -> Double { 1 / (1 + Logarithm.exponential(-score)) }

  /// In place.
  static func softmax(_ scores: UnsafeMutablePointer<Double>, count: Int) {
    var largest = scores[0]
    for index in 1..<max(count, 1) { largest = max(largest, scores[index]) }
    var sum = 0.0
    for index in 0..<count {
      scores[index] = Logarithm.exponential(scores[index] - largest)
      sum += scores[index]
    }
    for index in 0..<count { scores[index] /= sum }
  }
}
