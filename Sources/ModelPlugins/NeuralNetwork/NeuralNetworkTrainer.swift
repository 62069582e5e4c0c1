// SPDX-License-Identifier: Apache-2.0
import Runtime

/// A training run of a network: mini-batches in a new order each epoch, on the runtime's session.
///
/// Every step is a function of (configuration, seed, data, instruction set) and of the steps before
/// it, so a run may be interrupted between epochs and taken up again without changing a bit.
final class NeuralNetworkTrainer: TrainerImplementation {
  /// The configuration's, or those that are done once early stopping ends the run.
  var epochCount: Int { isOver ? losses.count : configuredEpochCount }
  let sampleCount: Int
  let stepCount: Int

  let network: Network
  let session: TrainingSession
  let seed: UInt64
  let dataset: DataSetView
  let instructionSet: InstructionSet
  private let workers: WorkerPool
  private let batchSize: Int
  private let batches: BatchGatherer
  /// The batches of the training steps, where samples are varied.
  private let augmented: AugmentedBatches?
  /// What measures the loss of samples as they are; nil where training takes them so.
  private let unaugmented: Network?
  private let loss: Graph.Value
  private let configuredEpochCount: Int
  private let schedule: LearningRateSchedule
  /// The loss of each epoch that is done, which schedules and early stopping look at.
  var losses: [Double] = []
  /// The parameters of the best epoch, where the run shall end with them.
  var bestParameters: [UInt8]?
  /// The order of the epoch that is under way.
  private var order: (epoch: Int, samples: [Int]) = (0, [])
  /// What the steps of the epoch that is under way came to.
  private var epochTotals: TrainingTotals

  /// - Throws: `.invalidArgument` for a label that the network has no output for,
  ///   `.resourceExhausted` when memory is short.
  init(
    _ network: Network, seed: UInt64, dataset: DataSetView, workers: WorkerPool,
    instructionSet: InstructionSet
  ) throws(PluginError) {
    guard let loss = network.loss else {
      throw PluginError(.internal, "a network for serving cannot be trained")
    }
    let configuration = network.configuration
    batches = try BatchGatherer(
      "train", of: dataset, network, batchSize: configuration.batchSize)
    try batches.checkClasses(of: "train/\(configuration.labelTensor)")
    self.loss = loss
    do throws(RuntimeError) {
      let parameters = try Parameters(
        network.graph, seed: seed, instructionSet: instructionSet)
      session = try TrainingSession(
        network.graph, loss: loss, outputs: [network.output],
        optimizer: configuration.optimizer.optimizer, rules: configuration.rules,
        parameters: parameters,
        maximumBatch: min(configuration.batchSize, batches.count), seed: seed, workers: workers,
        instructionSet: instructionSet)
    } catch {
      throw PluginError(error, field: "configuration")
    }
    if configuration.augmentation.isIdentity {
      (augmented, unaugmented) = (nil, nil)
    } else {
      augmented = try AugmentedBatches(
        batches, network, batchSize: min(configuration.batchSize, batches.count), seed: seed,
        workers: workers, instructionSet: instructionSet)
      unaugmented = try Network(configuration, sample: network.sample, for: .evaluation)
    }
    self.network = network
    self.seed = seed
    self.dataset = dataset
    self.workers = workers
    self.instructionSet = instructionSet
    batchSize = configuration.batchSize
    configuredEpochCount = configuration.epochs
    sampleCount = batches.count
    stepCount = (batches.count + batchSize - 1) / batchSize
    schedule = configuration.schedule.schedule(stepsPerEpoch: stepCount)
    epochTotals = TrainingTotals(network)
  }

  func trainEpoch(_ epoch: Int, observer: TrainingObserver) throws(PluginError) {
    try checkPosition(epoch: epoch, step: 0)
    for step in 0..<stepCount {
      _ = try run(step, of: epoch)
      let totals = epochTotals
      let goesOn = observer.report(samplesDone: totals.samples) { totals.metrics }
      guard goesOn else {
        throw PluginError(.cancelled, "training was cancelled in epoch \(epoch)")
      }
    }
    observer.finish(epochTotals.metrics + (try finishEpoch(observer)))
  }

  func trainStep(_ step: Int, epoch: Int, observer: TrainingObserver) throws(PluginError) {
    try checkPosition(epoch: epoch, step: step)
    let totals = try run(step, of: epoch)
    let more = step == stepCount - 1 ? try finishEpoch(observer) : []
    observer.finish(totals.metrics + more)
  }

  /// Notes the epoch's loss, keeps the best parameters, and goes back to them when the run is over.
  ///
  /// - Returns: the loss of the split that is monitored, if that is another than `train`.
  private func finishEpoch(_ observer: TrainingObserver) throws(PluginError) -> [TrainingMetric] {
    let configuration = network.configuration
    var metrics: [TrainingMetric] = []
    if configuration.monitorSplit == "train" {
      losses.append(epochTotals.loss)
    } else if configuration.earlyStopping != nil || configuration.schedule.looksAtLosses {
      let totals = try measure(configuration.monitorSplit, observer, reports: false)
      losses.append(totals.loss)
      metrics = [
        TrainingMetric(name: "\(configuration.monitorSplit)_loss", value: totals.loss)
      ]
    } else {
      losses.append(epochTotals.loss)
    }
    guard let stopping = configuration.earlyStopping, stopping.restoresBest else { return metrics }
    do throws(RuntimeError) {
      if stopping.rule.bestEpoch(of: losses) == losses.count - 1 {
        bestParameters = try session.parameters.encode()
      }
      if losses.count == epochCount, let bestParameters {
        let box = ByteBox(bestParameters)
        try withExtendedLifetime(box) { () throws(RuntimeError) in
          try session.parameters.load(SafetensorsFile(parsing: box.bytes), box.bytes)
        }
      }
    } catch {
      throw PluginError(error)
    }
    return metrics
  }

