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
    case depthwiseConv2D = "depthwise_conv2d"
    case transposedConv2D = "transposed_conv2d"
    case upsample2D = "upsample2d"
    case groupNorm = "group_norm"
    case globalMaxPool = "global_max_pool"
    case permute
    case positionEmbedding = "position_embedding"
    case selfAttention = "self_attention"
    case transformerBlock = "transformer_block"
    case residual
  }

  /// One layer.
  enum Layer: Sendable, Hashable {
    case conv2d(
      filters: Int, kernel: Int, stride: Int, padding: Padding, useBias: Bool,
      activation: Activation?, dilation: Int = 1, groups: Int = 1)
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
      activation: Activation?, dilation: Int = 1, groups: Int = 1)
    case layerNorm(epsilon: Double)
    case rmsNorm(epsilon: Double)
    case globalAveragePool
    case depthwiseConv2D(
      kernel: Int, stride: Int, padding: Padding, dilation: Int, useBias: Bool,
      activation: Activation?)
    case transposedConv2D(
      filters: Int, kernel: Int, stride: Int, padding: Padding, useBias: Bool,
      activation: Activation?)
    case upsample2D(factor: Int, mode: ResizeMode)
    case groupNorm(groups: Int, epsilon: Double)
    case globalMaxPool
    case permute(axes: [Int])
    case positionEmbedding
    case selfAttention(Attention)
    case transformerBlock(Transformer)
    /// What its layers make of a value, added to the value.
    case residual([Layer])
  }

  /// Attention of the steps of a sequence to one another.
  struct Attention: Sendable, Hashable {
    var heads: Int
    /// Whether a step sees none behind it.
    var isCausal = false
    /// Of what attention gives, in training.
    var dropout = 0.0
  }

  /// Attention and two dense layers for each step, each behind a layer normalisation and added to what came to it.
  struct Transformer: Sendable, Hashable {
    var attention: Attention
    /// Units of the first dense layer, over the features.
    var expansion = 4
    var activation = Activation.gelu
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
