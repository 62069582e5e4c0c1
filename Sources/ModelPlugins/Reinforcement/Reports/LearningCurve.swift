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

  /// The curve as JSON: an array with an object for each epoch.
  var json: String {
    let rows = points.enumerated().map { index, point in
      #"{"epoch":\#(index + 1),"mean_return":\#(point.meanReturn),"#
        + #""mean_steps":\#(point.meanSteps),"exploration":\#(point.exploration),"#
        + #""evaluation_mean_return":\#(point.evaluation.map { "\($0)" } ?? "null")}"#
    }
    return "[" + rows.joined(separator: ",") + "]"
  }

  /// The curve as a table, thinned out to twenty lines.
  var text: String {
    var lines = [
      "epoch".padded(8) + "mean return".padded(14) + "mean steps".padded(13)
        + "exploration".padded(14) + "greedy return"
    ]
    let step = max(1, (points.count + 19) / 20)
    for (index, point) in points.enumerated()
    where (index + 1) % step == 0 || index == points.count - 1 || index == 0 {
      lines.append(
        "\(index + 1)".padded(8) + point.meanReturn.short.padded(14)
          + point.meanSteps.short.padded(13) + point.exploration.short.padded(14)
          + (point.evaluation?.short ?? "-"))
    }
    return lines.joined(separator: "\n")
  }

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

extension String {
  /// The text with spaces after it, at least one.
  func padded(_ width: Int) -> String {
    self + String(repeating: " ", count: max(1, width - count))
  }
}

extension Double {
  /// The number for people: four significant decimals.
  var short: String {
    guard isFinite else { return "\(self)" }
    let rounded = (self * 10_000).rounded() / 10_000
    return rounded == rounded.rounded() && abs(rounded) < 1e15
      ? "\(Int(rounded))" : "\(rounded)"
  }
}
