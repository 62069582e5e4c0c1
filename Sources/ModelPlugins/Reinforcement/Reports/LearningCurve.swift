// SPDX-License-Identifier: Apache-2.0

/// What the epochs of a training came to.
struct LearningCurve: Sendable, Hashable {
  /// One epoch.
  struct Point: Sendable, Hashable {
    /// Of the training's episodes, with exploration.
    var meanReturn: Double
    /// Steps an episode.
    var meanSteps: Double
    /// ε or the temperature at the end.
    var exploration: Double
    /// Of greedy episodes; nil where there were none.
    var evaluation: Double?
  }

  var points: [Point] = []

  /// Numbers of a point in a checkpoint.
  static let width = 4

  /// The points as rows of numbers, for a checkpoint.
  var numbers: [Double] {
    points.flatMap { [$0.meanReturn, $0.meanSteps, $0.exploration, $0.evaluation ?? .nan] }
  }

  /// Reads rows of numbers.
  init(numbers: [Double] = []) {
    points = stride(from: 0, to: numbers.count - Self.width + 1, by: Self.width).map { start in
      Point(
        meanReturn: numbers[start], meanSteps: numbers[start + 1],
        exploration: numbers[start + 2],
        evaluation: numbers[start + 3].isNaN ? nil : numbers[start + 3])
    }
  }

  /// The artifact with the drawing.
  static let drawingName = "learning-curve.svg"

  /// The curve as a drawing: returns in training and of greedy episodes over the epochs.
  func svg(title: String) -> String {
    let (width, height, left, top) = (640.0, 320.0, 64.0, 32.0)
    let values = points.map(\.meanReturn) + points.compactMap(\.evaluation)
    let low = values.min() ?? 0
    let high = max(values.max() ?? 1, low + 1e-9)
    func x(_ index: Int) -> Double {
      left + (width - left - 16) * Double(index) / Double(max(points.count - 1, 1))
    }
    func y(_ value: Double) -> Double {
      top + (height - top - 40) * (1 - (value - low) / (high - low))
    }
    func line(_ places: [(Double, Double)], _ colour: String) -> String {
      let path = places.map { "\($0.0.short),\($0.1.short)" }.joined(separator: " ")
      return #"<polyline fill="none" stroke="\#(colour)" stroke-width="1.5" points="\#(path)"/>"#
    }
    let training = points.enumerated().map { (x($0.offset), y($0.element.meanReturn)) }
    let greedy = points.enumerated().compactMap { index, point in
      point.evaluation.map { (x(index), y($0)) }
    }
    return """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 320" font-family="sans-serif" \
      font-size="12">
      <rect width="640" height="320" fill="white"/>
      <text x="64" y="20">\(title): mean return by epoch; blue in training, orange greedy</text>
      <text x="4" y="\((y(high) + 4).short)">\(high.short)</text>
      <text x="4" y="\((y(low) + 4).short)">\(low.short)</text>
      <text x="64" y="308">1</text><text x="600" y="308">\(points.count)</text>
      <path d="M64 32V280H624" fill="none" stroke="gray"/>
      \(line(training, "steelblue"))
      \(line(greedy, "darkorange"))
      </svg>

      """
  }
}

extension Double {
  /// The number for people.
  fileprivate var short: String { Report.shortened(self) }
}
