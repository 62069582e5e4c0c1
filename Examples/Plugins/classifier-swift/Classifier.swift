// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
public import PluginKit

/// The classifier with PluginKit: a graph, and the loop around it.
struct ClassifierPlugin: TrainingPlugin {
  let name = "classifier-swift", version = "1.0.0"
  let compute: Compute

  var configurationSchema: String {
    """
    {"type":"object","additionalProperties":false,"properties":{
     "classes":{"type":"integer","minimum":2,"maximum":1000,"default":2},
     "hidden":{"type":"integer","minimum":1,"maximum":4096,"default":16},
     "epochs":{"type":"integer","minimum":1,"maximum":1000,"default":10},
     "batch_size":{"type":"integer","minimum":1,"maximum":4096,"default":32},
     "learning_rate":{"type":"number","minimum":1e-6,"maximum":1,"default":0.01}}}
    """
  }

  func validate(configuration: String, dataset: [TensorSpecification]?) throws {
    _ = try Configuration(configuration)
    guard let dataset else { return }
    guard dataset.contains(where: { $0.name == "train/features" && $0.datatype == .fp32 }),
      dataset.contains(where: { $0.name == "train/labels" && $0.datatype == .int32 })
    else { throw Samples.missing }
  }

  func makeModel(_ request: ModelRequest) throws -> any Model {
    let configuration = try Configuration(request.configuration)
    let width = Int(String(decoding: try request.artifact("width.txt"), as: UTF8.self)) ?? 0
    let network = try Network(compute, configuration, width: width)
    return Classifier(
      width: width, classes: configuration.classes,
      plan: try network.graph.makePlan(
        outputs: [network.probabilities], maxBatchSize: Classifier.maxBatchSize,
        weights: request.artifact("weights.safetensors")))
  }

  func makeTrainer(_ request: TrainerRequest) throws -> any Trainer {
    try ClassifierTrainer(
      compute, Configuration(request.configuration), Samples(request.dataset), seed: request.seed)
  }
}

/// What a training specification may say.
struct Configuration: Decodable {
  var classes = 2, hidden = 16, epochs = 10, batchSize = 32
  var learningRate = 0.01

  private enum CodingKeys: String, CodingKey {
    case classes, hidden, epochs
    case batchSize = "batch_size"
    case learningRate = "learning_rate"
  }

  init(_ text: String) throws {
    self = try JSONDecoder().decode(Configuration.self, from: Data(text.utf8))
  }

  init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    func whole(_ key: CodingKeys, _ range: ClosedRange<Int>, _ value: Int) throws -> Int {
      let value = try fields.decodeIfPresent(Int.self, forKey: key) ?? value
      guard range.contains(value) else {
        throw DecodingError.dataCorruptedError(
          forKey: key, in: fields, debugDescription: "expected \(range), came \(value)")
      }
      return value
    }
    classes = try whole(.classes, 2...1000, classes)
    hidden = try whole(.hidden, 1...4096, hidden)
    epochs = try whole(.epochs, 1...1000, epochs)
    batchSize = try whole(.batchSize, 1...4096, batchSize)
    learningRate = try fields.decodeIfPresent(Double.self, forKey: .learningRate) ?? learningRate
  }
}

/// features → dense → relu → dense → softmax, and the loss against labels.
struct Network {
  let graph: Graph
  let probabilities: Graph.Value, loss: Graph.Value

  init(_ compute: Compute, _ configuration: Configuration, width: Int) throws {
    graph = try compute.makeGraph()
    let features = try graph.input("features", .fp32, [width])
    let hidden = try graph.dense(
      features, inputs: width, units: configuration.hidden, name: "hidden")
    let logits = try graph.dense(
      graph.operation("relu", [hidden]), inputs: configuration.hidden,
      units: configuration.classes, name: "output")
    probabilities = try graph.operation("softmax", [logits])
    loss = try graph.operation("cross_entropy", [logits, graph.input("labels", .int32, [])])
  }
}

/// The samples of the train split, lent for the life of the trainer.
struct Samples {
  let features: UnsafeBufferPointer<Float>, labels: UnsafeBufferPointer<Int32>
  let width: Int

