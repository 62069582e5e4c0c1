// SPDX-License-Identifier: Apache-2.0
import Runtime
import Testing

@testable import ModelPlugins

struct AugmentedTrainingTests {
  private func plugin(threads: Int = 2) throws -> ModelPlugins.ModelPlugin {
    let host = try TestRegistry(threads: threads)
    try host.registry.registerBuiltIns()
    return try #require(host.registry.plugin(named: "neural-network"))
  }

  private static let everything = """
    {"rotation":10,"scaling":0.1,"translation":0.1,"crop":1,"horizontal_flip":0.1,
     "vertical_flip":0.1,"brightness":0.2,"contrast":0.2,"noise":4,"cutout":2,"mixup":0.3,"fill":20}
    """

  private static func configuration(
    _ augmentation: String, loss: String = #""cross_entropy""#, epochs: Int = 3
  ) -> String {
    """
    {"input":{"scale":0.00392156862745098},"augmentation":\(augmentation),"loss":\(loss),
     "layers":[{"type":"conv2d","filters":4,"kernel":3,"activation":"relu"},
       {"type":"max_pool2d","size":2},{"type":"flatten"},
       {"type":"dense","units":16,"activation":"relu"},{"type":"dense","units":4}],
     "optimizer":{"type":"adam","learning_rate":0.01},"epochs":\(epochs),"batch_size":32}
    """
  }

  private func finish(_ trainer: PluginTrainer) throws -> [String: [UInt8]] {
    while trainer.completedEpochs < trainer.epochs {
      _ = try trainer.trainEpoch(trainer.completedEpochs + 1) { _ in true }
    }
    let store = ArtifactStore()
    try trainer.export(to: store.writer)
    return store.contents
  }

  @Test("The same bits at 1, 2 and 7 threads, interrupted or not")
  func deterministic() throws {
    let dataset = try SyntheticData.quarters(train: 130)
    func trainer(threads: Int) throws -> PluginTrainer {
      try plugin(threads: threads).makeTrainer(
        configuration: Self.configuration(Self.everything), seed: 42, dataset: dataset)
    }
    let whole = try finish(trainer(threads: 1))
    #expect(try finish(trainer(threads: 7)) == whole)
    let store = ArtifactStore()
    do {
      let first = try trainer(threads: 2)
      _ = try first.trainEpoch(1) { _ in true }
      try first.checkpoint(to: store.writer)
    }
    let second = try trainer(threads: 2)
    try second.restore(from: store.artifacts)
    #expect(second.completedEpochs == 1)
    #expect(try finish(second) == whole)
  }

  @Test("It learns, and is measured and served on samples as they are")
  func learns() throws {
    let dataset = try SyntheticData.quarters()
    let trainer = try plugin().makeTrainer(
      configuration: Self.configuration(Self.everything, epochs: 10), seed: 3, dataset: dataset)
    let artifacts = try finish(trainer)
    let metrics = try trainer.evaluate(split: "test")
    let accuracy = try #require(metrics.first { $0.name == "accuracy" }?.value)
    #expect(accuracy > 0.9)
    let model = try plugin().makeModel(
      artifacts: artifacts.map { Artifact(name: $0, copying: $1) }, configuration: "")
    #expect(model.inputs.map(\.datatype) == [.uint8])
  }

  @Test("Each setting alone changes what is learned; none changes nothing")
  func everySettingCounts() throws {
    let dataset = try SyntheticData.quarters(train: 32, test: 4)
    let plugin = try plugin()
    func weights(_ augmentation: String) throws -> [UInt8] {
      let trainer = try plugin.makeTrainer(
        configuration: Self.configuration(augmentation, epochs: 1), seed: 1, dataset: dataset)
      return try #require(try finish(trainer)["weights.safetensors"])
    }
    let plain = try weights("{}")
    #expect(try weights(#"{"fill":7}"#) == plain)
    var seen: Set<[UInt8]> = [plain]
    for setting in [
      #""rotation":20"#, #""scaling":0.3"#, #""translation":0.3"#, #""crop":2"#,
      #""horizontal_flip":0.5"#, #""vertical_flip":0.5"#, #""brightness":0.4"#, #""contrast":0.4"#,
      #""noise":9"#, #""cutout":3"#, #""mixup":1"#,
    ] {
      let isNew = seen.insert(try weights("{\(setting)}")).inserted
      #expect(isNew, "\(setting)")
    }
  }

