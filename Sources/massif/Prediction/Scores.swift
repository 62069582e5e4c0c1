// SPDX-License-Identifier: Apache-2.0

/// A model's scores of one sample, one for each class; or the one number of a regression.
struct Scores: Sendable, Equatable {
  let values: [Float]

  /// The class with the highest score, the lower one of equals.
  var best: Int {
    var best = 0
    for index in values.indices where values[index] > values[best] { best = index }
    return best
  }

  /// The classes with the highest scores, from high to low, the lower of equals first.
  func top(_ count: Int) -> [(class: Int, score: Float)] {
    values.enumerated()
      .sorted { $0.element != $1.element ? $0.element > $1.element : $0.offset < $1.offset }
      .prefix(count).map { (class: $0.offset, score: $0.element) }
  }
}