  static let missing = PluginFailure(
    .invalidArgument, "expected train/features FP32 [n, d] and train/labels INT32 [n]")

  init(_ dataset: [Tensor]) throws {
    func tensor(_ name: String, _ type: DataType, rank: Int) throws -> Tensor {
      guard let tensor = dataset.first(where: { $0.specification.name == name }),
        tensor.specification.datatype == type, tensor.specification.shape.count == rank
      else { throw Self.missing }
      return tensor
    }
    let features = try tensor("train/features", .fp32, rank: 2)
    self.features = features.elements()
    labels = try tensor("train/labels", .int32, rank: 1).elements()
    width = features.specification.shape[1]
    guard !labels.isEmpty else { throw Self.missing }
  }
}

/// A training run: batches in an order of the seed's, one step each.
final class ClassifierTrainer: Trainer {
  let epochCount: Int, sampleCount: Int, stepCount: Int
  private let compute: Compute, session: Session, samples: Samples
  private let batchSize: Int, seed: UInt64

  init(
    _ compute: Compute, _ configuration: Configuration, _ samples: Samples, seed: UInt64
  ) throws {
    let network = try Network(compute, configuration, width: samples.width)
    session = try network.graph.makeSession(
      loss: network.loss, optimizer: "adam",
      ["learning_rate": .number(configuration.learningRate)], seed: seed,
      maxBatchSize: configuration.batchSize)
    self.compute = compute
    self.samples = samples
    self.seed = seed
    batchSize = configuration.batchSize
    epochCount = configuration.epochs
    sampleCount = samples.labels.count
    stepCount = (sampleCount + batchSize - 1) / batchSize
  }

  func trainEpoch(_ epoch: Int, progress: Progress) throws -> [Metric] {
    let order = compute.permutation(sampleCount, key: seed, stream: .max - UInt64(epoch))
    var sum = 0.0
    var done = 0
    while done < sampleCount {
      let rows = order[done..<min(done + batchSize, sampleCount)]
      let features = rows.flatMap {
        samples.features[($0 * samples.width)..<(($0 + 1) * samples.width)]
      }
      let labels = rows.map { samples.labels[$0] }
      let loss = try features.withUnsafeBytes { features in
        try labels.withUnsafeBytes {
          try session.step(["features": features, "labels": $0], batchSize: rows.count)
        }
      }
      done += rows.count
      sum += Double(loss) * Double(rows.count)
      try progress.report(samplesDone: done, [Metric("loss", sum / Double(done))])
    }
    return [Metric("loss", sum / Double(done))]
  }

  func checkpoint(to writer: Writer) throws {
    try session.save(to: writer, as: "session.safetensors")
  }

  func restore(from artifacts: [Artifact]) throws -> Int {
    guard let state = artifacts.first(where: { $0.name == "session.safetensors" }) else {
      throw PluginFailure(.invalidArgument, "expected the artifact session.safetensors")
    }
    return try session.restore(state.bytes) / stepCount
  }

  func export(to writer: Writer) throws {
    try Array("\(samples.width)".utf8).withUnsafeBytes { try writer.write("width.txt", $0) }
    try session.export(to: writer, as: "weights.safetensors")
  }
}

/// A trained network that answers.
final class Classifier: Model {
  static let maxBatchSize = 64
  let width: Int, classes: Int
  let plan: Plan

  init(width: Int, classes: Int, plan: Plan) {
    self.width = width
    self.classes = classes
    self.plan = plan
  }

  var inputs: [TensorSpecification] { [.init("features", .fp32, [width])] }
  var outputs: [TensorSpecification] { [.init("probabilities", .fp32, [classes])] }
  var maxBatchSize: Int { Self.maxBatchSize }
  var memoryByteCount: Int { plan.byteCount }
  func execute(_ call: Execution) throws { try plan.execute(call) }
}

/// The one symbol of the library.
@c(massif_plugin_entry)
public func entry(_ host: HostTable) -> PluginTable {
  guard let compute = Host(host)?.compute else { return nil }
  return export(ClassifierPlugin(compute: compute), to: host)
}