  /// A class of its own is the class: the mixed loss is then the plain one, smoothing and weights included.
  @Test(
    "Labels of unmixed samples have the loss of classes",
    arguments: [
      #""cross_entropy""#, #"{"type":"cross_entropy","label_smoothing":0.2}"#,
      #"{"type":"cross_entropy","class_weights":[1,2,0.5,3]}"#,
      #"{"type":"cross_entropy","class_weights":[1,2,0.5,3],"label_smoothing":0.1}"#,
    ])
  func sharesOfOneClass(loss: String) throws {
    let dataset = try SyntheticData.quarters(train: 32, test: 4)
    let configuration = try NetworkConfiguration(
      parsing: Self.configuration(#"{"mixup":1}"#, loss: loss))
    let sample = Network.SampleType(datatype: .uint8, shape: [8, 8])
    let mixed = try Network(configuration, sample: sample, for: .training)
    let plain = try Network(configuration, sample: sample, for: .evaluation)
    let gatherer = try BatchGatherer("train", of: dataset, plain, batchSize: 6)
    let samples = [0, 1, 2, 3, 5, 9]
    let inputs = gatherer.gather(samples)

    let mixing = LabelMixing(configuration.loss, width: 4)
    var shares = [Float](repeating: .nan, count: 24)
    let mixtures = samples.map { Mixture(partner: $0, share: 1) }
    shares.withUnsafeMutableBufferPointer { shares in
      mixtures.withUnsafeBufferPointer { mixing.mix(samples, $0, of: gatherer, into: shares) }
    }
    let isa = try InstructionSet.preferred()
    let workers = try WorkerPool(threadCount: 1)
    func losses(_ network: Network, _ inputs: [UnsafeRawBufferPointer]) throws -> Float {
      let parameters = try Parameters(network.graph, seed: 8, instructionSet: isa)
      let session = try TrainingSession(
        network.graph, loss: try #require(network.loss), optimizer: .adam(),
        parameters: parameters, maximumBatch: 6, seed: 1, workers: workers, instructionSet: isa)
      let first = try session.step(inputs, batch: 6)
      // The second one sees the gradients of the first.
      return try first + session.step(inputs, batch: 6)
    }
    let pixels = inputs[0].map { Float($0) }
    let ofShares = try pixels.withUnsafeBytes { pixels in
      try shares.withUnsafeBytes { try losses(mixed, [pixels, $0]) }
    }
    #expect(abs(try losses(plain, inputs) - ofShares) < 1e-5)
  }

  @Test("Numbers are mixed as the samples are")
  func targets() throws {
    let dataset = try SyntheticData.regression(count: 8)
    let configuration = try NetworkConfiguration(
      parsing: """
        {"layers":[{"type":"flatten"},{"type":"dense","units":1}],"loss":"huber",
         "augmentation":{"mixup":1}}
        """)
    let network = try Network(
      configuration, sample: .init(datatype: .uint8, shape: [8, 8]), for: .training)
    let gatherer = try BatchGatherer("train", of: dataset, network, batchSize: 2)
    let mixing = LabelMixing(configuration.loss, width: gatherer.labelWidth(classCount: 1))
    var labels: [Float] = [.nan, .nan]
    let mixtures = [Mixture(partner: 3, share: 0.75), Mixture(partner: 0, share: 1)]
    labels.withUnsafeMutableBufferPointer { labels in
      mixtures.withUnsafeBufferPointer { mixing.mix([1, 2], $0, of: gatherer, into: labels) }
    }
    // The target of sample i is i % 4.
    #expect(labels == [0.75 * 1 + 0.25 * 3, 2])
  }

  @Test(
    "Settings that do not fit are refused with their path",
    arguments: [
      (#"{"rotation":181}"#, "configuration.augmentation.rotation", "0.0...180.0"),
      (#"{"crop":1.5}"#, "configuration.augmentation.crop", "0...1024"),
      (#"{"mixup":-1}"#, "configuration.augmentation.mixup", "came -1"),
      (#"{"shear":1}"#, "configuration.augmentation.shear", "is unknown"),
      ("3", "configuration.augmentation", "expected an object"),
    ])
  func wrongSettings(text: String, field: String, words: String) {
    let error = failure { _ = try NetworkConfiguration(parsing: Self.configuration(text)) }
    #expect(error?.violations.map(\.field) == [field])
    #expect(error?.message.contains(words) == true, "\(error?.message ?? "none")")
  }

  @Test("Settings are written as they are read")
  func canonicalText() throws {
    let configuration = try NetworkConfiguration(parsing: Self.configuration(Self.everything))
    #expect(configuration.augmentation.cutout == 2)
    let again = try NetworkConfiguration(parsing: configuration.canonicalText)
    #expect(again == configuration)
  }

  @Test("What is no image cannot be turned, and what is an index not be varied at all")
  func unfittingSamples() throws {
    func error(_ layers: String, _ augmentation: String, _ sample: Network.SampleType) throws
      -> PluginError?
    {
      let configuration = try NetworkConfiguration(
        parsing: #"{"layers":[\#(layers)],"augmentation":\#(augmentation)}"#)
      return failure { _ = try Network(configuration, sample: sample, for: .training) }
    }
    let dense = #"{"type":"dense","units":4}"#
    let vector = Network.SampleType(datatype: .fp32, shape: [9])
    #expect(
      try error(dense, #"{"rotation":5}"#, vector)?.violations.first?.field
        == "configuration.augmentation.rotation")
    #expect(try error(dense, #"{"noise":5,"mixup":0.2,"contrast":0.1}"#, vector) == nil)
    let words = #"{"type":"embedding","entries":9,"dimensions":2},{"type":"flatten"},"# + dense
    let indices = Network.SampleType(datatype: .int32, shape: [6])
    #expect(
      try error(words, #"{"noise":5}"#, indices)?.violations.first?.field
        == "configuration.augmentation")
  }

  @Test("The estimate of memory counts the batches that are made ahead")
  func memory() throws {
    let dataset = try SyntheticData.quarters()
    let plugin = try plugin()
    func training(_ augmentation: String) throws -> Int {
      try plugin.estimateMemory(
        configuration: Self.configuration(augmentation), dataset: dataset.description
      ).trainingByteCount
    }
    let more = try training(#"{"mixup":1}"#) - training("{}")
    #expect(more >= 2 * 32 * (64 + 4) * 4)
  }
}
