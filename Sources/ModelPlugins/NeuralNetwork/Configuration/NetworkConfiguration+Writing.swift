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
    }
  }

  fileprivate func canonicalText(isFrozen: Bool) -> String {
    let type = #""type":"\#(type.rawValue)""# + (isFrozen ? #","trainable":false"# : "")
    return switch self {
    case .conv2d(let filters, let kernel, let stride, let padding, let useBias, let activation),
      .conv1D(let filters, let kernel, let stride, let padding, let useBias, let activation):
      #"{\#(type),"filters":\#(filters),"kernel":\#(kernel),"stride":\#(stride),"#
        + #""padding":\#(padding.canonicalText),"use_bias":\#(useBias),"#
        + #""activation":"\#(activation?.rawValue ?? "none")"}"#
    case .maxPool2D(let size, let stride, let padding),
      .averagePool2D(let size, let stride, let padding):
      #"{\#(type),"size":\#(size),"stride":\#(stride),"padding":\#(padding.canonicalText)}"#
    case .flatten, .globalAveragePool: "{\(type)}"
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
    }
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
    case .conv2d, .conv1D, .dense, .batchNorm, .layerNorm, .rmsNorm, .lstm, .gru, .rnn, .embedding:
      true
    case .maxPool2D, .averagePool2D, .globalAveragePool, .flatten, .dropout, .activation: false
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
