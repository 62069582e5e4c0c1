// SPDX-License-Identifier: Apache-2.0
import Runtime
import Synchronization
import Testing

@testable import ModelPlugins

struct NeuralNetworkTrainingTests {
  private func plugin(threads: Int = 2) throws -> ModelPlugins.ModelPlugin {
    let host = try TestRegistry(threads: threads)
    try host.registry.registerBuiltIns()
    return try #require(host.registry.plugin(named: "neural-network"))
  }

  private func value(_ name: String, _ metrics: [TrainingMetric]) -> Double? {
    metrics.first { $0.name == name }?.value
  }

  /// Trains all epochs that are left and gives the exported artifacts.
  private func finish(_ trainer: PluginTrainer) throws -> [String: [UInt8]] {
    while trainer.completedEpochs < trainer.epochs {
      _ = try trainer.trainEpoch(trainer.completedEpochs + 1) { _ in true }
    }
    let store = ArtifactStore()
    try trainer.export(to: store.writer)
    return store.contents
  }

  @Test("A small network learns, is exported, loaded and answers as it was measured")
  func learns() throws {
    let plugin = try plugin()
    let dataset = try SyntheticData.quarters()
    let trainer = try plugin.makeTrainer(
      configuration: TestNetworks.convolutional, seed: 3, dataset: dataset)
    #expect(trainer.epochs == 4)
    #expect(trainer.sampleCount == 256)
    #expect(trainer.stepCount == 8)
    var reports: [TrainingProgress] = []
    let first = try trainer.trainEpoch(1) {
      reports.append($0)
      return true
    }
    #expect(reports.first?.samplesDone == 32)
    #expect(reports.first?.metrics.map(\.name) == ["loss", "accuracy"])
    _ = try finish(trainer)
    let measured = try trainer.evaluate(split: "test")
    let accuracy = try #require(value("accuracy", measured))
    #expect(accuracy >= 0.98)
    #expect(try #require(value("loss", measured)) < #require(value("loss", first)))

    let store = ArtifactStore()
    try trainer.export(to: store.writer)
    #expect(
      store.contents.keys.sorted() == [
        "graph.svg", "model.json", "report.json", "report.txt", "weights.safetensors",
      ])
    let report = String(decoding: try #require(store.contents["report.txt"]), as: UTF8.self)
    for words in ["conv2d + relu", "FP32 [batch, 6, 6, 4]", "Loss of each epoch"] {
      #expect(report.contains(words), "\(report)")
    }
    let model = try plugin.makeModel(
      artifacts: store.artifacts, configuration: TestNetworks.convolutional)
    #expect(
      model.inputs == [TensorSpecification(name: "images", datatype: .uint8, shape: [8, 8])])
    #expect(
      model.outputs == [TensorSpecification(name: "probabilities", datatype: .fp32, shape: [4])])
    #expect(model.maxBatchSize == 8)
    #expect(model.memoryByteCount > 0)

    let images = try #require(dataset.bytes(of: "test/images"))
    let execution = model.makeExecution()
    var correct = 0
    for start in stride(from: 0, to: 64, by: 8) {
      execution.batchSize = 8
      execution.setInput(
        0, datatype: .uint8, shape: [8, 8, 8],
        bytes: UnsafeRawBufferPointer(rebasing: images[(start * 64)..<((start + 8) * 64)]),
        owner: dataset.owner)
      try model.execute(execution)
      let probabilities = execution.output(0).floats
      for row in 0..<8 {
        let scores = probabilities[(row * 4)..<(row * 4 + 4)]
        #expect(abs(scores.reduce(0, +) - 1) < 1e-5)
        if scores.max() == scores[row * 4 + (start + row) % 4] { correct += 1 }
      }
      execution.reset()
    }
    #expect(Double(correct) / 64 == accuracy)
  }

  @Test("The batch does not change an answer, and calls may run at the same time")
  func concurrentExecution() async throws {
    let plugin = try plugin()
    let dataset = try SyntheticData.quarters()
    let trainer = try plugin.makeTrainer(
      configuration: TestNetworks.everyLayer, seed: 1, dataset: dataset)
    _ = try trainer.trainEpoch(1) { _ in true }
    let store = ArtifactStore()
    try trainer.export(to: store.writer)
    let model = try plugin.makeModel(artifacts: store.artifacts, configuration: "{}")
    @Sendable func answer(_ rows: Range<Int>) throws -> [Float] {
      let execution = model.makeExecution()
      execution.batchSize = rows.count
      let images = try #require(dataset.bytes(of: "test/images"))
      let box = ByteBox(images[(rows.lowerBound * 64)..<(rows.upperBound * 64)])
      execution.setInput(
        0, datatype: .uint8, shape: [rows.count, 8, 8], bytes: box.bytes, owner: box)
      try model.execute(execution)
      return execution.output(0).floats
    }
    let whole = try answer(0..<16)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for task in 0..<4 {
        group.addTask {
          for row in 0..<16 where row % 4 == task {
            for (one, many) in zip(try answer(row..<(row + 1)), whole[(row * 4)...]) {
              #expect(abs(one - many) < 1e-6)
            }
          }
        }
      }
      try await group.waitForAll()
    }
  }

  @Test(
    "A run that is interrupted after any epoch ends with the same bits",
    arguments: [
      TestNetworks.convolutional, TestNetworks.everyLayer, TestNetworks.recurrent,
      TestNetworks.normalised, TestNetworks.attentive, TestNetworks.general,
    ])
  func resumes(configuration: String) throws {
    let dataset = try SyntheticData.quarters(train: 130)
    func trainer(threads: Int) throws -> PluginTrainer {
      try plugin(threads: threads).makeTrainer(
        configuration: configuration, seed: 42, dataset: dataset)
    }
    let whole = try finish(trainer(threads: 2))
    for interruption in [0, 1, 2] {
      let store = ArtifactStore()
      do {
        let first = try trainer(threads: 1)
        for epoch in 1...3 where epoch <= interruption {
          _ = try first.trainEpoch(epoch) { _ in true }
        }
        try first.checkpoint(to: store.writer)
      }
      let second = try trainer(threads: 2)
      try second.restore(from: store.artifacts)
      #expect(second.completedEpochs == interruption)
      #expect(try finish(second) == whole)
    }
  }

  @Test("Another seed is another model; steps add up to epochs")
  func seedsAndSteps() throws {
    let plugin = try plugin()
    let dataset = try SyntheticData.quarters(train: 96)
    func trainer(seed: UInt64) throws -> PluginTrainer {
      try plugin.makeTrainer(
        configuration: TestNetworks.convolutional, seed: seed, dataset: dataset)
    }
    let one = try finish(trainer(seed: 1))
    #expect(try finish(trainer(seed: 2))["weights.safetensors"] != one["weights.safetensors"])
    let stepwise = try trainer(seed: 1)
    for epoch in 1...4 {
      for step in 0..<3 {
        let metrics = try stepwise.trainStep(step, epoch: epoch)
        #expect(metrics.map(\.name) == ["loss", "accuracy"])
      }
      #expect(stepwise.completedEpochs == epoch)
    }
    #expect(try finish(stepwise) == one)
  }

  @Test("Epochs and steps out of order are refused; a checkpoint is taken between epochs")
  func order() throws {
    let trainer = try plugin().makeTrainer(
      configuration: TestNetworks.convolutional, seed: 1, dataset: SyntheticData.quarters())
    #expect(
      failure { _ = try trainer.trainEpoch(2) { _ in true } }?.code == .failedPrecondition)
    #expect(failure { _ = try trainer.trainStep(1, epoch: 1) }?.code == .failedPrecondition)
    #expect(failure { _ = try trainer.trainStep(8, epoch: 1) }?.code == .outOfRange)
    _ = try trainer.trainStep(0, epoch: 1)
    #expect(
      failure { _ = try trainer.trainEpoch(1) { _ in true } }?.code == .failedPrecondition)
    let error = failure { try trainer.checkpoint(to: ArtifactStore().writer) }
    #expect(error?.message.contains("1 of 8 steps") == true)
  }

  @Test("Training stops when it is told to, both ways")
  func cancellation() throws {
    let dataset = try SyntheticData.quarters()
    func trainer() throws -> PluginTrainer {
      try plugin().makeTrainer(
        configuration: TestNetworks.convolutional, seed: 1, dataset: dataset)
    }
    var reports = 0
    let refused = failure {
      _ = try trainer().trainEpoch(1) { _ in
        reports += 1
        return false
      }
    }
    #expect(refused?.code == .cancelled)
    #expect(reports == 1)
    let cancelled = failure {
      _ = try trainer().trainEpoch(1, isCancelled: { true }) { _ in true }
    }
    #expect(cancelled?.code == .cancelled)
    let evaluation = failure {
      _ = try trainer().evaluate(split: "test", isCancelled: { true })
    }
    #expect(evaluation?.code == .cancelled)
  }

  @Test(
    "Labels that the network has no output for are refused",
    arguments: [
      DataType.uint8, .int8, .int16, .uint16, .int32, .uint32, .int64, .uint64,
    ])
  func labelsOutOfRange(type: DataType) throws {
    let dataset = try SyntheticData.quarters(train: 8, test: 4, labels: type)
    let plugin = try plugin()
    let fitting = #"{"layers":[{"type":"flatten"},{"type":"dense","units":4}]}"#
    _ = try plugin.makeTrainer(configuration: fitting, seed: 0, dataset: dataset)
    let error = failure {
      _ = try plugin.makeTrainer(
        configuration: #"{"layers":[{"type":"flatten"},{"type":"dense","units":3}]}"#, seed: 0,
        dataset: dataset)
    }
    #expect(error?.violations.first?.field == "configuration.layers[1].units")
    #expect(error?.message.contains("sample 3 of train/labels has label 3") == true)
  }

  @Test("Negative labels are refused")
  func negativeLabels() {
    let error = failure {
      let bytes = Artifact(name: "", copying: [0, 255])
      _ = try LabelReader.read(bytes.bytes, .int8, classes: 4, name: "l", field: "f")
    }
    #expect(error?.message.contains("label -1") == true)
  }

  @Test("A split that is not there")
  func missingSplit() throws {
    let trainer = try plugin().makeTrainer(
      configuration: TestNetworks.convolutional, seed: 1, dataset: SyntheticData.quarters())
    #expect(failure { _ = try trainer.evaluate(split: "validation") }?.code == .notFound)
  }

  @Test("A diverging run says so and what to do")
  func divergence() throws {
    let configuration = """
      {"layers":[{"type":"flatten"},{"type":"dense","units":64,"activation":"relu"},
       {"type":"dense","units":4}],"epochs":50,"batch_size":8,
       "optimizer":{"type":"sgd","learning_rate":1e30}}
      """
    let trainer = try plugin().makeTrainer(
      configuration: configuration, seed: 1, dataset: SyntheticData.quarters())
    let error = failure { _ = try finish(trainer) }
    #expect(error?.code == .aborted)
    #expect(error?.message.contains("learning_rate") == true)
  }

  @Test("A regression learns its targets, and has no accuracy")
  func regression() throws {
    let plugin = try plugin()
    let dataset = try SyntheticData.regression()
    let trainer = try plugin.makeTrainer(
      configuration: """
        {"input":{"scale":0.01},"loss":"mean_squared_error",
         "layers":[{"type":"flatten"},{"type":"dense","units":16,"activation":"tanh"},
          {"type":"dense","units":1}],
         "optimizer":{"type":"adamw","learning_rate":0.01},"epochs":20,"batch_size":16}
        """, seed: 5, dataset: dataset)
    _ = try finish(trainer)
    let metrics = try trainer.evaluate(split: "train")
    #expect(metrics.map(\.name) == ["loss"])
    #expect(metrics[0].value < 0.1)
    let store = ArtifactStore()
    try trainer.export(to: store.writer)
    let model = try plugin.makeModel(artifacts: store.artifacts, configuration: "")
    #expect(
      model.outputs == [TensorSpecification(name: "predictions", datatype: .fp32, shape: [1])])
  }

  @Test(
    "Decisions between two learn from integers and from numbers",
    arguments: ["binary_cross_entropy", "hinge"])
  func decisions(loss: String) throws {
    let configuration = """
      {"input":{"scale":0.01},"loss":"\(loss)",
       "layers":[{"type":"flatten"},{"type":"dense","units":8,"activation":"gelu"},
        {"type":"dense","units":1}],
       "optimizer":{"type":"rmsprop","learning_rate":0.01},"epochs":6,"batch_size":16}
      """
    let dataset = try SyntheticData.halves(train: 96, hinge: loss == "hinge")
    let plugin = try plugin()
    var accuracies: [Double] = []
    for labels in ["labels", "numbers"] {
      let text = configuration.replacing(
        "\"epochs\"", with: "\"label_tensor\":\"\(labels)\",\"epochs\"")
      let trainer = try plugin.makeTrainer(configuration: text, seed: 2, dataset: dataset)
      let exported = try finish(trainer)
      accuracies.append(try #require(value("accuracy", trainer.evaluate(split: "train"))))
      let model = try plugin.makeModel(
        artifacts: exported.map { Artifact(name: $0, copying: $1) }, configuration: "")
      #expect(model.outputs[0].name == (loss == "hinge" ? "predictions" : "probabilities"))
    }
    #expect(accuracies[0] > 0.95)
    #expect(accuracies[0] == accuracies[1])
  }

  @Test(
    "Labels that a decision cannot have are refused",
    arguments: [("binary_cross_entropy", "-1.0"), ("hinge", "0.0")])
  func impossibleDecisions(loss: String, number: String) throws {
    let dataset = try SyntheticData.halves(train: 8, hinge: loss != "hinge")
    let error = failure {
      _ = try plugin().makeTrainer(
        configuration: """
          {"loss":"\(loss)","label_tensor":"numbers",
           "layers":[{"type":"flatten"},{"type":"dense","units":1}]}
          """, seed: 0, dataset: dataset)
    }
    #expect(error?.violations.first?.field == "configuration.label_tensor")
    #expect(error?.message.contains("is \(number)") == true)
  }

  /// A learning rate that makes every later epoch worse than an early one.
  private static let impatient = """
    {"input":{"scale":0.01},"layers":[{"type":"flatten"},{"type":"dense","units":4}],
     "optimizer":{"type":"sgd","learning_rate":0.05},"epochs":20,"batch_size":32,
     "early_stopping":{"patience":2,"min_delta":0.2},"monitor_split":"test"}
    """

  @Test("Early stopping ends the run with its best parameters, interrupted or not")
  func earlyStopping() throws {
    let dataset = try SyntheticData.quarters(train: 128)
    let plugin = try plugin()
    func trainer() throws -> PluginTrainer {
      try plugin.makeTrainer(configuration: Self.impatient, seed: 3, dataset: dataset)
    }
    let whole = try trainer()
    var losses: [Double] = []
    while whole.completedEpochs < whole.epochs {
      let metrics = try whole.trainEpoch(whole.completedEpochs + 1) { _ in true }
      losses.append(try #require(value("test_loss", metrics)))
    }
    #expect(losses.count < 20)
    let best = try #require(
      EarlyStopping(patience: 2, minimumDelta: 0.2).bestEpoch(of: losses).map { losses[$0] })
    #expect(try #require(value("loss", whole.evaluate(split: "test"))) == best)
    let expected = try finish(whole)

    let store = ArtifactStore()
    let first = try trainer()
    _ = try first.trainEpoch(1) { _ in true }
    try first.checkpoint(to: store.writer)
    #expect(store.contents.keys.contains("best.safetensors"))
    let second = try trainer()
    try second.restore(from: store.artifacts)
    #expect(try finish(second) == expected)
    #expect(second.completedEpochs == losses.count)
  }

  @Test("Schedules, penalties and clipping go on over an interruption; frozen layers stay")
  func schedulesAndFrozenLayers() throws {
    let configuration = """
      {"input":{"scale":0.01},
       "layers":[{"type":"batch_norm","trainable":false},
        {"type":"conv2d","filters":4,"kernel":3,"trainable":false,"activation":"silu"},
        {"type":"flatten"},{"type":"dense","units":4}],
       "optimizer":{"type":"lamb"},"regularization":{"l1":0.0001,"l2":0.0001},
       "gradient_clipping":{"norm":0.5},
       "schedule":{"type":"reduce_on_plateau","patience":0,"threshold":0.5,"warmup_epochs":1},
       "loss":{"type":"cross_entropy","label_smoothing":0.1,"class_weights":[1,2,1,0.5]},
       "epochs":3,"batch_size":40}
      """
    let dataset = try SyntheticData.quarters(train: 96)
    func trainer(threads: Int) throws -> PluginTrainer {
      try plugin(threads: threads).makeTrainer(
        configuration: configuration, seed: 9, dataset: dataset)
    }
    let start = ArtifactStore()
    try trainer(threads: 1).export(to: start.writer)
    let whole = try finish(trainer(threads: 2))
    let store = ArtifactStore()
    let first = try trainer(threads: 1)
    _ = try first.trainEpoch(1) { _ in true }
    _ = try first.trainEpoch(2) { _ in true }
    try first.checkpoint(to: store.writer)
    let second = try trainer(threads: 2)
    try second.restore(from: store.artifacts)
    #expect(try finish(second) == whole)

    func tensors(_ artifacts: [String: [UInt8]]) throws -> [String: [UInt8]] {
      let bytes = try #require(artifacts["weights.safetensors"])
      let file = try bytes.withUnsafeBytes { try SafetensorsFile(parsing: $0) }
      return Dictionary(
        uniqueKeysWithValues: file.entries.map { ($0.name, Array(bytes[$0.range])) })
    }
    let (before, after) = (try tensors(start.contents), try tensors(whole))
    for name in before.keys {
      let isSame = before[name] == after[name]
      #expect(isSame == !name.hasPrefix("layers.3."), "\(name)")
    }
  }

  @Test(
    "An embedding and an LSTM learn the order of words, and are served",
    arguments: [DataType.int32, .uint8])
  func words(datatype: DataType) throws {
    let plugin = try plugin()
    let dataset = try SyntheticData.words(train: 96, datatype)
    let configuration = """
      {"layers":[{"type":"embedding","entries":256,"dimensions":8},{"type":"lstm","units":12},
        {"type":"dense","units":2}],
       "optimizer":{"type":"adam","learning_rate":0.03},"epochs":8,"batch_size":16,
       "input_tensor":"words"}
      """
    let trainer = try plugin.makeTrainer(configuration: configuration, seed: 4, dataset: dataset)
    let artifacts = try finish(trainer)
    #expect(try #require(value("accuracy", trainer.evaluate(split: "train"))) > 0.95)
    let model = try plugin.makeModel(
      artifacts: artifacts.map { Artifact(name: $0, copying: $1) }, configuration: "")
    #expect(
      model.inputs == [TensorSpecification(name: "words", datatype: datatype, shape: [6])])
    let execution = model.makeExecution()
    execution.batchSize = 1
    let words = try #require(dataset.bytes(of: "train/words"))
    let box = ByteBox(words[..<(6 * (datatype.byteCount ?? 1))])
    execution.setInput(0, datatype: datatype, shape: [1, 6], bytes: box.bytes, owner: box)
    try model.execute(execution)
    let probabilities = execution.output(0).floats
    #expect(probabilities[1] > 0.5)
  }

  @Test("Presets fit the data that they are for", arguments: ["images", "sequences", "tables"])
  func presets(name: String) throws {
    let trainer = try plugin().makeTrainer(
      configuration: """
        {"preset":{"name":"\(name)","outputs":4},"epochs":3,"batch_size":16,
         "optimizer":{"learning_rate":0.005}}
        """, seed: 1, dataset: SyntheticData.quarters())
    _ = try finish(trainer)
    #expect(try #require(value("accuracy", trainer.evaluate(split: "train"))) > 0.5)
  }
}
