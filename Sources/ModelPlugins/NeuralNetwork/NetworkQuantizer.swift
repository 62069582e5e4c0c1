// SPDX-License-Identifier: Apache-2.0
import Runtime

/// Makes a network's version in bf16 or int8 out of one in single precision.
struct NetworkQuantizer {
  let workers: WorkerPool
  let instructionSet: InstructionSet

  private let description: NetworkDescription
  private let network: Network
  private let parameters: Parameters

  /// Samples of a batch of the calibration.
  private static let batchSize = 32

  /// Reads the version.
  ///
  /// - Throws: `.failedPrecondition` for one that is narrow already.
  init(
    _ description: NetworkDescription, weights: UnsafeRawBufferPointer, workers: WorkerPool,
    instructionSet: InstructionSet
  ) throws(PluginError) {
    guard description.precision == .fp32 else {
      throw PluginError(
        .failedPrecondition,
        "expected a version in fp32; this one is narrow already: quantize the one that it was made"
          + " of")
    }
    self.workers = workers
    self.instructionSet = instructionSet
    self.description = description
    let network = try Network(
      description.configuration, sample: description.sample, for: .serving)
    self.network = network
    parameters = try Self.runtime { () throws(RuntimeError) in
      let parameters = try Parameters(network.graph, seed: 0, instructionSet: instructionSet)
      try parameters.loadConverting(
        SafetensorsFile(parsing: weights), weights, instructionSet: instructionSet)
      return parameters
    }
  }

  /// Calibrates, rounds the weights, and says how often both networks give a sample the same class.
  ///
  /// - Throws: `.invalidArgument` for samples that are missing or not the network's, `.cancelled`.
  func run(
    _ request: QuantizationRequest, isCancelled: () -> Bool
  ) throws(PluginError) -> QuantizedModel {
    var samples: CalibrationSamples?
    if let view = request.calibration {
      samples = try CalibrationSamples(
        view, description, maxCount: request.maxSamples, batchSize: Self.batchSize)
    }
    let precision = try precision(request.type, samples, isCancelled)
    var narrow = description
    narrow.precision = precision
    let plan = try plan(precision)
    let report = NetworkReport(plan.explanation, losses: [])
    let weights = try Self.runtime { () throws(RuntimeError) in
      try parameters.encode(as: precision, instructionSet: instructionSet)
    }
    let texts = [
      (NetworkDescription.artifactName, narrow.text),
      (Report.jsonName, report.report.json.text + "\n"),
      (Report.textName, report.report.text), (NetworkReport.drawingName, report.drawing),
    ]
    return QuantizedModel(
      artifacts: [Artifact(name: NetworkDescription.weightsArtifactName, copying: weights)]
        + texts.map { Artifact(name: $0.0, copying: Array($0.1.utf8)) },
      metrics: try samples.map { (samples) throws(PluginError) in
        try agreement(try self.plan(.fp32), plan, samples, isCancelled)
      } ?? [])
  }

  private func precision(
    _ type: QuantizationType, _ samples: CalibrationSamples?, _ isCancelled: () -> Bool
  ) throws(PluginError) -> Precision {
    guard type == .int8 else { return .bf16 }
    guard let samples else {
      throw PluginError(
        field: "calibration", "expected a data set: int8 needs to see which values occur")
    }
    let calibration = try Self.runtime { () throws(RuntimeError) in
      try Calibration(
        network.graph, outputs: [network.answer], parameters: parameters,
        maximumBatch: Self.batchSize, workers: workers, instructionSet: instructionSet)
    }
    for counts in [false, true] {
      for batch in samples.batches {
        try Self.check(isCancelled)
        try Self.runtime { () throws(RuntimeError) in
          if counts {
            try calibration.count([batch.bytes], batch: batch.count)
          } else {
            try calibration.observe([batch.bytes], batch: batch.count)
          }
        }
      }
    }
    return .int8(calibration.result)
  }

  private func plan(_ precision: Precision) throws(PluginError) -> Plan {
    try Self.runtime { () throws(RuntimeError) in
      try Plan(
        network.graph, outputs: [network.answer], parameters: parameters,
        maximumBatch: max(Self.batchSize, description.configuration.maxBatchSize),
        instructionSet: instructionSet, precision: precision)
    }
  }

  /// `calibration_agreement`: the part of the samples whose likeliest class is the same; of networks that classify.
  private func agreement(
    _ exact: Plan, _ narrow: Plan, _ samples: CalibrationSamples, _ isCancelled: () -> Bool
  ) throws(PluginError) -> [TrainingMetric] {
    guard description.configuration.loss.answer == .softmax else { return [] }
    let executions = try Self.runtime { () throws(RuntimeError) in
      [try exact.makeExecution(workers: workers), try narrow.makeExecution(workers: workers)]
    }
    var same = 0
    for batch in samples.batches {
      try Self.check(isCancelled)
      var classes: [[Int]] = []
      for execution in executions {
        try Self.runtime { () throws(RuntimeError) in
          try execution.run([batch.bytes], batch: batch.count)
        }
        let answers = execution.output(0).assumingMemoryBound(to: Float.self)
        classes.append(
          (0..<batch.count).map { row in
            let scores = answers[row * network.classCount..<(row + 1) * network.classCount]
            return scores.indices.max { scores[$0] < scores[$1] } ?? 0
          }.enumerated().map { $1 - $0 * network.classCount })
      }
      same += zip(classes[0], classes[1]).count { $0 == $1 }
    }
    return [
      TrainingMetric(
        name: "calibration_agreement", value: Double(same) / Double(max(1, samples.count)))
    ]
  }

  private static func check(_ isCancelled: () -> Bool) throws(PluginError) {
    if isCancelled() { throw PluginError(.cancelled, "the calibration was cancelled") }
  }

  private static func runtime<Result>(
    _ body: () throws(RuntimeError) -> Result
  ) throws(PluginError) -> Result {
    do throws(RuntimeError) {
      return try body()
    } catch {
      throw error.code == .unsupported
        ? PluginError(.failedPrecondition, error.message) : PluginError(error)
    }
  }
}