  private var isOver: Bool { network.configuration.earlyStopping?.rule.isOver(losses) ?? false }

  func evaluate(split: String, observer: TrainingObserver) throws(PluginError) {
    observer.finish(try measure(split, observer, reports: true).metrics)
  }

  private func measure(
    _ split: String, _ observer: TrainingObserver, reports: Bool
  ) throws(PluginError) -> TrainingTotals {
    let rowsAtOnce = min(batchSize, sampleCount)
    let samples = try BatchGatherer(split, of: dataset, network, batchSize: rowsAtOnce)
    let execution = try evaluation()
    var totals = TrainingTotals(network)
    for start in stride(from: 0, to: samples.count, by: rowsAtOnce) {
      let rows = start..<min(start + rowsAtOnce, samples.count)
      do throws(RuntimeError) {
        try execution.run(samples.gather(rows), batch: rows.count)
      } catch {
        throw PluginError(error)
      }
      let loss = execution.output(0).loadUnaligned(as: Float.self)
      totals.add(loss: loss, scores: execution.output(1), rows: rows.count, of: samples)
      guard reports else { continue }
      let goesOn = observer.report(samplesDone: totals.samples) { totals.metrics }
      guard goesOn else { throw PluginError(.cancelled, "evaluation was cancelled") }
    }
    return totals
  }

  /// The network with its present parameters, without dropout and with the running statistics.
  private func evaluation() throws(PluginError) -> PlanExecution {
    do throws(RuntimeError) {
      if let unaugmented, let loss = unaugmented.loss {
        return try Plan(
          unaugmented.graph, outputs: [loss, unaugmented.output], parameters: session.parameters,
          maximumBatch: min(batchSize, sampleCount), instructionSet: instructionSet
        ).makeExecution(workers: workers)
      }
      return try session.makePlan(outputs: [loss, network.output])
        .makeExecution(workers: workers)
    } catch {
      throw PluginError(error)
    }
  }

  /// Trains one step; no other may have been left out before it.
  ///
  /// - Returns: what it came to.
  private func run(_ step: Int, of epoch: Int) throws(PluginError) -> TrainingTotals {
    if step == 0 { epochTotals = TrainingTotals(network) }
    session.learningRate = Float(
      schedule.rate(
        base: network.configuration.optimizer.learningRate,
        step: (epoch - 1) * stepCount + step, stepsPerEpoch: stepCount,
        totalSteps: configuredEpochCount * stepCount, losses: losses))
    let samples = samples(of: step, epoch: epoch)
    let loss: Float
    do throws(RuntimeError) {
      loss = try session.step(inputs(samples, step: step, epoch: epoch), batch: samples.count)
    } catch {
      throw PluginError(error)
    }
    guard loss.isFinite else {
      throw PluginError(
        .aborted,
        "training diverged: the loss is \(loss) in step \(step + 1) of epoch \(epoch); lower"
          + " configuration.optimizer.learning_rate, or scale the input")
    }
    var totals = TrainingTotals(network)
    totals.add(loss: loss, scores: session.output(0), rows: samples.count, of: batches)
    epochTotals.add(loss: loss, scores: session.output(0), rows: samples.count, of: batches)
    return totals
  }

  /// The batch of a step; where samples are varied, the next step's is begun.
  private func inputs(
    _ samples: ArraySlice<Int>, step: Int, epoch: Int
  ) -> [UnsafeRawBufferPointer] {
    guard let augmented else { return batches.gather(samples) }
    let inputs = augmented.take(.init(epoch: epoch, samples: Array(samples)))
    let next = step + 1 < stepCount ? (step: step + 1, epoch: epoch) : (step: 0, epoch: epoch + 1)
    if next.epoch <= configuredEpochCount {
      augmented.prepare(
        .init(epoch: next.epoch, samples: Array(self.samples(of: next.step, epoch: next.epoch))))
    }
    return inputs
  }

  private func samples(of step: Int, epoch: Int) -> ArraySlice<Int> {
    let start = step * batchSize
    return order(of: epoch)[start..<min(start + batchSize, sampleCount)]
  }

  /// The order of the samples is a function of the seed and the epoch.
  private func order(of epoch: Int) -> [Int] {
    if order.epoch != epoch {
      // Streams of training steps count up from zero; those of epochs, down from the end.
      let stream = UInt64.max - UInt64(epoch)
      order = (epoch, Philox(key: seed, stream: stream).permutation(sampleCount))
    }
    return order.samples
  }

  /// Steps go in order: each builds on those before it.
  private func checkPosition(epoch: Int, step: Int) throws(PluginError) {
    let done = Int(clamping: session.stepCount)
    guard done == (epoch - 1) * stepCount + step else {
      throw PluginError(
        .failedPrecondition,
        "expected step \(done % stepCount) of epoch \(done / stepCount + 1) next, came step \(step)"
          + " of epoch \(epoch)")
    }
  }
}
