// SPDX-License-Identifier: Apache-2.0
import Runtime

/// What a user asks of the `neural-network` plugin, checked for everything that the text alone
/// says.
///
/// What depends on the data (shapes that fit, labels in range) is checked by `Network`.
struct NetworkConfiguration: Sendable, Hashable {
  var input = Input()
  var layers: [Layer]
  var loss = Loss.crossEntropy
  var optimizer = OptimizerChoice()
  var epochs = 3
  var batchSize = 64
  var inputTensor = "images"
  var labelTensor = "labels"
  var maxBatchSize = 64

  /// What is done to an element before the first layer: x · scale + offset.
  struct Input: Sendable, Hashable {
    var scale = 1.0
    var offset = 0.0
  }

  enum Loss: String, Sendable, Hashable, CaseIterable {
    case crossEntropy = "cross_entropy"
    case meanSquaredError = "mean_squared_error"
  }

  enum LayerType: String, Sendable, Hashable, CaseIterable {
    case conv2d
    case maxPool2D = "max_pool2d"
    case averagePool2D = "average_pool2d"
    case flatten
    case dense
    case dropout
    case batchNorm = "batch_norm"
    case activation
  }

  /// One layer.
  enum Layer: Sendable, Hashable {
    case conv2d(
      filters: Int, kernel: Int, stride: Int, padding: Padding, useBias: Bool,
      activation: Activation?)
    case maxPool2D(size: Int, stride: Int, padding: Padding)
    case averagePool2D(size: Int, stride: Int, padding: Padding)
    case flatten
    case dense(units: Int, useBias: Bool, activation: Activation?)
    case dropout(rate: Double)
    case batchNorm(epsilon: Double, momentum: Double)
    case activation(Activation)
  }

  enum OptimizerType: String, Sendable, Hashable, CaseIterable {
    case sgd
    case adam
    case adamW = "adamw"
  }

  /// An optimizer with its settings; those that its type does not have stay at their defaults.
  struct OptimizerChoice: Sendable, Hashable {
    var type = OptimizerType.adam
    var learningRate = 0.001
    var momentum = 0.0
    var nesterov = false
    var beta1 = 0.9
    var beta2 = 0.999
    var epsilon = 1e-8
    var weightDecay = 0.0

    /// The optimizer of the runtime.
    var optimizer: Optimizer {
      switch type {
      case .sgd:
        .sgd(
          learningRate: Float(learningRate), momentum: Float(momentum), nesterov: nesterov,
          weightDecay: Float(weightDecay))
      case .adam:
        .adam(
          learningRate: Float(learningRate), beta1: Float(beta1), beta2: Float(beta2),
          epsilon: Float(epsilon), weightDecay: Float(weightDecay))
      case .adamW:
        .adamW(
          learningRate: Float(learningRate), beta1: Float(beta1), beta2: Float(beta2),
          epsilon: Float(epsilon), weightDecay: Float(weightDecay))
      }
    }
  }
}
