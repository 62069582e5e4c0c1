// SPDX-License-Identifier: Apache-2.0
import CPluginABI
import Runtime

/// `msf_session`: a network being trained; one call at a time.
final class ComputeSession {
  private let session: TrainingSession
  private let outputCount: Int
  private let graph: ComputeGraph
  private let workers: WorkerPool

  init(
    _ graph: ComputeGraph, _ request: msf_session_request, workers: WorkerPool,
    instructionSet: InstructionSet
  ) throws(PluginError) {
    let loss = try graph.value(request.loss, "session.loss")
    let outputs = try graph.values(request.outputs, request.output_count, "session.outputs")
    let optimizer = try Self.optimizer(request)
    guard (1...Int64(1 << 24)).contains(request.max_batch_size) else {
      throw PluginError(
        field: "session.max_batch_size", "expected 1...\(1 << 24), came \(request.max_batch_size)")
    }
    do throws(RuntimeError) {
      let parameters = try Parameters(
        graph.graph, seed: request.seed, instructionSet: instructionSet)
      session = try TrainingSession(
        graph.graph, loss: loss, outputs: outputs, optimizer: optimizer, parameters: parameters,
        maximumBatch: Int(request.max_batch_size), seed: request.seed, workers: workers,
        instructionSet: instructionSet)
    } catch {
      throw PluginError(error, field: "session")
    }
    outputCount = outputs.count
    self.graph = graph
    self.workers = workers
  }

  func step(
    _ inputs: UnsafeBufferPointer<msf_tensor>, batchSize: Int64
  ) throws(PluginError) -> Float {
    let bytes = try bind(inputs, to: session.inputs)
    do throws(RuntimeError) {
      return try session.step(bytes, batch: Int(clamping: batchSize))
    } catch {
      throw PluginError(error, field: error.field.map { "step.\($0)" } ?? "step")
    }
  }

  /// Nil when there is no such output.
  func output(_ index: UInt32) -> UnsafeRawBufferPointer? {
    index < UInt32(outputCount) ? session.output(Int(index)) : nil
  }

  func setLearningRate(_ rate: Double) {
    session.learningRate = Float(rate)
  }

  func encodeState() throws(PluginError) -> [UInt8] {
    do throws(RuntimeError) { return try session.encodeState() } catch { throw PluginError(error) }
  }

  func encodeParameters() throws(PluginError) -> [UInt8] {
    do throws(RuntimeError) {
      return try session.parameters.encode()
    } catch {
      throw PluginError(error)
    }
  }

  /// Returns the number of steps that the state had done.
  func restore(_ bytes: UnsafeRawBufferPointer) throws(PluginError) -> UInt64 {
    do throws(RuntimeError) {
      try session.restoreState(bytes)
    } catch {
      throw PluginError(.dataLoss, "the state does not fit this session: \(error)")
    }
    return session.stepCount
  }

  func makePlan(
    _ outputs: UnsafePointer<msf_value>?, _ count: UInt32
  ) throws(PluginError) -> ComputePlan {
    let values = try graph.values(outputs, count, "plan.outputs")
    do throws(RuntimeError) {
      return try ComputePlan(session.makePlan(outputs: values), workers: workers)
    } catch {
      throw PluginError(error, field: "plan")
    }
  }

  private static func optimizer(_ request: msf_session_request) throws(PluginError) -> Optimizer {
    let name = String(request.optimizer, limit: 64) ?? ""
    var attributes = try Attributes(
      request.optimizer_attributes, request.optimizer_attribute_count, of: "optimizer")
    let optimizer: Optimizer
    let rate = Float(try attributes.number("learning_rate"))
    switch name {
    case "sgd":
      optimizer = .sgd(
        learningRate: rate, momentum: Float(try attributes.number("momentum", default: 0)),
        nesterov: try attributes.number("nesterov", default: 0) != 0,
        weightDecay: Float(try attributes.number("weight_decay", default: 0)))
    case "adam", "adamw":
      let beta1 = Float(try attributes.number("beta1", default: 0.9))
      let beta2 = Float(try attributes.number("beta2", default: 0.999))
      let epsilon = Float(try attributes.number("epsilon", default: 1e-8))
      let decay = Float(
        try attributes.number("weight_decay", default: name == "adamw" ? 1e-2 : 0))
      optimizer =
        name == "adamw"
        ? .adamW(
          learningRate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: decay)
        : .adam(
          learningRate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: decay)
    default:
      throw PluginError(.unimplemented, "this host has no optimizer \"\(name)\"")
    }
    try attributes.check()
    return optimizer
  }
}

extension ComputeGraph {
  /// The values of these numbers.
  func values(
    _ numbers: UnsafePointer<msf_value>?, _ count: UInt32, _ what: String
  ) throws(PluginError) -> [Graph.Value] {
    guard count <= 64, count == 0 || numbers != nil else {
      throw PluginError(field: what, "expected at most 64 values, came \(count)")
    }
    var values: [Graph.Value] = []
    for (index, number) in UnsafeBufferPointer(start: numbers, count: Int(count)).enumerated() {
      values.append(try value(number, "\(what)[\(index)]"))
    }
    return values
  }
}

/// The bytes for each port, found by its name among what a plugin lends.
///
/// - Throws: `.invalidArgument` for a port without a tensor.
func bind(
  _ inputs: UnsafeBufferPointer<msf_tensor>, to ports: [Port]
) throws(PluginError) -> [UnsafeRawBufferPointer] {
  var bound: [UnsafeRawBufferPointer] = []
  for port in ports {
    guard let tensor = inputs.first(where: { $0.name.equals(port.name) }) else {
      throw PluginError(
        field: "inputs", "expected a tensor \"\(port.name)\" among the \(inputs.count) that came")
    }
    bound.append(UnsafeRawBufferPointer(start: tensor.bytes, count: tensor.byte_count))
  }
  return bound
}

extension msf_string {
  /// Whether it is this text, byte for byte.
  fileprivate func equals(_ text: String) -> Bool {
    UnsafeRawBufferPointer(start: data, count: size).elementsEqual(text.utf8)
  }
}
