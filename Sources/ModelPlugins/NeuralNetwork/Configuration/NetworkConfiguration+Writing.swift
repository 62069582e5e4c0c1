// SPDX-License-Identifier: Apache-2.0
import Runtime

extension NetworkConfiguration {
  /// The configuration with every default written out, in a fixed order: equal configurations give
  /// equal texts, and `init(parsing:)` reads it back.
  var canonicalText: String {
    let layerTexts = layers.enumerated().map { index, layer in
      layer.canonicalText(isFrozen: frozenLayers.contains(index))
    }
    var parts = [#""input":{"scale":\#(input.scale),"offset":\#(input.offset)}"#]
    if !augmentation.isIdentity { parts.append(#""augmentation":\#(augmentation.canonicalText)"#) }
    parts += [
      #""layers":[\#(layerTexts.joined(separator: ","))]"#,
      #""loss":\#(loss.canonicalText)"#,
      #""optimizer":\#(optimizer.canonicalText)"#,
    ]
    parts += rules.canonicalTexts
    parts.append(#""schedule":\#(schedule.canonicalText)"#)
    if let earlyStopping { parts.append(#""early_stopping":\#(earlyStopping.canonicalText)"#) }
    parts += [
      #""monitor_split":"\#(monitorSplit)""#,
      #""epochs":\#(epochs)"#,
      #""batch_size":\#(batchSize)"#,
      #""input_tensor":"\#(inputTensor)""#,
      #""label_tensor":"\#(labelTensor)""#,
      #""serving":{"max_batch_size":\#(maxBatchSize)}"#,
    ]
    return "{\(parts.joined(separator: ","))}"
  }
}

extension NetworkConfiguration.Layer {
  /// The layer's type.
  var type: NetworkConfiguration.LayerType {
    switch self {
    case .conv2d: .conv2d
    case .maxPool2D: .maxPool2D
    case .averagePool2D: .averagePool2D
    case .flatten: .flatten
    case .dense: .dense
    case .dropout: .dropout
    case .batchNorm: .batchNorm
    case .activation: .activation
    case .recurrent(let layer):
      switch layer.cell {
      case .lstm: .lstm
      case .gru: .gru
      case .simple: .rnn
      }
    case .embedding: .embedding
    case .conv1D: .conv1D
    case .layerNorm: .layerNorm
    case .rmsNorm: .rmsNorm
    case .globalAveragePool: .globalAveragePool
    case .depthwiseConv2D: .depthwiseConv2D
    case .transposedConv2D: .transposedConv2D
    case .upsample2D: .upsample2D
    case .groupNorm: .groupNorm
    case .globalMaxPool: .globalMaxPool
    case .permute: .permute
    case .positionEmbedding: .positionEmbedding
    case .selfAttention: .selfAttention
    case .transformerBlock: .transformerBlock
    case .residual: .residual
    }
  }

  fileprivate func canonicalText(isFrozen: Bool) -> String {
    let type = #""type":"\#(type.rawValue)""# + (isFrozen ? #","trainable":false"# : "")
    return switch self {
    case .conv2d(
      let filters, let kernel, let stride, let padding, let useBias, let activation, let dilation,
      let groups),
      .conv1D(
        let filters, let kernel, let stride, let padding, let useBias, let activation,
        let dilation, let groups):
      #"{\#(type),"filters":\#(filters),"kernel":\#(kernel),"stride":\#(stride),"#
        + #""padding":\#(padding.canonicalText),"use_bias":\#(useBias),"#
        + #""activation":"\#(activation?.rawValue ?? "none")""#
        + (dilation == 1 ? "" : #","dilation":\#(dilation)"#)
        + (groups == 1 ? "" : #","groups":\#(groups)"#) + "}"
    case .maxPool2D(let size, let stride, let padding),
      .averagePool2D(let size, let stride, let padding):
      #"{\#(type),"size":\#(size),"stride":\#(stride),"padding":\#(padding.canonicalText)}"#
    case .flatten, .globalAveragePool, .globalMaxPool, .positionEmbedding: "{\(type)}"
    case .layerNorm(let epsilon), .rmsNorm(let epsilon): #"{\#(type),"epsilon":\#(epsilon)}"#
    case .dense(let units, let useBias, let activation):
      #"{\#(type),"units":\#(units),"use_bias":\#(useBias),"#
        + #""activation":"\#(activation?.rawValue ?? "none")"}"#
    case .dropout(let rate): #"{\#(type),"rate":\#(rate)}"#
    case .batchNorm(let epsilon, let momentum):
      #"{\#(type),"epsilon":\#(epsilon),"momentum":\#(momentum)}"#
    case .activation(let activation): #"{\#(type),"activation":"\#(activation.rawValue)"}"#
    case .recurrent(let layer): "{\(type),\(layer.canonicalText)}"
    case .embedding(let entries, let dimensions):
      #"{\#(type),"entries":\#(entries),"dimensions":\#(dimensions)}"#
    case .depthwiseConv2D(
      let kernel, let stride, let padding, let dilation, let useBias, let activation):
      #"{\#(type),"kernel":\#(kernel),"stride":\#(stride),"padding":\#(padding.canonicalText),"#
        + #""dilation":\#(dilation),"use_bias":\#(useBias),"#
        + #""activation":"\#(activation?.rawValue ?? "none")"}"#
    case .transposedConv2D(
      let filters, let kernel, let stride, let padding, let useBias, let activation):
      #"{\#(type),"filters":\#(filters),"kernel":\#(kernel),"stride":\#(stride),"#
        + #""padding":\#(padding.canonicalText),"use_bias":\#(useBias),"#
        + #""activation":"\#(activation?.rawValue ?? "none")"}"#
    case .upsample2D(let factor, let mode):
      #"{\#(type),"factor":\#(factor),"mode":"\#(mode.rawValue)"}"#
    case .groupNorm(let groups, let epsilon):
      #"{\#(type),"groups":\#(groups),"epsilon":\#(epsilon)}"#
    case .permute(let axes): #"{\#(type),"axes":\#(axes)}"#
    case .selfAttention(let layer): "{\(type),\(layer.canonicalText)}"
    case .transformerBlock(let layer):
      #"{\#(type),\#(layer.attention.canonicalText),"expansion":\#(layer.expansion),"#
        + #""activation":"\#(layer.activation.rawValue)"}"#
    case .residual(let layers):
      #"{\#(type),"layers":[\#(layers.map { $0.canonicalText(isFrozen: false) }.joined(separator: ","))]}"#
    }
  }
}

extension NetworkConfiguration.Attention {
  fileprivate var canonicalText: String {
    #""heads":\#(heads),"causal":\#(isCausal),"dropout":\#(dropout)"#
  }
}

extension NetworkConfiguration.Recurrent {
  fileprivate var canonicalText: String {
    let shared =
      #""units":\#(units),"layers":\#(layers),"bidirectional":\#(isBidirectional),"#
      + #""return_sequences":\#(returnsSequences)"#
    guard case .simple(let activation) = cell else { return shared }
    return shared + #","activation":"\#(activation.rawValue)""#
  }
}

extension NetworkConfiguration.LayerType {
  /// Whether a layer of this type learns anything.
  var hasParameters: Bool {
    switch self {
    case .conv2d, .conv1D, .dense, .batchNorm, .layerNorm, .rmsNorm, .lstm, .gru, .rnn, .embedding,
      .depthwiseConv2D, .transposedConv2D, .groupNorm, .positionEmbedding, .selfAttention,
      .transformerBlock, .residual:
      true
    case .maxPool2D, .averagePool2D, .globalAveragePool, .flatten, .dropout, .activation,
      .upsample2D, .globalMaxPool, .permute:
      false
    }
  }
}

extension Padding {
  fileprivate var canonicalText: String {
    switch self {
    case .valid: #""valid""#
    case .same: #""same""#
    case .symmetric(let count): "\(count)"
    }
  }
}
