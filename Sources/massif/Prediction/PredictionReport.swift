// SPDX-License-Identifier: Apache-2.0

/// What `massif predict` prints of a run.
struct PredictionReport {
  let model: String
  let outcome: PredictionRun.Outcome
  let labels: [Int]?
  let top: Int
  let batch: Int
  let concurrency: Int

  /// Samples whose best class is the label; nil without labels.
  var correct: Int? {
    labels.map { labels in zip(outcome.scores, labels).count { $0.best == $1 } }
  }

  private var accuracy: Double? {
    correct.map { outcome.scores.isEmpty ? 0 : Double($0) / Double(outcome.scores.count) }
  }

  private var seconds: Double { max(outcome.elapsed / .seconds(1), 1e-9) }

  /// Whether a score says how likely its class is; otherwise it is a number to be read as it is.
  private var ranksClasses: Bool { outcome.output == "probabilities" }

  var json: JSONValue {
    guard ranksClasses || labels != nil else {
      return [
        "model": .string(model), "version": .string(outcome.version),
        outcome.output: .array(
          outcome.scores.map { .array($0.values.map { .number(Double($0)) }) }),
      ]
    }
    return [
      "model": .string(model), "version": .string(outcome.version),
      "images": .integer(Int64(outcome.scores.count)),
      "classes": .array(outcome.scores.map { .integer(Int64($0.best)) }),
      "scores": .array(outcome.scores.map { .number(Double($0.values[$0.best])) }),
      "correct": correct.map { .integer(Int64($0)) } ?? .null,
      "accuracy": accuracy.map(JSONValue.number) ?? .null,
      "requests": .integer(Int64(outcome.requests)), "batch": .integer(Int64(batch)),
      "concurrency": .integer(Int64(concurrency)), "seconds": .number(seconds),
      "requests_per_second": .number(Double(outcome.requests) / seconds),
      "images_per_second": .number(Double(outcome.scores.count) / seconds),
    ]
  }

  var lines: [String] {
    guard let accuracy, let correct else {
      return outcome.scores.enumerated().map { index, scores in
        "\(index): " + answer(scores)
      }
    }
    return [
      "model      \(model)@\(outcome.version)",
      "accuracy   \(Quantity.fixed(accuracy, 4))  (\(Quantity.grouped(correct)) of "
        + "\(Quantity.grouped(outcome.scores.count)))",
      "requests   \(Quantity.grouped(outcome.requests)) of \(batch), \(concurrency) at a time, "
        + "\(Quantity.fixed(seconds, 2)) s",
      "speed      \(Quantity.grouped(Int(Double(outcome.requests) / seconds))) requests/s, "
        + "\(Quantity.grouped(Int(Double(outcome.scores.count) / seconds))) images/s",
    ]
  }

  private func answer(_ scores: Scores) -> String {
    guard ranksClasses, scores.values.count > 1 else {
      // A projection may have hundreds; --output json has them all.
      let shown = scores.values.prefix(16).map { value in
        Int(exactly: value).map { "\($0)" } ?? "\(value)"
      }
      return shown.joined(separator: ", ") + (scores.values.count > 16 ? ", …" : "")
    }
    return scores.top(top).map { "class \($0.class) (\(Quantity.fixed(Double($0.score), 4)))" }
      .joined(separator: ", ")
  }
}
