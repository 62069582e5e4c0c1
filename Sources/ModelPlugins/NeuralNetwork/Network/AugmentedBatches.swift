// SPDX-License-Identifier: Apache-2.0
import Runtime

/// Batches of varied samples, each made while the step before it runs.
///
/// A thread of its own makes the next batch, and threads of the pool that have nothing to do help it. What is in a
/// batch depends on the epoch and on which samples it has, so it is the same whoever made it and when.
final class AugmentedBatches {
  /// A batch that is asked for.
  struct Request: Sendable, Hashable {
    var epoch: Int
    var samples: [Int]
  }

  private let gatherer: BatchGatherer
  private let maker: BatchMaker
  private let thread: BackgroundThread
  /// Which of the two batches the owner reads.
  private var current = 0
  /// What the other batch has or will have.
  private var prepared: Request?

  /// - Parameter gatherer: of the split that is trained on.
  /// - Throws: `.resourceExhausted` when the system starts no thread.
  init(
    _ gatherer: BatchGatherer, _ network: Network, batchSize: Int, seed: UInt64,
    workers: WorkerPool, instructionSet: InstructionSet
  ) throws(PluginError) {
    self.gatherer = gatherer
    do throws(RuntimeError) {
      maker = try BatchMaker(
        gatherer, network, batchSize: batchSize, seed: seed, workers: workers,
        instructionSet: instructionSet)
      thread = try BackgroundThread()
    } catch {
      throw PluginError(error, field: "configuration.augmentation")
    }
  }

  /// Bytes that batches of a network take on so many threads.
  static func byteCount(_ network: Network, batchSize: Int, threads: Int) -> Int {
    guard !network.configuration.augmentation.isIdentity else { return 0 }
    let elements = network.sample.shape.reduce(1, *)
    // At most 2^28 elements a sample, 2^16 samples a batch and 2^10 threads.
    let labels =
      network.configuration.augmentation.mixup > 0 ? network.answerShape.reduce(1, *) : 0
    return (2 * batchSize * (elements + labels) + 2 * threads * elements) * MemoryLayout<Float>.size
  }

  /// The batch, made before if it was asked for with `prepare`.
  ///
  /// - Precondition: at most as many samples as the batch size, and at least one.
  /// - Returns: inputs and labels, valid until the next call.
  func take(_ request: Request) -> [UnsafeRawBufferPointer] {
    thread.wait()
    if prepared != request { maker.make(request, in: 1 - current) }
    prepared = nil
    current = 1 - current
    // The plain labels are what scores are compared with.
    let labels = gatherer.gatherLabels(request.samples)
    let batch = maker.batch(current, count: request.samples.count)
    return [batch.inputs, batch.labels ?? labels]
  }

  /// Begins to make a batch, which should be the one that is taken next.
  func prepare(_ request: Request) {
    prepared = request
    thread.start { [maker, index = 1 - current] in maker.make(request, in: index) }
  }
}

/// Two batches, and what fills one of them while the other one is read.
///
/// `@unchecked Sendable`: its owner makes one batch at a time and reads none that is being made.
private final class BatchMaker: @unchecked Sendable {
  private let gatherer: BatchGatherer
  private let augmenter: Augmenter
  private let workers: WorkerPool
  private let labelMixing: LabelMixing?
  private let elementCount: Int
  private let batches: [Batch]
  private let scratch: UnsafeMutableBufferPointer<Float>

  /// Room for a batch.
  private struct Batch {
    let inputs: UnsafeMutableBufferPointer<Float>
    let labels: UnsafeMutableBufferPointer<Float>
    let mixtures: UnsafeMutableBufferPointer<Mixture>
  }

  init(
    _ gatherer: BatchGatherer, _ network: Network, batchSize: Int, seed: UInt64,
    workers: WorkerPool, instructionSet: InstructionSet
  ) throws(RuntimeError) {
    let configuration = network.configuration
    self.gatherer = gatherer
    self.workers = workers
    augmenter = try Augmenter(
      configuration.augmentation, shape: Shape(network.sample.shape),
      datatype: network.sample.datatype, sampleCount: gatherer.count, seed: seed,
      instructionSet: instructionSet)
    let elementCount = network.sample.shape.reduce(1, *)
    self.elementCount = elementCount
    let mixing =
      configuration.augmentation.mixup > 0
      ? LabelMixing(
        configuration.loss, width: gatherer.labelWidth(classCount: network.classCount)) : nil
    labelMixing = mixing
    batches = (0..<2).map { _ in
      Batch(
        inputs: .allocate(capacity: batchSize * elementCount),
        labels: .allocate(capacity: batchSize * (mixing?.width ?? 0)),
        mixtures: .allocate(capacity: batchSize))
    }
    scratch = .allocate(capacity: workers.threadCount * augmenter.scratchFloatCount)
  }

  deinit {
    for batch in batches {
      batch.inputs.deallocate()
      batch.labels.deallocate()
      batch.mixtures.deallocate()
    }
    scratch.deallocate()
  }

  /// The first samples of a batch; labels where they are mixed.
  func batch(
    _ index: Int, count: Int
  ) -> (inputs: UnsafeRawBufferPointer, labels: UnsafeRawBufferPointer?) {
    func first(
      _ rows: UnsafeMutableBufferPointer<Float>, _ width: Int
    ) -> UnsafeRawBufferPointer {
      UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: rows[..<(count * width)]))
    }
    return (
      first(batches[index].inputs, elementCount),
      labelMixing.map { first(batches[index].labels, $0.width) }
    )
  }

  func make(_ request: AugmentedBatches.Request, in index: Int) {
    let batch = batches[index]
    workers.parallelFor(request.samples.count) { row, worker in
      guard let out = batch.inputs.baseAddress, let scratch = scratch.baseAddress else { return }
      batch.mixtures[row] = augmenter.write(
        request.samples[row], epoch: request.epoch, of: gatherer.inputs,
        to: out + row * elementCount, scratch: scratch + worker * augmenter.scratchFloatCount)
    }
    labelMixing?.mix(
      request.samples, UnsafeBufferPointer(rebasing: batch.mixtures[..<request.samples.count]),
      of: gatherer, into: batch.labels)
  }
}
