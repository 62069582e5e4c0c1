// SPDX-License-Identifier: Apache-2.0
import Runtime

/// What a user asks of the `neural-network` plugin, checked for everything that the text alone
/// says.
///
/// What depends on the data (shapes that fit, labels in range) is checked by `Network`.
struct NetworkConfiguration: Sendable, Hashable {
  var input = Input()
  /// How training varies its samples.
  var augmentation = Augmentation()
  var layers: [Layer]
  /// Positions of layers whose parameters stay as they are: `"trainable": false`.
  var frozenLayers: Set<Int> = []
  var loss = LossChoice()
  var optimizer = OptimizerChoice()
  var rules = GradientRules()
  var schedule = ScheduleChoice()
  var earlyStopping: EarlyStoppingChoice?
  /// The split whose loss early stopping and a schedule look at; of `train`, the epoch's own mean.
  var monitorSplit = "train"
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

  enum LayerType: String, Sendable, Hashable, CaseIterable {
    case conv2d
    case maxPool2D = "max_pool2d"
    case averagePool2D = "average_pool2d"
    case flatten
    case dense
    case dropout
    case batchNorm = "batch_norm"
    case activation
    case lstm
    case gru
    case rnn
    case embedding
    case conv1D = "conv1d"
    case layerNorm = "layer_norm"
    case rmsNorm = "rms_norm"
    case globalAveragePool = "global_average_pool"
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
    case recurrent(Recurrent)
    case embedding(entries: Int, dimensions: Int)
    case conv1D(
      filters: Int, kernel: Int, stride: Int, padding: Padding, useBias: Bool,
      activation: Activation?)
    case layerNorm(epsilon: Double)
    case rmsNorm(epsilon: Double)
    case globalAveragePool
  }

  /// Recurrent layers of one kind, one on the other.
  struct Recurrent: Sendable, Hashable {
    var cell: RecurrentCell
    var units: Int
    var layers = 1
    /// Whether a second cell goes from the end to the beginning; what both give is put side by side.
    var isBidirectional = false
    /// Whether the hidden states of all steps go on, or the last one alone.
    var returnsSequences = false
  }
}
