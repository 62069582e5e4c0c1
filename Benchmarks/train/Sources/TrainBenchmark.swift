// SPDX-License-Identifier: Apache-2.0

import Foundation
import Runtime

/// Our side of `bench-train`: trains as the driver says on its standard input, so that rounds alternate with
/// the peer's.
///
/// `bench-train DATA.safetensors THREADS NETWORK`, then a line `steps N` gives the images per second of N steps, a line
/// `evaluate` the accuracy on the test images.
@main
struct TrainBenchmark {
  private static let batchSize = 64

  private let training: DataSet
  private let test: DataSet
  private let network: FashionNetwork
  private let session: TrainingSession
  private let workers: WorkerPool
  private let batch = Batch(capacity: Self.batchSize)
  private var order: [Int] = []
  private var position = 0
  private var epoch: UInt64 = 0

  static func main() throws {
    let arguments = CommandLine.arguments
    guard arguments.count == 4, let threads = Int(arguments[2]),
      let kind = FashionNetwork.Kind(rawValue: arguments[3])
    else {
      print("usage: bench-train DATA.safetensors THREADS cnn|lstm|mlp")
      exit(2)
    }
    var benchmark = try TrainBenchmark(path: arguments[1], threads: threads, kind)
    while let line = readLine() {
      let words = line.split(separator: " ")
      switch words.first {
      case "steps": print(try benchmark.train(steps: words.count > 1 ? Int(words[1]) ?? 1 : 1))
      case "evaluate": print(try benchmark.evaluate())
      default: print("unknown command")
      }
      fflush(nil)
    }
  }

  private init(path: String, threads: Int, _ kind: FashionNetwork.Kind) throws {
    training = try DataSet("train", of: path)
    test = try DataSet("test", of: path)
    network = try FashionNetwork(kind)
    workers = try WorkerPool(threadCount: threads)
    let isa = try InstructionSet.preferred()
    session = try TrainingSession(
      network.graph, loss: network.loss, optimizer: .adam(),
      parameters: Parameters(network.graph, seed: 1, instructionSet: isa),
      maximumBatch: Self.batchSize, seed: 1, workers: workers, instructionSet: isa)
  }

  /// Images per second.
  private mutating func train(steps: Int) throws -> Double {
    let clock = ContinuousClock()
    let start = clock.now
    var images = 0
    for _ in 0..<steps {
      if position == order.count {
        epoch += 1
        order = Philox(key: 1, stream: epoch).permutation(training.count)
        position = 0
      }
      let end = min(position + Self.batchSize, order.count)
      let count = end - position
      training.gather(order[position..<end], batch)
      try session.step(batch.inputs(count), batch: count)
      position = end
      images += count
    }
    return Double(images) / ((clock.now - start) / .seconds(1))
  }

  /// The fraction of test images whose largest logit is the label's.
  private func evaluate() throws -> Double {
    let plan = try session.makePlan(outputs: [network.logits])
    let execution = try plan.makeExecution(workers: workers)
    let samples = Array(0..<test.count)
    var right = 0
    for start in stride(from: 0, to: test.count, by: Self.batchSize) {
      let slice = samples[start..<min(start + Self.batchSize, test.count)]
      test.gather(slice, batch)
      try execution.run([batch.inputs(slice.count)[0]], batch: slice.count)
      let logits = execution.output(0).assumingMemoryBound(to: Float.self)
      for (row, sample) in slice.enumerated() {
        let scores = logits[row * 10..<row * 10 + 10]
        let best = scores.indices.max { scores[$0] < scores[$1] }
        if best == row * 10 + test.label(sample) { right += 1 }
      }
    }
    return Double(right) / Double(test.count)
  }
}
