// SPDX-License-Identifier: Apache-2.0
import Runtime

/// Layers that serve a kind of data well, for who does not want to choose them.
struct NetworkPreset: Sendable, Hashable {
  var name: Name
  /// Classes, or numbers to be predicted.
  var outputs: Int

  enum Name: String, Sendable, CaseIterable {
    /// Two convolutions, a pool and two dense layers.
    case images
    /// An LSTM over the first dimension of a sample.
    case sequences
    /// Two hidden layers over all numbers of a sample.
    case tables
  }

  /// Reads the preset of a configuration; nil, and a violation, where it is wrong.
  init?(_ json: JSONValue, path: String, list: ViolationList) {
    let fields = FieldReader(json, path: path, keys: ["name", "outputs"], list: list)
    outputs = fields.integer("outputs", NetworkConfiguration.Bounds.width)
    guard let name = fields.choice("name", of: Name.self) else { return nil }
    self.name = name
  }

  /// The layers; each begins with a normalisation, so that inputs of any scale will do.
  var layers: [NetworkConfiguration.Layer] {
    let normalisation = NetworkConfiguration.Layer.batchNorm(epsilon: 1e-5, momentum: 0.1)
    let answer = NetworkConfiguration.Layer.dense(units: outputs, useBias: true, activation: nil)
    func hidden(_ units: Int) -> NetworkConfiguration.Layer {
      .dense(units: units, useBias: true, activation: .relu)
    }
    func convolution(_ filters: Int) -> NetworkConfiguration.Layer {
      .conv2d(
        filters: filters, kernel: 3, stride: 1, padding: .same, useBias: true, activation: .relu)
    }
    return switch name {
    case .images:
      [
        normalisation, convolution(32), convolution(64),
        .maxPool2D(size: 2, stride: 2, padding: .valid), .dropout(rate: 0.25), .flatten,
        hidden(128), .dropout(rate: 0.5), answer,
      ]
    case .sequences:
      [
        normalisation, .recurrent(NetworkConfiguration.Recurrent(cell: .lstm, units: 128)),
        .dropout(rate: 0.2), answer,
      ]
    case .tables:
      [.flatten, normalisation, hidden(128), .dropout(rate: 0.1), hidden(64), answer]
    }
  }
}
