// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Runtime

struct OptimizerTests {
  struct Variant: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let optimizer: Optimizer
    let rules: GradientRules

    init(_ golden: String, _ optimizer: Optimizer, _ rules: GradientRules = GradientRules()) {
      testDescription = golden
      self.optimizer = optimizer
      self.rules = rules
    }
  }

  static let variants = [
    Variant("sgd", .sgd(learningRate: 0.1)),
    Variant("sgd-momentum", .sgd(learningRate: 0.05, momentum: 0.9, weightDecay: 0.01)),
    Variant("sgd-nesterov", .sgd(learningRate: 0.05, momentum: 0.9, nesterov: true)),
    Variant("adam", .adam(learningRate: 0.01)),
    Variant(
      "adam-l2", .adam(learningRate: 0.01, beta1: 0.8, beta2: 0.99, epsilon: 1e-6, weightDecay: 0.1)
    ),
    Variant("adamw", .adamW(learningRate: 0.01, weightDecay: 0.1)),
    Variant("adagrad", .adagrad(learningRate: 0.05, weightDecay: 0.02)),
    Variant("rmsprop", .rmsProp(learningRate: 0.01, decay: 0.9, epsilon: 1e-6)),
    Variant("rmsprop-momentum", .rmsProp(learningRate: 0.01, momentum: 0.8, weightDecay: 0.01)),
    Variant("lamb", .lamb(learningRate: 0.02, weightDecay: 0.1)),
    Variant("clip-norm", .sgd(learningRate: 0.5), GradientRules(clipping: .norm(0.25))),
    Variant("clip-value", .sgd(learningRate: 0.5), GradientRules(clipping: .value(0.05))),
    Variant("penalties", .sgd(learningRate: 0.1), GradientRules(l1: 0.05, l2: 0.02)),
  ]

  @Test(arguments: variants, InstructionSet.available)
  func fiveStepsAgreeWithPyTorch(
    _ variant: Variant, _ isa: InstructionSet
  ) throws {
    let name = variant.testDescription
    let golden = try Golden("optimizers")
    var graph = Graph()
    let x = try graph.input("x", shape: Shape([6]))
    let labels = try graph.input("labels", .int32, shape: .scalar)
    var p: [Graph.Value] = []
    for name in ["w1", "b1", "w2", "b2"] {
      p.append(try graph.parameter(name, shape: golden.shape("start.\(name)"), .zeros))
    }
    let hidden = try graph.tanh(graph.dense(x, weights: p[0], bias: p[1]))
    let loss = try graph.crossEntropy(
      graph.dense(hidden, weights: p[2], bias: p[3]), labels: labels)
    let parameters = try Parameters(graph, seed: 0, instructionSet: isa)
    for entry in parameters.entries {
      try parameters.set(entry.name, to: golden.floats("start.\(entry.name)"))
    }
    let session = try TrainingSession(
      graph, loss: loss, optimizer: variant.optimizer, rules: variant.rules,
      parameters: parameters, maximumBatch: 8, seed: 0, workers: WorkerPool(threadCount: 1),
      instructionSet: isa)
    let (samples, classes) = (try golden.floats("x"), try golden.integers("labels"))
    for expected in try golden.floats("\(name).losses") {
      let loss = try samples.withUnsafeBytes { samples in
        try classes.withUnsafeBytes { try session.step([samples, $0], batch: 8) }
      }
      #expect(abs(loss - expected) < 1e-5)
    }
    for entry in parameters.entries {
      let values = try #require(parameters[entry.name])
      #expect(deviation(values, from: try golden.floats("\(name).\(entry.name)")) < 1e-5)
    }
  }

  @Test(arguments: [
    (Optimizer.sgd(learningRate: 0), "learning_rate"),
    (.sgd(learningRate: .infinity), "learning_rate"),
    (.sgd(learningRate: 1, momentum: 1), "momentum"),
    (.sgd(learningRate: 1, nesterov: true), "momentum"),
    (.adam(beta1: 1), "beta1"), (.adam(beta2: -0.1), "beta2"), (.adam(epsilon: 0), "epsilon"),
    (.adamW(weightDecay: -1), "weight_decay"), (.adam(learningRate: .nan), "learning_rate"),
    (.adagrad(epsilon: 0), "epsilon"), (.rmsProp(decay: 1), "decay"),
    (.rmsProp(momentum: -1), "momentum"), (.lamb(beta2: 1), "beta2"),
  ])
  func refusesSettingsOutOfRange(_ optimizer: Optimizer, _ field: String) {
    let error = #expect(throws: RuntimeError.self) { try optimizer.validate() }
    #expect(error?.field == field)
  }

  @Test(arguments: [
    (GradientRules(l1: -1), "l1"), (GradientRules(l2: .infinity), "l2"),
    (GradientRules(clipping: .norm(0)), "clipping"),
    (GradientRules(clipping: .value(.nan)), "clipping"),
  ])
  func refusesRulesOutOfRange(_ rules: GradientRules, _ field: String) {
    let error = #expect(throws: RuntimeError.self) { try rules.validate() }
    #expect(error?.field == field)
  }
}
