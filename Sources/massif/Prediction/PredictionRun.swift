// SPDX-License-Identifier: Apache-2.0
internal import MassifClient
internal import Synchronization

/// Sends all samples through a deployed model, `concurrency` requests at a time.
struct PredictionRun {
  let client: MassifClient
  let model: ModelReference
  let samples: Samples
  let batch: Int
  let concurrency: Int

  struct Outcome: Sendable {
    let version: String
    let scores: [Scores]
    let requests: Int
    let elapsed: Duration
    /// What the model calls its answers.
    var output = "probabilities"
  }

  /// What the tasks of a run share.
  private final class Answers: Sendable {
    private let next = Atomic(0)
    private let state: Mutex<(scores: [[Scores]], version: String, output: String)>

    init(_ count: Int) {
      state = Mutex((Array(repeating: [], count: count), "", ""))
    }

    func takeRequest() -> Int { next.add(1, ordering: .relaxed).oldValue }

    func record(_ scores: [Scores], _ index: Int, of answer: InferenceResult) {
      state.withLock {
        $0.scores[index] = scores
        $0.version = answer.version
        $0.output = answer.outputs.first?.name ?? ""
      }
    }

    var result: (scores: [Scores], version: String, output: String) {
      state.withLock { (Array($0.scores.joined()), $0.version, $0.output) }
    }
  }

  /// Runs all requests; the first failure ends the run.
  func run() async throws -> Outcome {
    let requests = (samples.count + batch - 1) / batch
    let answers = Answers(requests)
    let start = ContinuousClock.now
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<min(concurrency, requests) {
        group.addTask {
          while case let index = answers.takeRequest(), index < requests {
            let range = index * batch..<min((index + 1) * batch, samples.count)
            let answer = try await client.infer(
              model.name, version: model.version, inputs: [samples.tensor(range)])
            answers.record(
              try Self.scores(answer, count: range.count), index, of: answer)
          }
        }
      }
      try await group.waitForAll()
    }
    let elapsed = start.duration(to: .now)
    let (scores, version, output) = answers.result
    return Outcome(
      version: version, scores: scores, requests: requests, elapsed: elapsed, output: output)
  }

  /// The rows of the first output, which has one for each sample.
  private static func scores(
    _ answer: InferenceResult, count: Int
  ) throws -> [Scores] {
    guard let output = answer.outputs.first, output.shape.first == count else {
      throw CommandError(
        "the model's answer", expected: "an output with \(count) rows",
        came: answer.outputs.first.map { "\($0.shape)" } ?? "no output")
    }
    let values =
      switch output.dataType {
      case .int32: try output.elements(of: Int32.self).map(Float.init)
      case .int64: try output.elements(of: Int64.self).map(Float.init)
      default: try output.elements(of: Float.self)
      }
    let width = values.count / count
    return (0..<count).map { Scores(values: Array(values[$0 * width..<($0 + 1) * width])) }
  }
}
